//! `recount help`

use clap::CommandFactory as _;

use super::error::{Failure, Result};
use super::output::Output;

/// Print this help, or that of a command
#[derive(clap::Args)]
pub(super) struct Args {
    /// The command
    command: Option<String>,
}

pub(super) fn run(args: &Args) -> Result {
    let mut top = super::Cli::command();
    top.build();
    let command = match &args.command {
        None => &mut top,
        Some(name) => top.find_subcommand_mut(name).ok_or_else(|| {
            Failure::usage(format!("there is no command {name:?}"))
                .hint("recount --help lists the commands")
        })?,
    };
    let text = command.render_long_help();
    let mut output = Output::new();
    output.line(text.to_string().trim_end())?;
    output.flush()
}
