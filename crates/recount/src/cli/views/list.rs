//! `recount views`

use recount::{Position, ViewStatus, Why};
use serde_json::{Value, json};

use super::{failure, not_opened};
use crate::cli::error::Result;
use crate::cli::output::{Output, one_line, terminal_width, thousands};
use crate::cli::settings::{Settings, warn};
use crate::cli::table::{Column, fitted};

pub(super) async fn run(json: bool, settings: &Settings) -> Result {
    let log = settings.open_read_only().await?;
    let views = log.views().map_err(not_opened)?;
    let all = views.status().await.map_err(failure)?;
    let mut output = Output::new();
    if json {
        for view in &all {
            output.line(document(view))?;
        }
    } else {
        for line in table(&all, terminal_width()) {
            output.line(line)?;
        }
    }
    output.flush()?;
    for view in &all {
        tell(view, settings);
    }
    log.close().await?;
    Ok(())
}

/// Says what keeps a view from being up to date.
fn tell(view: &ViewStatus, settings: &Settings) {
    if let Some(finding) = &view.finding {
        warn(format_args!(
            "{finding}: {} tries again",
            settings.command(format_args!("views rebuild {}", view.name))
        ));
    }
    if let Some(problem) = &view.problem {
        warn(format_args!("the view {}: {problem}", view.name));
    }
    if let Some(why) = view.rebuilt.as_ref().filter(|why| **why != Why::Asked) {
        settings.note(format_args!("{} was built anew: {why}", view.name));
    }
}

/// In a word, how a view stands.
fn standing(view: &ViewStatus) -> &'static str {
    if view.problem.is_some() {
        "unreadable"
    } else if view.finding.is_some() {
        "stands still"
    } else if !view.kept {
        "not built yet"
    } else if view.behind > 0 {
        "behind"
    } else {
        "up to date"
    }
}

fn positions(view: &ViewStatus) -> Vec<Position> {
    view.checkpoint.cursor().iter().collect()
}

fn document(view: &ViewStatus) -> Value {
    let positions = positions(view);
    let positions = positions.iter().map(|at| {
        json!({
            "partition": at.partition,
            "entry_id": at.entry_id.to_string(),
        })
    });
    let finding = view.finding.as_ref().map(|finding| {
        let at = finding.position();
        json!({
            "partition": at.partition,
            "entry_id": at.entry_id.to_string(),
            "id": finding.event_id,
            "reason": finding.reason,
        })
    });
    json!({
        "name": view.name,
        "version": view.version,
        "standing": standing(view),
        "entries": view.checkpoint.entries(),
        "behind": view.behind,
        "positions": positions.collect::<Vec<_>>(),
        "bytes": view.bytes,
        "maintained_by": view.maintained_by,
        "finding": finding,
        "rebuilt": view.rebuilt.as_ref().map(ToString::to_string),
        "problem": view.problem.as_ref().map(ToString::to_string),
    })
}

fn table(views: &[ViewStatus], terminal: Option<usize>) -> Vec<String> {
    let column = |title, keep, number, cell: &dyn Fn(&ViewStatus) -> String| Column {
        title,
        keep,
        number,
        cells: views.iter().map(cell).collect(),
    };
    let columns = vec![
        column("entries", 6, true, &|view| {
            thousands(view.checkpoint.entries())
        }),
        column("behind", 8, true, &|view| thousands(view.behind)),
        column("bytes", 4, true, &|view| thousands(view.bytes)),
        column("version", 2, true, &|view| view.version.to_string()),
        column("last entry", 3, false, &|view| last(view)),
        column("standing", 7, false, &|view| standing(view).to_owned()),
        column("kept by", 5, false, &|view| match view.maintained_by {
            Some(0) => "a process".to_owned(),
            Some(process) => format!("process {process}"),
            None => String::new(),
        }),
        column("view", 9, false, &|view| one_line(&view.name).into_owned()),
    ];
    fitted(columns, terminal)
}

/// The greatest id that was taken in.
fn last(view: &ViewStatus) -> String {
    let positions = positions(view);
    let last = positions.iter().map(|at| at.entry_id).max();
    last.map_or_else(String::new, |id| id.to_string())
}
