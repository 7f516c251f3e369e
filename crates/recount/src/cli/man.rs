//! `recount man`: the manual pages, made from the parser.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::error::{Failure, Result};
use super::help::{Section, parser, sections};
use super::output::Output;

/// Print a manual page, or write all of them into a directory
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The command whose page is printed; without it, that of recount itself
    command: Option<String>,

    /// Write the pages of all commands into DIR, which is created if it is missing, and print their
    /// paths
    #[arg(long, short, value_name = "DIR", conflicts_with = "command")]
    output: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  recount man | man -l -
  recount man events | man -l -
  recount man --output ~/.local/share/man/man1";

pub(super) fn run(args: &Args) -> Result {
    let mut output = Output::new();
    let mut top = parser().subcommand_help_heading("COMMANDS");
    top.build();
    if let Some(folder) = &args.output {
        fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
        let commands = [&top].into_iter().chain(top.get_subcommands());
        for command in commands {
            let path = folder.join(format!("{}.1", name(command)));
            let page = page(&top, command)?;
            fs::write(&path, page).map_err(|error| failed(&path, &error))?;
            output.line(path.display())?;
        }
        return output.flush();
    }
    let command = match &args.command {
        None => &top,
        Some(name) => top.find_subcommand(name).ok_or_else(|| {
            Failure::usage(format!("there is no command {name:?}"))
                .hint("recount --help lists the commands")
        })?,
    };
    output.line(page(&top, command)?.trim_end())?;
    output.flush()
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    let path = path.display();
    match error.kind() {
        // What create_dir_all says of a file.
        io::ErrorKind::AlreadyExists => Failure::usage(format!("{path} is not a directory"))
            .hint("--output takes a directory, which gets a page for every command"),
        _ => Failure::new(format!("writing {path}: {error}")),
    }
}

/// The page of `command`, which is one of `top` or `top` itself.
fn page(top: &clap::Command, command: &clap::Command) -> Result<String> {
    render(top, command).map_err(|error| Failure::new(format!("rendering a manual page: {error}")))
}

fn render(top: &clap::Command, command: &clap::Command) -> io::Result<String> {
    let mut page = Vec::new();
    let version = top.get_version().unwrap_or_default();
    // Every flag stands below with what it does; a synopsis of all of them hides the arguments.
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").to_owned();
    let man = Man::new(command.clone().override_usage(usage))
        .source(format!("recount {version}"))
        .manual("Recount manual");
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let own = sections(command);
    // What the exit codes are is told once, at the top; every page has it.
    let told = own.iter().any(is_exit_codes);
    let inherited = sections(top).into_iter();
    let inherited = inherited.filter(|section| !told && is_exit_codes(section));
    let mut roff = Roff::new();
    for section in own.into_iter().chain(inherited) {
        let title = if is_exit_codes(&section) {
            "EXIT STATUS".to_owned()
        } else {
            section.title.to_uppercase()
        };
        roff.control("SH", [&*title]);
        // As it is: no filling, no joining.
        roff.control("nf", []);
        for line in &section.lines {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
    if command.get_name() != top.get_name() {
        roff.control("SH", ["SEE ALSO"]);
        roff.text([roman("recount(1)")]);
    }
    roff.to_writer(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn is_exit_codes(section: &Section) -> bool {
    section.title == "Exit codes"
}

/// What the page is called: `recount-events`.
fn name(command: &clap::Command) -> &str {
    command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
}
