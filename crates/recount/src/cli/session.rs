//! Looking at a session, and whether what is read of it is all of it: a partial memory is never silent.

use recount::{At, Query, Recorded, Recount, SessionAt, SessionError, SessionPage, SessionState};
use serde_json::{Value, json};

use super::error::{Failure, Result};
use super::mirror::prepare;
use super::output::{count, quoted};
use super::select::SelectArgs;
use super::settings::{Settings, warn};
use super::state::of_newer_versions;

/// What a session was at a moment, with its newest `messages`. Warns of what is missing; a session of which
/// nothing is recorded is an error.
pub(super) async fn look(
    log: &Recount,
    id: &str,
    at: At,
    messages: usize,
    settings: &Settings,
) -> Result<SessionAt> {
    prepare(log, &Query::session(id), settings).await?;
    let session = log.session(id);
    let looked = match session.at(at, messages).await {
        Err(SessionError::Ahead { revision: 0, .. }) => {
            return Err(unknown(id, false, settings));
        }
        // More than a session has, and about as much as a clock says.
        Err(
            error @ SessionError::Ahead {
                asked: 100_000_000_000..,
                ..
            },
        ) => {
            return Err(Failure::from(error).hint(
                "a number alone is a revision: write a time as 2026-01-02T10:00 (UTC), 1h (ago) or RFC 3339",
            ));
        }
        Err(error @ SessionError::Ahead { .. }) => {
            return Err(Failure::from(error).hint(format!(
                "{} shows its revisions",
                settings.command(format_args!("timeline {}", quoted(id)))
            )));
        }
        looked => looked?,
    };
    let mut page = session.recent(0).await?;
    let state = &looked.state;
    let nothing_now = at == At::Now || page.revision == 0;
    if nothing_now && state.own_events == 0 {
        warn_of_missing(&page, Seen::of(state));
        return Err(unknown(id, page.revision > 0, settings));
    }
    if state.own_events == 0 {
        settings.note(format_args!(
            "nothing of session {id:?} yet at {at}{}",
            by_recording(at)
        ));
    } else {
        if at != At::Now {
            page.revision = state.revision;
        }
        warn_of_missing(&page, Seen::of(state));
    }
    if let missing @ 1.. = looked.messages.missing {
        let are = if missing == 1 { "is" } else { "are" };
        warn(format_args!(
            "{} of its memory {are} not there any more: trimmed, in the session or in the one that it was \
             forked from",
            count(missing, "message")
        ));
    } else if state
        .forked_from
        .as_ref()
        .is_some_and(|from| !from.complete)
    {
        warn("it was forked from a session of which only a part was known");
    }
    if state.future > 0 {
        warn(format_args!(
            "{} not understood: what their data changes is missing here",
            of_newer_versions(state.future)
        ));
    }
    Ok(looked)
}

/// What is to be known of a time at which a session was not there yet.
pub(super) fn by_recording(at: At) -> &'static str {
    match at {
        At::Recorded(_) => {
            ": times are those of recording, a timeline shows those of happening (--at-happened)"
        }
        _ => "",
    }
}

/// There is no such session, or none any more.
pub(super) fn unknown(id: &str, any_more: bool, settings: &Settings) -> Failure {
    let any_more = if any_more { " any more" } else { "" };
    Failure::new(format!(
        "nothing is recorded of session {id:?} in stream {}{any_more}",
        settings.stream()
    ))
    .hint(format!(
        "{} lists the sessions there are",
        settings.command("sessions")
    ))
}

/// Looks whether the session that a command reads is all there, if it reads one.
pub(super) struct SessionCheck(Option<Checked>);

struct Checked {
    session_id: String,
    page: SessionPage,
    /// Whether all of it is to be read: what is missing shows then.
    whole: bool,
    seen: Seen,
}

impl SessionCheck {
    /// Of what is selected, at most `limit`. Warns at once where a part is asked for of a session that
    /// is not all there.
    pub(super) async fn begin(
        log: &Recount,
        select: &SelectArgs,
        limit: Option<u64>,
    ) -> Result<Self> {
        let Some(session_id) = select.session() else {
            return Ok(Self(None));
        };
        let page = log.session(session_id).recent(1).await?;
        let whole = select.is_whole_session() && limit.is_none();
        Ok(Self::of(session_id, page, whole))
    }

    /// Of one session, of which `whole` or a part is to be read.
    pub(super) fn of(session_id: &str, page: SessionPage, whole: bool) -> Self {
        let checked = Checked {
            session_id: session_id.to_owned(),
            page,
            whole,
            seen: Seen::default(),
        };
        if !checked.whole {
            warn_if_partial(&checked.page);
        }
        Self(Some(checked))
    }

    /// Takes note of what was read.
    pub(super) fn see(&mut self, entries: &[Recorded]) {
        if let Some(checked) = &mut self.0 {
            for recorded in entries {
                checked.seen.see(recorded);
            }
        }
    }

    /// Warns where the session is not all there, once it was read to its end or that was given up.
    pub(super) fn end(&mut self, at_its_end: bool) {
        let Some(checked) = &mut self.0 else {
            return;
        };
        if checked.whole && at_its_end {
            warn_of_missing(&checked.page, checked.seen);
        } else if checked.whole {
            checked.whole = false;
            warn_if_partial(&checked.page);
        }
    }

    /// Adds to the facts that a program is told what the state of the session says of it.
    pub(super) fn tell(&self, facts: &mut Value) {
        let Some(Checked {
            session_id,
            page,
            whole,
            seen,
        }) = &self.0
        else {
            return;
        };
        let first = if *whole {
            seen.first
        } else {
            page.retained_from.unwrap_or(0)
        };
        let missing = *whole && missing(page, *seen).is_some();
        facts["session_id"] = json!(session_id);
        facts["complete"] = json!(page.is_complete() && !missing);
        facts["first_revision"] = json!(first);
        facts["revision"] = json!(page.revision);
    }
}

/// What was read of a session.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    /// The first revision.
    first: u64,
    /// How many entries that have one.
    events: u64,
}

impl Seen {
    pub(super) fn of(state: &SessionState) -> Self {
        Self {
            first: state.first_revision,
            events: state.own_events,
        }
    }

    fn see(&mut self, recorded: &Recorded) {
        // What other programs wrote may have no revision.
        if recorded.revision > 0 {
            self.events += 1;
            self.first = match self.first {
                0 => recorded.revision,
                first => first.min(recorded.revision),
            };
        }
    }
}

/// Warns where a session of which a part is read is not all there.
fn warn_if_partial(page: &SessionPage) {
    let trimmed = match page.retained_from {
        Some(1) => None,
        Some(first) => Some(format!(
            "the session is whole from revision {first} on: of what came before, some or all is no longer there"
        )),
        None => all_trimmed(page),
    };
    warn_of(trimmed, page);
}

/// Warns where a session that was read is not all there.
pub(super) fn warn_of_missing(page: &SessionPage, seen: Seen) {
    warn_of(missing(page, seen), page);
}

fn warn_of(missing: Option<String>, page: &SessionPage) {
    let told: Vec<_> = missing.into_iter().chain(unindexed(page)).collect();
    if !told.is_empty() {
        warn(told.join("; "));
    }
}

fn missing(page: &SessionPage, seen: Seen) -> Option<String> {
    if seen.first == 0 {
        return all_trimmed(page);
    }
    let before = (seen.first > 1).then(|| {
        format!(
            "the session is retained from revision {} on: what came before was trimmed",
            seen.first
        )
    });
    let between = (page.revision + 1).saturating_sub(seen.first + seen.events);
    let between = (between > 0).then(|| {
        let are = if between == 1 { "is" } else { "are" };
        let missing = count(between, "event");
        let of_it = if before.is_some() {
            "after that"
        } else {
            "of the session"
        };
        format!("{missing} {of_it} {are} missing: trimmed before the mirror had copied them")
    });
    match (before, between) {
        (Some(before), Some(between)) => Some(format!("{before}; {between}")),
        (before, between) => before.or(between),
    }
}

fn all_trimmed(page: &SessionPage) -> Option<String> {
    let had = count(page.revision, "event");
    (page.revision > 0).then(|| format!("the session had {had}: none is there any more"))
}

fn unindexed(page: &SessionPage) -> Option<String> {
    (page.unindexed > 0).then(|| {
        format!(
            "other programs wrote {} of the stream, which the session's count leaves out: the session may have \
             more of them than are shown",
            count(page.unindexed, "entry")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(revision: u64, unindexed: u64) -> SessionPage {
        SessionPage {
            revision,
            unindexed,
            ..SessionPage::default()
        }
    }

    #[test]
    fn what_is_missing_is_told_in_one_sentence() {
        let told = |revision, first, events| missing(&page(revision, 0), Seen { first, events });
        assert_eq!(told(0, 0, 0), None);
        assert_eq!(told(7, 1, 7), None);
        // More came since.
        assert_eq!(told(7, 1, 8), None);
        for ((revision, first, events), words) in [
            (
                (7, 0, 0),
                "the session had 7 events: none is there any more",
            ),
            (
                (7, 3, 5),
                "the session is retained from revision 3 on: what came before was trimmed",
            ),
            (
                (2_000, 1, 1_333),
                "667 events of the session are missing: trimmed before the mirror had copied them",
            ),
            (
                (7, 3, 4),
                "the session is retained from revision 3 on: what came before was trimmed; \
                 1 event after that is missing: trimmed before the mirror had copied them",
            ),
        ] {
            assert_eq!(told(revision, first, events).as_deref(), Some(words));
        }
    }

    #[test]
    fn what_others_wrote_is_told() {
        assert_eq!(unindexed(&page(7, 0)), None);
        let one = unindexed(&page(7, 1)).unwrap();
        assert!(one.contains("wrote 1 entry of"), "{one}");
        let more = unindexed(&page(7, 1_000)).unwrap();
        assert!(more.contains("wrote 1,000 entries of"), "{more}");
    }
}
