//! The project's own commands: `cargo xtask help` lists them.

#![forbid(unsafe_code)]

mod fuzz;
mod house;
mod needs;
mod servers;
mod sim;

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};

const USAGE: &str = "\
usage: cargo xtask <command>

  test [ARGS]  the house checks, what the tests need, then `cargo test --workspace` (or `cargo test ARGS`)
  house        the house checks alone
  servers      download the Redis and Valkey servers that the tests start
  sim          seeded schedules of everything that may happen to a stream (--seeds N, --seed S)
  fuzz         the fuzz targets, 30 seconds each, with a nightly compiler ([TARGET] [--seconds N])

`cargo xtask sim --help` and `cargo xtask fuzz --help` say more.";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Result<(), String> {
    let asks_help = |arg: &&str| matches!(*arg, "help" | "-h" | "--help");
    let help = |usage: &str| {
        println!("{usage}");
        Ok(())
    };
    match args {
        [command] if asks_help(command) => help(USAGE),
        ["sim", rest @ ..] if rest.iter().any(asks_help) => help(sim::USAGE),
        ["fuzz", rest @ ..] if rest.iter().any(asks_help) => help(fuzz::USAGE),
        ["servers", rest @ ..] if rest.iter().any(asks_help) => help(servers::USAGE),
        ["test", rest @ ..] => test(rest),
        ["house"] => house::check(root()),
        ["servers"] => servers::provide(),
        ["sim", rest @ ..] => sim::run(rest),
        ["fuzz", rest @ ..] => fuzz::run(rest),
        _ => Err(USAGE.to_owned()),
    }
}

fn test(args: &[&str]) -> Result<(), String> {
    house::check(root())?;
    servers::provide()?;
    let mut command = Command::new(cargo());
    command.current_dir(root()).arg("test");
    if args.is_empty() {
        command.arg("--workspace");
    } else {
        command.args(args);
    }
    succeed(&mut command, "tests failed: see above")?;
    if args.is_empty() {
        // What a build with everything does more.
        let mut command = Command::new(cargo());
        command.current_dir(root()).arg("test").args(WITH_PARQUET);
        succeed(
            &mut command,
            "tests of the feature parquet failed: see above",
        )?;
    }
    Ok(())
}

const WITH_PARQUET: [&str; 8] = [
    "-p",
    "recount",
    "--features",
    "parquet",
    "--test",
    "cli",
    "--",
    "export",
];

/// The cargo that started this program.
fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Runs a program; `failure` says what it means if that fails.
fn succeed(command: &mut Command, failure: &str) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(failure.to_owned()),
        Err(error) => Err(format!(
            "cannot start {}: {error}",
            command.get_program().display()
        )),
    }
}

/// The workspace's root: two levels above this package.
fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap_or(package)
}
