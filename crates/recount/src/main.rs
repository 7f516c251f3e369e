//! The one binary: see `cli` for its commands, and the library `recount` for all that they stand
//! on.

#![forbid(unsafe_code)]

mod cli;

fn main() -> std::process::ExitCode {
    cli::run()
}
