//! `recount completions`

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::error::Result;
use super::output::Output;

/// Print a script that teaches a shell to complete this command line
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  recount completions bash > ~/.local/share/bash-completion/completions/recount
  recount completions zsh > ~/.zfunc/_recount
  recount completions fish > ~/.config/fish/completions/recount.fish";

pub(super) fn run(args: &Args) -> Result {
    // Into memory first: the generator cannot report that standard output was closed.
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut super::Cli::command(),
        "recount",
        &mut script,
    );
    let mut output = Output::new();
    output.line(String::from_utf8_lossy(&script).trim_end())?;
    output.flush()
}
