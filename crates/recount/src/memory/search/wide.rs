//! Searching the memories of many sessions, by the index of texts.

use std::collections::HashMap;
use std::ops::Bound;

use recount_core::payload::MessageAdded;
use recount_core::{EntryId, EventType, IdRange, Position, ReadRange, Recorded};
use recount_views::{Clause, Question, Term, ViewError, Views};

use super::{Found, Hit};
use crate::StateMessage;
use crate::memory::{Memory, MemoryError};

/// The views that are asked: when each session forgot, and the words.
const SESSIONS: &str = "sessions";
const SEARCH: &str = "search";
/// Candidates that are looked at for what is still in a memory.
const CANDIDATES_MAX: usize = 10_000;

impl Memory {
    /// The best `n` messages that are in a memory of the user's, or of anybody's.
    pub(super) async fn find_wide(
        &self,
        query: &str,
        n: usize,
        user: Option<String>,
    ) -> Result<Found, MemoryError> {
        let views = self.up_to_date().await?;
        let holds = |term| Clause {
            negated: false,
            term,
        };
        let mut clauses = vec![holds(Term::Type(vec![EventType::MessageAdded]))];
        clauses.extend(user.map(|user| holds(Term::User(vec![user]))));
        let question = Question { clauses };
        let mut cleared = Cleared::of(&views);
        let mut wanted = n.saturating_mul(2).saturating_add(10).min(CANDIDATES_MAX);
        loop {
            let (search, question, words) = (views.search(), question.clone(), query.to_owned());
            let candidates = blocking(move || search.top_any(&question, &words, wanted)).await?;
            let all = candidates.len() < wanted || wanted == CANDIDATES_MAX;
            let mut hits = Vec::new();
            for candidate in candidates {
                if hits.len() == n {
                    break;
                }
                let Some(message) = self.message_at(candidate.position).await? else {
                    continue;
                };
                if !cleared.forgot(&message)? {
                    let score = candidate.score.unwrap_or(0.0);
                    hits.push(Hit { message, score });
                }
            }
            if hits.len() == n || all {
                return Ok(Found {
                    hits,
                    left_out: 0,
                    recorded: None,
                });
            }
            wanted = wanted.saturating_mul(4).min(CANDIDATES_MAX);
        }
    }

    /// The views, with all that was recorded before this call.
    async fn up_to_date(&self) -> Result<Views, MemoryError> {
        let views = self.recount.views().map_err(MemoryError::NoIndex)?;
        if let Some(mirror) = self.recount.mirror().await? {
            let end = self.recount.log().tail().await?;
            mirror.caught_up(&end).await?;
        }
        let caught_up = views.catch_up(&[SESSIONS, SEARCH], &|_| {}).await?;
        match caught_up.into_iter().find_map(|view| view.finding) {
            Some(finding) => Err(ViewError::Stopped(finding).into()),
            None => Ok(views),
        }
    }

    /// The message at a position; none where it was trimmed.
    async fn message_at(&self, position: Position) -> Result<Option<StateMessage>, MemoryError> {
        let range = ReadRange {
            partition: position.partition,
            ..ReadRange::new(IdRange {
                start: Bound::Included(position.entry_id),
                end: Bound::Included(position.entry_id),
            })
        };
        let page = self.recount.log().read(&range.limit(1)).await?;
        Ok(page.entries.first().and_then(message))
    }
}

fn message(recorded: &Recorded) -> Option<StateMessage> {
    let event = recorded.event()?;
    // One whose data is not all as documented stays a message.
    let odd = || MessageAdded {
        content: Some(event.data.to_map().into()),
        ..MessageAdded::default()
    };
    Some(StateMessage {
        session_id: event.session_id.clone(),
        position: recorded.position,
        revision: recorded.revision,
        happened: event.timestamp,
        message: event.data.read().unwrap_or_else(|_| odd()),
    })
}

/// When each session forgot last.
struct Cleared<'v> {
    views: &'v Views,
    sessions: HashMap<String, Option<EntryId>>,
}

impl<'v> Cleared<'v> {
    fn of(views: &'v Views) -> Self {
        Self {
            views,
            sessions: HashMap::new(),
        }
    }

    /// Whether the message was forgotten by the session that it was said in.
    fn forgot(&mut self, message: &StateMessage) -> Result<bool, ViewError> {
        if !self.sessions.contains_key(&message.session_id) {
            let state = self.views.sessions().latest(&message.session_id)?;
            let cleared = state.and_then(|state| Some(state.cleared?.entry_id));
            self.sessions.insert(message.session_id.clone(), cleared);
        }
        let cleared = self.sessions.get(&message.session_id).copied().flatten();
        Ok(cleared.is_some_and(|cleared| cleared > message.position.entry_id))
    }
}

/// Asks the index, which reads files, without holding up others.
async fn blocking<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, ViewError> + Send + 'static,
) -> Result<T, MemoryError> {
    match tokio::task::spawn_blocking(ask).await {
        Ok(answer) => Ok(answer?),
        Err(ended) => std::panic::resume_unwind(ended.into_panic()),
    }
}
