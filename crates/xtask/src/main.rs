//! The project's own commands: `cargo xtask test` and `cargo xtask house`.

#![forbid(unsafe_code)]

mod house;
mod needs;

use std::path::Path;
use std::process::{Command, ExitCode};

const USAGE: &str = "\
usage: cargo xtask <command>

  test [ARGS]  the house checks, then `cargo test --workspace` (or `cargo test ARGS`)
  house        the house checks alone";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.split_first() {
        Some((command, rest)) if command == "test" => test(rest),
        Some((command, [])) if command == "house" => house::check(root()),
        Some((command, [])) if matches!(command.as_str(), "help" | "-h" | "--help") => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn test(args: &[String]) -> Result<(), String> {
    house::check(root())?;
    needs::provide()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root()).arg("test");
    if args.is_empty() {
        command.arg("--workspace");
    } else {
        command.args(args);
    }
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("tests failed: see above".to_owned()),
        Err(error) => Err(format!("cannot start cargo: {error}")),
    }
}

/// The workspace's root: two levels above this package.
fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap_or(package)
}
