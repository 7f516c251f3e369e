//! The replays that have a name.

use recount::Timestamp;
use serde_json::json;

use super::kept::Kept;
use super::named::Names;
use crate::cli::error::{Failure, Result};
use crate::cli::output::{Output, terminal_width, thousands};
use crate::cli::settings::Settings;
use crate::cli::table::columns;

/// Lists them all, whichever log they are of.
pub(super) fn list(names: &Names, json: bool, settings: &Settings) -> Result {
    let all = names.list()?;
    let mut output = Output::new();
    if json {
        for (name, kept, running) in &all {
            output.line(document(name, kept, *running))?;
        }
    } else if all.is_empty() {
        settings.note("no replay has a name: --resume NAME gives it one");
    } else {
        let rows: Vec<_> = all
            .iter()
            .map(|(name, kept, running)| {
                vec![
                    thousands(kept.delivered),
                    name.clone(),
                    state(kept, *running).to_owned(),
                    seconds(&kept.changed),
                    format!("{} of {}", kept.stream, kept.url),
                    kept.selection.asked.told(),
                    kept.to.told(),
                ]
            })
            .collect();
        let titles = [
            "DELIVERED",
            "NAME",
            "STATE",
            "CHANGED",
            "STREAM",
            "WHAT",
            "TO",
        ];
        for line in columns(&titles, &rows, 1, terminal_width()) {
            output.line(line)?;
        }
    }
    output.flush()
}

/// Forgets one: under its name, a replay begins anew.
pub(super) fn forget(names: &Names, name: &str, json: bool, settings: &Settings) -> Result {
    if !names.forget(name)? {
        return Err(Failure::new(format!("no replay has the name {name}"))
            .hint("recount replay --list lists those that have one"));
    }
    if json {
        let mut output = Output::new();
        output.line(json!({"forgotten": name}))?;
        output.flush()?;
    }
    settings.note(format_args!("forgot how far replay {name} was"));
    Ok(())
}

fn state(kept: &Kept, running: bool) -> &'static str {
    match (kept.finished, running) {
        (true, _) => "done",
        (false, true) => "running",
        (false, false) => "stopped",
    }
}

/// `2026-01-02 10:00:05`
fn seconds(time: &str) -> String {
    let time: Result<Timestamp, _> = time.parse();
    let text = time.map(|time| time.to_string()).unwrap_or_default();
    text.chars().take(19).collect::<String>().replace('T', " ")
}

fn document(name: &str, kept: &Kept, running: bool) -> serde_json::Value {
    let mark = kept.mark();
    json!({
        "name": name,
        "state": state(kept, running),
        "url": kept.url,
        "stream": kept.stream,
        "asked": kept.selection.asked,
        "to": kept.to,
        "speed": kept.speed,
        "delivered": kept.delivered,
        "failed": kept.failed,
        "entry_id": mark.map(|mark| mark.position.entry_id.to_string()),
        "partition": mark.map(|mark| mark.position.partition),
        "began": kept.began,
        "changed": kept.changed,
    })
}
