//! `recount config`

use owo_colors::Style;
use recount::config::{Origin, Place, SETTINGS, Setting, Value, example};
use serde_json::json;
use unicode_width::UnicodeWidthStr as _;

use super::error::Result;
use super::output::{Output, one_line, pad};
use super::settings::{Settings, warn};

/// Show every setting in force, and where it comes from
///
/// Flags win over RECOUNT_* variables, these over the file recount.toml of the current folder or the
/// one that --config or RECOUNT_CONFIG names, this over defaults. An empty variable counts as unset.
/// A file that is wrong in any way stops every command, this one too, with the places of all that is
/// wrong.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Print a recount.toml with every setting, what it means and its default
    #[arg(long, conflicts_with = "json")]
    pub(super) example: bool,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  recount config
  recount config --json
  recount config --example > recount.toml";

/// Prints the example, whatever the settings are.
pub(super) fn print_example() -> Result {
    let mut output = Output::new();
    output.line(example().trim_end())?;
    output.flush()
}

pub(super) fn run(args: &Args, settings: &Settings) -> Result {
    match settings.file() {
        Some(path) => settings.note(format_args!("settings are read from {}", path.display())),
        None => settings.note("there is no recount.toml in this folder"),
    }
    let unknown = std::env::vars_os().filter_map(|(name, _)| unknown(name.to_str()?));
    for told in unknown {
        warn(told);
    }
    let mut output = Output::new();
    if args.json {
        output.line(format_args!("{:#}", document(settings)))?;
    } else {
        for line in table(settings) {
            output.line(line)?;
        }
    }
    output.flush()
}

/// Settings, values and origins below each other.
fn table(settings: &Settings) -> Vec<String> {
    let rows: Vec<_> = settings
        .resolved()
        .all()
        .map(|(setting, value, origin)| {
            let value = one_line(&value.to_string()).into_owned();
            let given = matches!(origin, Origin::Given(_));
            (
                setting.key,
                value,
                one_line(&origin.to_string()).into_owned(),
                given,
            )
        })
        .collect();
    let keys = rows.iter().map(|(key, ..)| key.len()).max().unwrap_or(0);
    let values = rows
        .iter()
        .map(|(_, value, ..)| value.width())
        .max()
        .unwrap_or(0);
    let styled = |text: String, style: Style| {
        if settings.color() {
            style.style(text).to_string()
        } else {
            text
        }
    };
    rows.into_iter()
        .map(|(key, value, origin, given)| {
            let value = styled(
                pad(&value, values),
                if given {
                    Style::new().bold()
                } else {
                    Style::new()
                },
            );
            let origin = styled(origin, Style::new().dimmed());
            format!("{key:keys$}  {value}  {origin}")
        })
        .collect()
}

/// The same for programs.
fn document(settings: &Settings) -> serde_json::Value {
    let all = settings.resolved().all().map(|(setting, value, origin)| {
        let value = match value {
            Value::Text(text) => json!(text),
            Value::Number(number) => json!(number),
            Value::Switch(switch) => json!(switch),
        };
        json!({"key": setting.key, "value": value, "origin": origin_document(origin)})
    });
    json!({
        "file": settings.file().map(|path| path.display().to_string()),
        "settings": all.collect::<Vec<_>>(),
    })
}

fn origin_document(origin: &Origin) -> serde_json::Value {
    match origin {
        Origin::Default => json!({"kind": "default"}),
        Origin::Follows(reason) => json!({"kind": "default", "reason": reason}),
        Origin::Given(Place::Flag(name)) => json!({"kind": "flag", "name": name}),
        Origin::Given(Place::Variable(name)) => json!({"kind": "variable", "name": name}),
        Origin::Given(Place::File(place)) => json!({
            "kind": "file", "file": place.file, "line": place.line, "column": place.column,
        }),
    }
}

/// What to say of a variable that looks as if it were read, and is not.
fn unknown(name: &str) -> Option<String> {
    let key = name.strip_prefix("RECOUNT_")?;
    if key == "CONFIG" || SETTINGS.iter().any(|setting| setting.variable() == name) {
        return None;
    }
    let meant = Setting::meant(key).map(Setting::variable);
    let meant = meant.map_or_else(String::new, |meant| format!(": did you mean {meant}?"));
    Some(format!("{name} is no setting's variable{meant}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_not_read_is_told() {
        for known in [
            "RECOUNT_URL",
            "RECOUNT_CONFIG",
            "RECOUNT_RETENTION_MAX_LENGTH",
            "HOME",
        ] {
            assert_eq!(unknown(known), None);
        }
        assert_eq!(
            unknown("RECOUNT_STREM").unwrap(),
            "RECOUNT_STREM is no setting's variable: did you mean RECOUNT_STREAM?"
        );
        assert_eq!(
            unknown("RECOUNT_HOME_PAGE").unwrap(),
            "RECOUNT_HOME_PAGE is no setting's variable"
        );
    }
}
