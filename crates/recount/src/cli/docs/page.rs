//! The parser as Markdown.

use clap::{Arg, Command, CommandFactory as _};

use crate::cli::Cli;
use crate::cli::help::{Section, sections};

/// The whole page. `renew` is the command that writes it.
pub(super) fn render(renew: &str) -> String {
    let mut top = Cli::command();
    top.build();
    let mut page = Page(String::new());
    page.line("# The command line");
    page.line(format!(
        "<!-- Made from the parser; renewed by: {renew} -->"
    ));
    for paragraph in paragraphs(&top) {
        page.line(text(&paragraph));
    }
    page.line(
        "Results go to standard output, everything else to standard error. The same text, as wide as the \
         terminal, is printed by `recount help COMMAND`; `recount man COMMAND` prints a manual page.",
    );
    page.contents(&top);
    let (examples, others): (Vec<_>, Vec<_>) = sections(&top)
        .into_iter()
        .partition(|section| section.title == EXAMPLES);
    for section in &examples {
        page.section("##", section);
    }
    page.line("## Global options");
    page.line(
        "They stand before or after any command; `--fsync`, too, of commands that write, and `--wait-replicas`, \
         `--wait-aof` and `--partitions` of those that append.",
    );
    page.options("Options", &options(&top, |arg| heading(arg) == GLOBAL));
    for section in &others {
        page.section("##", section);
    }
    for command in top.get_subcommands() {
        page.command(command);
    }
    page.0.truncate(page.0.trim_end().len());
    page.0.push('\n');
    page.0
}

const EXAMPLES: &str = "Examples";
const EXIT_CODES: &str = "Exit codes";
const GLOBAL: &str = "Global options";

struct Page(String);

impl Page {
    /// A block, and the empty line after it.
    fn line(&mut self, block: impl AsRef<str>) {
        self.0.push_str(block.as_ref());
        self.0.push_str("\n\n");
    }

    fn contents(&mut self, top: &Command) {
        let mut rows = vec!["| Command | |".to_owned(), "|---|---|".to_owned()];
        for command in top.get_subcommands() {
            let (name, about) = (command.get_name(), about(command));
            rows.push(format!(
                "| [`{name}`](#recount-{name}) | {} |",
                cell(&about)
            ));
        }
        self.line(rows.join("\n"));
        let (examples, others): (Vec<_>, Vec<_>) = sections(top)
            .into_iter()
            .map(|section| section.title)
            .partition(|title| title == EXAMPLES);
        let others: Vec<_> = examples
            .into_iter()
            .chain([GLOBAL.to_owned()])
            .chain(others)
            .map(|title| {
                let anchor = title.to_lowercase().replace(' ', "-");
                format!("[{title}](#{anchor})")
            })
            .collect();
        self.line(format!("Also: {}.", others.join(", ")));
    }

    fn command(&mut self, command: &Command) {
        let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
        self.line(format!("## {name}"));
        for paragraph in paragraphs(command) {
            self.line(text(&paragraph));
        }
        let usage = command.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ");
        self.line(format!("```text\n{usage}\n```"));
        self.options("Arguments", &options(command, Arg::is_positional));
        let mut headings: Vec<String> = Vec::new();
        let own = |arg: &Arg| !arg.is_positional() && !arg.is_global_set();
        for arg in options(command, own) {
            let heading = heading(arg);
            if !headings.contains(&heading) {
                headings.push(heading);
            }
        }
        for title in headings {
            let these = options(command, |arg| own(arg) && heading(arg) == title);
            let title = match &*title {
                GLOBAL => "Global options, with a meaning of their own here",
                title => title,
            };
            self.options(title, &these);
        }
        for section in sections(command) {
            self.section("###", &section);
        }
        for command in command.get_subcommands() {
            self.command(command);
        }
    }

    /// A table of options under a title.
    fn options(&mut self, title: &str, args: &[&Arg]) {
        if args.is_empty() {
            return;
        }
        let mut rows = vec![format!("| {} | |", title), "|---|---|".to_owned()];
        for arg in args {
            rows.push(format!("| {} | {} |", signature(arg), meaning(arg)));
        }
        self.line(rows.join("\n"));
    }

    fn section(&mut self, level: &str, section: &Section) {
        self.line(format!("{level} {}", section.title));
        let lines = &section.lines;
        match &*section.title {
            EXAMPLES => self.line(format!("```sh\n{}\n```", lines.join("\n"))),
            EXIT_CODES => {
                let mut rows = vec!["| Code | |".to_owned(), "|---|---|".to_owned()];
                for line in lines {
                    let (code, meaning) = line.split_once(' ').unwrap_or((line, ""));
                    rows.push(format!("| `{code}` | {} |", cell(meaning.trim())));
                }
                self.line(rows.join("\n"));
            }
            _ => self.line(format!("```text\n{}\n```", lines.join("\n"))),
        }
    }
}

/// The options that are shown and wanted, without --help.
fn options(command: &Command, wanted: impl Fn(&Arg) -> bool) -> Vec<&Arg> {
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let shown = shown.filter(|arg| arg.get_id() != "help" && wanted(arg));
    shown.collect()
}

fn heading(arg: &Arg) -> String {
    arg.get_help_heading().unwrap_or("Options").to_owned()
}

/// `-o`, `--output FILE`
fn signature(arg: &Arg) -> String {
    let values = arg.get_value_names().unwrap_or_default().join(" ");
    if arg.is_positional() {
        return format!("`{values}`");
    }
    let takes = arg.get_action().takes_values();
    let value = if takes {
        format!(" {values}")
    } else {
        String::new()
    };
    let short = arg.get_short().map(|short| format!("`-{short}`"));
    let long = arg.get_long().map(|long| format!("`--{long}{value}`"));
    let names: Vec<_> = [short, long].into_iter().flatten().collect();
    names.join(", ")
}

/// What it does, what it may be, and what it is unless given.
fn meaning(arg: &Arg) -> String {
    let help = arg.get_long_help().or_else(|| arg.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    let (help, mut facts) = facts(&help);
    let takes = arg.get_action().takes_values();
    let values = arg.get_possible_values();
    let values: Vec<_> = values.iter().filter(|value| !value.is_hide_set()).collect();
    let mut lines = vec![cell(help)];
    if takes && !values.is_empty() && !arg.is_hide_possible_values_set() {
        let told = values.iter().map(|value| match value.get_help() {
            Some(help) => format!("`{}`: {}", value.get_name(), cell(&help.to_string())),
            None => format!("`{}`", value.get_name()),
        });
        let told: Vec<_> = told.collect();
        let explained = values.iter().any(|value| value.get_help().is_some());
        lines.push(told.join(if explained { "<br>" } else { ", " }));
    }
    let defaults = arg.get_default_values();
    if takes && !defaults.is_empty() && !arg.is_hide_default_value_set() {
        let defaults: Vec<_> = defaults
            .iter()
            .map(|value| value.to_string_lossy())
            .collect();
        facts.push(("default".to_owned(), defaults.join(" ")));
    }
    lines.extend(facts.iter().map(|(name, value)| {
        let name = match &**name {
            "env" => "Variable",
            "default" => "Default",
            name => name,
        };
        // A value, or words about it.
        if value.contains(' ') {
            format!("{name}: {}", cell(value))
        } else {
            format!("{name}: `{value}`")
        }
    }));
    lines.join("<br>")
}

/// Takes `[env: X] [default: Y]` from the end of a help text.
fn facts(help: &str) -> (&str, Vec<(String, String)>) {
    let mut rest = help.trim_end();
    let mut facts = Vec::new();
    while let Some((before, fact)) = rest
        .strip_suffix(']')
        .and_then(|rest| rest.rsplit_once(" ["))
        && let Some((name, value)) = fact.split_once(": ")
    {
        facts.insert(0, (name.to_owned(), value.to_owned()));
        rest = before.trim_end();
    }
    (rest, facts)
}

fn about(command: &Command) -> String {
    let about = command.get_about().or_else(|| command.get_long_about());
    about.map(ToString::to_string).unwrap_or_default()
}

fn paragraphs(command: &Command) -> Vec<String> {
    let about = command.get_long_about().or_else(|| command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    let sentences = about.split("\n\n").map(|paragraph| match paragraph {
        // The first one is a title in the help.
        title if !title.ends_with(['.', ':']) => format!("{title}."),
        paragraph => paragraph.to_owned(),
    });
    sentences.collect()
}

/// Prose, with what Markdown would take for markup marked as text.
fn text(prose: &str) -> String {
    let mut code = false;
    let mut out = String::new();
    for c in prose.chars() {
        code ^= c == '`';
        if !code && matches!(c, '<' | '*' | '[' | ']' | '$') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The same in a cell of a table.
fn cell(prose: &str) -> String {
    text(prose)
        .replace('|', "\\|")
        .replace("\n\n", "<br>")
        .replace('\n', " ")
}
