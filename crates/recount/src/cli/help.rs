//! `recount help`, and what else is known about the parser.

use std::ffi::OsString;
use std::io::{self, Write as _};

use clap::{ColorChoice, CommandFactory as _};

use super::error::{Failure, Result};
use super::output::terminal_width;

/// Help is never wider than this: longer lines are hard to read.
const WIDTH_MAX: usize = 100;

/// Print this help, or that of a command
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The command
    command: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  recount help
  recount help events";

pub(super) fn run(args: Args) -> Result {
    // The parser answers as it does to --help, suggestions for a mistyped command included.
    let line = ["recount".to_owned()].into_iter().chain(args.command);
    let line = line.chain(["--help".to_owned()]);
    match parser().try_get_matches_from(line) {
        Err(said) => answer(&said),
        Ok(_) => Ok(()),
    }
}

/// Ends the parsing: help and version are printed, a mistake is told and ends the process.
pub(super) fn answer(said: &clap::Error) -> Result {
    if said.use_stderr() {
        said.exit();
    }
    // Not left to `exit`, which does not tell whether it could print.
    let printed = said.print().and_then(|()| io::stdout().flush());
    printed.map_err(|error| Failure::output(&error))
}

/// The parser. Its own words, too, are coloured as --color says and as wide as the terminal.
pub(super) fn parser() -> clap::Command {
    let parser = super::Cli::command().color(color(std::env::args_os().skip(1)));
    match terminal_width() {
        Some(width) => parser.term_width(width.min(WIDTH_MAX)),
        None => parser.max_term_width(WIDTH_MAX),
    }
}

/// What --color says, looked for before anything is parsed.
fn color(args: impl Iterator<Item = OsString>) -> ColorChoice {
    let mut choice = ColorChoice::Auto;
    // An argument that is not UTF-8 is not this one.
    let mut args = args
        .map(|arg| arg.into_string().unwrap_or_default())
        .take_while(|arg| arg != "--");
    while let Some(arg) = args.next() {
        let when = match arg.strip_prefix("--color") {
            Some("") => args.next(),
            Some(when) => when.strip_prefix('=').map(str::to_owned),
            None => None,
        };
        choice = match when.as_deref() {
            Some("always") => ColorChoice::Always,
            Some("never") => ColorChoice::Never,
            Some("auto") => ColorChoice::Auto,
            _ => choice,
        };
    }
    choice
}

/// A part of what stands at the end of a command's help: a title, and the lines below it.
pub(super) struct Section {
    /// Such as `Examples`.
    pub(super) title: String,
    pub(super) lines: Vec<String>,
}

/// The parts at the end of a command's help, their lines without the indentation.
pub(super) fn sections(command: &clap::Command) -> Vec<Section> {
    let text = command.get_after_help().map(ToString::to_string);
    let mut sections: Vec<Section> = Vec::new();
    for line in text.unwrap_or_default().lines() {
        match (line.strip_prefix("  "), line.strip_suffix(':')) {
            (None, Some(title)) => sections.push(Section {
                title: title.to_owned(),
                lines: Vec::new(),
            }),
            (indented, _) => {
                let line = indented.unwrap_or(line);
                if let Some(section) = sections.last_mut() {
                    section.lines.push(line.to_owned());
                }
            }
        }
    }
    for section in &mut sections {
        while section.lines.last().is_some_and(String::is_empty) {
            section.lines.pop();
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_colour_of_help_is_found_wherever_it_stands() {
        for (line, expected) in [
            ("events --help", ColorChoice::Auto),
            ("--color never --help", ColorChoice::Never),
            ("events --help --color=always", ColorChoice::Always),
            ("--color sometimes --help", ColorChoice::Auto),
            ("events -- --color never", ColorChoice::Auto),
        ] {
            let args = line.split(' ').map(OsString::from);
            assert_eq!(color(args), expected, "{line}");
        }
    }

    #[test]
    fn the_end_of_a_help_is_taken_apart() {
        let command =
            clap::Command::new("x").after_help("One:\n  a \\\n      b\n\nTwo:\n  0  done");
        let told: Vec<_> = sections(&command)
            .into_iter()
            .map(|section| (section.title, section.lines))
            .collect();
        let lines = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect();
        assert_eq!(
            told,
            [
                ("One".to_owned(), lines(&["a \\", "    b"])),
                ("Two".to_owned(), lines(&["0  done"])),
            ]
        );
    }
}
