//! What is said of a batch that failed, in terms of what was given.

use recount::{AppendError, EventId};

use super::ndjson::Read;
use crate::cli::error::Failure;
use crate::cli::output::quoted;
use crate::cli::settings::Settings;

/// Where an event of a batch comes from.
pub(super) struct Given {
    pub(super) id: EventId,
    /// Whether its producer chose the id; otherwise it was made here.
    pub(super) own_id: bool,
    /// The line of the input, from 1; none where flags describe it.
    pub(super) line: Option<u64>,
}

impl From<&Read> for Given {
    fn from(read: &Read) -> Self {
        Self {
            id: read.event.id.clone(),
            own_id: read.own_id,
            line: Some(read.line),
        }
    }
}

/// A batch that failed, with what to do about it.
pub(super) fn refused(error: AppendError, given: &[Given], settings: &Settings) -> Failure {
    let line = |index: usize| given.get(index)?.line;
    match &error {
        AppendError::RevisionMismatch { session_id, .. } => {
            let command = settings.command(format_args!("events --session {}", quoted(session_id)));
            Failure::from(error).hint(format!("{command} shows what is there"))
        }
        AppendError::Conflict { index, id, first } => match line(*index) {
            Some(line) => conflict(line, id, &format!("the one at {first}")),
            None => error.into(),
        },
        AppendError::SelfConflict { index, id, earlier } => match (line(*index), line(*earlier)) {
            (Some(line), Some(earlier)) => conflict(line, id, &format!("line {earlier}")),
            _ => error.into(),
        },
        AppendError::Unconfirmed { .. }
        | AppendError::Unavailable { .. }
        | AppendError::Stopped { .. } => match made_ids(given) {
            Some(hint) => Failure::from(error).hint(hint),
            None => error.into(),
        },
        _ => error.into(),
    }
}

fn conflict(line: u64, id: &EventId, other: &str) -> Failure {
    Failure::new(format!(
        "standard input, line {line}: the event {id} conflicts with {other}: same id, other content"
    ))
    .hint("nothing of the input was appended; give different events different ids")
}

/// How to publish events again whose ids were made here: they are known nowhere else.
fn made_ids(given: &[Given]) -> Option<String> {
    const NAMED_MAX: usize = 5;
    let made: Vec<_> = given.iter().filter(|given| !given.own_id).collect();
    if let [Given { id, line: None, .. }] = made[..] {
        let id = quoted(id.as_str());
        return Some(format!(
            "publish it again with --id {id}, which it was given: without, it is added again"
        ));
    }
    let named = made.iter().take(NAMED_MAX);
    let named = named.map(|made| format!("line {} {}", made.line.unwrap_or(0), made.id));
    let named = named.collect::<Vec<_>>().join(", ");
    let more = match made.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!made.is_empty()).then(|| {
        format!(
            "publish lines without an id again with those they were given, or they are added again: {named}{more}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(id: &str, own_id: bool, line: Option<u64>) -> Given {
        let id = EventId::new(id).unwrap();
        Given { id, own_id, line }
    }

    #[test]
    fn ids_that_were_made_here_are_told() {
        assert_eq!(made_ids(&[given("a", true, None)]), None);
        let single = made_ids(&[given("a", false, None)]).unwrap();
        assert!(single.contains("--id a,"), "{single}");
        let lines: Vec<_> = (1..=9)
            .map(|line| given(&format!("e{line}"), line == 1, Some(line)))
            .collect();
        let several = made_ids(&lines).unwrap();
        assert!(
            several.ends_with(
                "again: line 2 e2, line 3 e3, line 4 e4, line 5 e5, line 6 e6 and 3 more"
            ),
            "{several}"
        );
        let line = made_ids(&lines[..2]).unwrap();
        assert!(line.ends_with("again: line 2 e2"), "{line}");
    }
}
