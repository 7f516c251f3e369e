//! Sessions as a table, as wide as the terminal.

use owo_colors::OwoColorize as _;
use recount::{SessionList, SessionStanding, SessionState};

use super::document::duration_ms;
use crate::cli::output::{one_line, span, thousands};
use crate::cli::table::{Column, fitted};
use crate::cli::views::{cost, minute};

/// A row a session. What no session has, a cost or a reward, has no column.
pub(super) fn table(
    states: &[SessionState],
    list: &SessionList,
    color: bool,
    terminal: Option<usize>,
) -> Vec<String> {
    if states.is_empty() {
        return Vec::new();
    }
    let column = |title, keep, cell: &dyn Fn(&SessionState) -> String| Column {
        title,
        keep,
        number: true,
        cells: states.iter().map(cell).collect(),
    };
    let text = |title, keep, cell: &dyn Fn(&SessionState) -> String| Column {
        number: false,
        ..column(title, keep, cell)
    };
    let mut columns = vec![
        text("last happened", 7, &|state| minute(state.last_happened)),
        column("took", 4, &|state| {
            duration_ms(state).map_or_else(String::new, span)
        }),
        column("events", 8, &|state| thousands(state.events)),
        column("messages", 5, &|state| thousands(state.messages_added)),
        column("tools", 2, &|state| thousands(state.tools.called)),
        column("errors", 6, &|state| thousands(state.errors)),
    ];
    if states.iter().any(|state| state.tokens.total > 0) {
        columns.push(column("tokens", 3, &|state| thousands(state.tokens.total)));
    }
    if states.iter().any(|state| state.cost != 0.0) {
        columns.push(column("cost", 2, &|state| cost(state.cost)));
    }
    if states.iter().any(|state| state.reward.is_some()) {
        let reward = |state: &SessionState| state.reward.map_or_else(String::new, cost);
        columns.push(column("reward", 6, &reward));
    }
    columns.extend([
        text("status", 6, &|state| {
            SessionStanding::of(state, list.now, list.idle_after_ms)
                .as_str()
                .to_owned()
        }),
        text("user", 5, &|state| {
            one_line(state.user_id.as_deref().unwrap_or("")).into_owned()
        }),
        text("session", 9, &|state| {
            one_line(&state.session_id).into_owned()
        }),
    ]);
    let mut lines = fitted(columns, terminal);
    if color && lines.len() == states.len() + 1 {
        for (line, state) in lines.iter_mut().skip(1).zip(states) {
            if state.is_failed() {
                *line = line.red().to_string();
            }
        }
    }
    lines
}
