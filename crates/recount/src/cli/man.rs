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
    /// The command whose page is printed, such as events or mirrors run; without it, that of recount
    /// itself
    command: Vec<String>,

    /// Write the pages of all commands into DIR, which is created if it is missing, and print their
    /// paths
    #[arg(long, short, value_name = "DIR", conflicts_with = "command")]
    output: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  recount man | man -l -
  recount man events | man -l -
  recount man mirrors run | man -l -
  recount man --output ~/.local/share/man/man1";

pub(super) fn run(args: &Args) -> Result {
    let mut output = Output::new();
    let mut top = parser().subcommand_help_heading("COMMANDS");
    top.build();
    if let Some(folder) = &args.output {
        fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
        for command in all(&top) {
            let path = folder.join(format!("{}.1", name(command)));
            let page = page(&top, command)?;
            fs::write(&path, page).map_err(|error| failed(&path, &error))?;
            output.line(path.display())?;
        }
        return output.flush();
    }
    // As its page is called, or in words.
    let words = std::iter::once(name(&top)).chain(args.command.iter().map(String::as_str));
    let wanted = words.collect::<Vec<_>>().join("-");
    let mut commands = all(&top).into_iter();
    let command = commands.find(|command| name(command) == wanted);
    let command = command.ok_or_else(|| {
        let given = args.command.join(" ");
        Failure::usage(format!("there is no command {given:?}"))
            .hint("recount --help lists the commands")
    })?;
    output.line(page(&top, command)?.trim_end())?;
    output.flush()
}

/// A command and all below it.
fn all(command: &clap::Command) -> Vec<&clap::Command> {
    let below = command.get_subcommands().flat_map(all);
    std::iter::once(command).chain(below).collect()
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

/// The page of `command`, which is one of `top` or below it.
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
    let above = all(top).into_iter();
    let above = above.filter(|above| {
        let own = name(command).strip_prefix(name(above));
        own.is_some_and(|own| own.starts_with('-'))
    });
    let above: Vec<_> = above.map(|above| format!("{}(1)", name(above))).collect();
    if !above.is_empty() {
        roff.control("SH", ["SEE ALSO"]);
        roff.text([roman(above.join(", "))]);
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
