//! `recount config`

use owo_colors::Style;
use recount::config::{Origin, Place, SETTINGS, Setting, Value, example};
use serde_json::json;
use unicode_width::UnicodeWidthStr as _;

use super::error::Result;
use super::output::{Output, PrintArgs, one_line, pad, terminal_width, wrapped};
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

    #[command(flatten)]
    print: PrintArgs,
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
    if args.print.json {
        output.line(format_args!("{:#}", document(settings)))?;
    } else {
        for line in table(&rows(settings), settings.color(), terminal_width()) {
            output.line(line)?;
        }
    }
    output.flush()
}

/// A setting as it is shown.
struct Row {
    key: &'static str,
    value: String,
    origin: String,
    /// Whether somebody gave it.
    given: bool,
}

fn rows(settings: &Settings) -> Vec<Row> {
    let all = settings.resolved().all();
    let rows = all.map(|(setting, value, origin)| Row {
        key: setting.key,
        value: one_line(&value.to_string()).into_owned(),
        origin: one_line(&origin.to_string()).into_owned(),
        given: matches!(origin, Origin::Given(_)),
    });
    rows.collect()
}

/// Settings, values and origins below each other; where the terminal is too narrow for that, each value and
/// its origin below the setting.
fn table(rows: &[Row], color: bool, terminal: Option<usize>) -> Vec<String> {
    let widest = |part: fn(&Row) -> &str| {
        let widths = rows.iter().map(|row| part(row).width());
        widths.max().unwrap_or(0)
    };
    let (keys, values) = (widest(|row| row.key), widest(|row| &row.value));
    let wide = keys + 2 + values + 2 + widest(|row| &row.origin);
    let narrow = terminal.filter(|&terminal| terminal < wide);
    let lines = rows.iter().flat_map(|row| {
        let value = if row.given {
            Style::new().bold()
        } else {
            Style::new()
        };
        let styled = |text: &str, style: Style| {
            if color {
                style.style(text).to_string()
            } else {
                text.to_owned()
            }
        };
        let origin = Style::new().dimmed();
        let Some(terminal) = narrow else {
            let value = styled(&pad(&row.value, values), value);
            let origin = styled(&row.origin, origin);
            return vec![format!("{:keys$}  {value}  {origin}", row.key)];
        };
        let below = [(&row.value, value), (&row.origin, origin)];
        let below = below.into_iter().flat_map(|(text, style)| {
            let lines = wrapped(text, terminal.saturating_sub(2)).into_iter();
            lines.map(move |line| format!("  {}", styled(&line, style)))
        });
        std::iter::once(row.key.to_owned()).chain(below).collect()
    });
    lines.collect()
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
    fn a_narrow_terminal_has_values_below_their_settings() {
        let row = |key, value: &str, origin: &str, given| Row {
            key,
            value: value.to_owned(),
            origin: origin.to_owned(),
            given,
        };
        let rows = [
            row("url", "disk:recount-data", "default", false),
            row("lock_wait", "7s", "RECOUNT_LOCK_WAIT", true),
        ];
        let wide = [
            "url        disk:recount-data  default",
            "lock_wait  7s                 RECOUNT_LOCK_WAIT",
        ];
        assert_eq!(table(&rows, false, None), wide);
        assert_eq!(table(&rows, false, Some(47)), wide);
        let narrow = [
            "url",
            "  disk:recount-data",
            "  default",
            "lock_wait",
            "  7s",
            "  RECOUNT_LOCK_WAIT",
        ];
        assert_eq!(table(&rows, false, Some(46)), narrow);
        let bold = "  \u{1b}[1m7s\u{1b}[0m".to_owned();
        assert!(table(&rows, true, Some(46)).contains(&bold));
    }

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
