//! What holds for every command, those to come included.

use clap::{Arg, Command, CommandFactory as _};

use super::Cli;
use super::help::sections;

/// Commands without `--json`: what they print is for a shell, for `man`, for a person, or is what
/// `--format` says.
const WITHOUT_JSON: [&str; 5] = ["completions", "man", "help", "demo", "export"];

/// Columns of a terminal that nobody made wider.
const COLUMNS: usize = 80;

fn top() -> Command {
    let mut top = Cli::command();
    top.build();
    top
}

/// Every command, the top and what is nested included.
fn commands(top: &Command) -> Vec<&Command> {
    let below = top.get_subcommands().flat_map(commands);
    [top].into_iter().chain(below).collect()
}

fn examples(command: &Command) -> Vec<String> {
    let sections = sections(command).into_iter();
    let mut examples = sections.filter(|section| section.title == "Examples");
    let lines = examples.next().map_or(Vec::new(), |section| section.lines);
    let joined = lines.join("\n").replace("\\\n", " ");
    joined.lines().map(str::to_owned).collect()
}

#[test]
fn every_command_and_option_says_what_it_does() {
    for command in commands(&top()) {
        let name = command.get_bin_name().unwrap_or("recount");
        let about = command.get_about().map(ToString::to_string);
        assert!(about.is_some_and(|about| about.len() > 10), "{name}");
        for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
            let help = arg.get_help().map(ToString::to_string);
            let told = help.is_some_and(|help| help.len() > 3 && !help.ends_with('.'));
            assert!(told, "{name}: {}", arg.get_id());
        }
    }
}

#[test]
fn every_command_has_examples_that_fit_a_terminal() {
    for command in commands(&top()) {
        let name = command.get_bin_name().unwrap_or("recount");
        let sections = sections(command);
        let first = sections.first().map(|section| &*section.title);
        assert_eq!(first, Some("Examples"), "{name}");
        for line in sections.iter().flat_map(|section| &section.lines) {
            assert!(line.chars().count() + 2 <= COLUMNS, "{name}: {line}");
        }
        for example in examples(command) {
            let own = commands_of(&example)
                .iter()
                .any(|words| words.join(" ").starts_with(name));
            assert!(own, "{name} does not stand in its example {example}");
        }
    }
}

#[test]
fn every_example_is_taken_by_the_parser() {
    let mut parsed = 0;
    for command in commands(&top()) {
        for example in examples(command) {
            for words in commands_of(&example) {
                if words.first().is_some_and(|program| program == "recount") {
                    let result = Cli::command().try_get_matches_from(&words);
                    assert!(result.is_ok(), "{example}: {}", result.unwrap_err());
                    parsed += 1;
                }
            }
        }
    }
    assert!(parsed > 20, "{parsed}");
}

#[test]
fn every_command_that_prints_data_prints_json() {
    for command in commands(&top()) {
        // What a command without a subcommand prints is a list.
        let alone = !command.has_subcommands()
            || ["groups", "mirrors", "views"].contains(&command.get_name());
        let prints = alone && !WITHOUT_JSON.contains(&command.get_name());
        let json = |arg: &Arg| arg.get_long() == Some("json");
        let has = command.get_arguments().any(json);
        assert_eq!(has, prints, "{}", command.get_name());
    }
}

#[test]
fn the_exit_codes_are_told_at_the_top() {
    let sections = sections(&top());
    let codes = sections
        .iter()
        .find(|section| section.title == "Exit codes");
    let told = codes.unwrap().lines.iter();
    let told: Vec<_> = told.map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(told, ["0", "1", "2", "130"]);
}

/// The commands of a line of shell, as words: quotes and backslashes taken away, redirections left
/// out.
fn commands_of(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (word, after) = word(rest);
        match &rest[..rest.len() - after.len()] {
            "|" | ";" | "&&" => commands.push(Vec::new()),
            "<" | ">" => {
                rest = self::word(after.trim_start()).1.trim_start();
                continue;
            }
            _ => commands.last_mut().expect("there is one").push(word),
        }
        rest = after.trim_start();
    }
    commands
}

/// The first word, and what stands after it.
fn word(line: &str) -> (String, &str) {
    let mut word = String::new();
    let mut quote = None;
    let mut chars = line.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (None, ' ') => return (word, &line[at..]),
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None | Some('"'), '\\') => word.extend(chars.next().map(|(_, c)| c)),
            (_, c) => word.push(c),
        }
    }
    assert_eq!(quote, None, "a quote is not closed: {line}");
    (word, "")
}

#[test]
fn a_line_of_shell_is_taken_apart() {
    assert_eq!(
        commands_of(r#"echo '{"a": 1}' | recount x --y "b \"c\"" d\ e > f g && h < i"#),
        [
            vec!["echo", r#"{"a": 1}"#],
            vec!["recount", "x", "--y", r#"b "c""#, "d e", "g"],
            vec!["h"],
        ]
    );
}
