//! Measurements in processes of their own.

use std::path::Path;
use std::process::{Command, Stdio};

use serde::de::DeserializeOwned;

use crate::Failure;

/// Has this program take a measurement in `dir` by its hidden `command`, with options given as
/// name and value, and reads what it prints.
pub fn measured<T: DeserializeOwned>(
    command: &str,
    dir: &Path,
    options: &[(&str, String)],
) -> Result<T, Failure> {
    let options = options
        .iter()
        .flat_map(|(name, value)| [format!("--{name}"), value.clone()]);
    let output = Command::new(std::env::current_exe()?)
        .arg(command)
        .args(options)
        .arg("--dir")
        .arg(dir)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err("a measurement failed: see above".into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Has what earlier runs wrote put on the disk, so that the next one is not charged for it.
pub fn settle() {
    let _ = Command::new("sync").status();
}

/// The runtime that every measurement has.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
}

/// How an argument's value is written on the command line.
pub fn name(value: &impl clap::ValueEnum) -> String {
    let name = value
        .to_possible_value()
        .map(|value| value.get_name().to_owned());
    name.unwrap_or_default()
}
