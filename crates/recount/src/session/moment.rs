//! What a session was at a moment, with the texts.

use std::ops::Bound;

use recount_core::payload::{ErrorOccurred, SummaryCreated};
use recount_core::{Event, IdRange, Position, ReadError, ReadRange, Recorded};
use recount_views::SessionState;

use super::fold::{Gathered, Looked};
use super::messages::{self, Wanted, understood};
use super::{At, Messages, Session, SessionError};

/// What a session was at a moment: its state, and what was in its memory.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionAt {
    /// The moment that was asked for.
    pub at: At,
    /// The state.
    pub state: SessionState,
    /// The newest messages in the memory.
    pub messages: Messages,
    /// The newest summary in the memory; none where there is none, or where it was trimmed.
    pub summary: Option<String>,
    /// What the newest error said, likewise.
    pub last_error: Option<String>,
    /// Entries of the stream that the index of sessions does not know, because other programs wrote them.
    /// Any of them may be of this session.
    pub unindexed: u64,
}

impl SessionAt {
    /// Whether the state is made of everything that was ever recorded of the session up to the moment.
    pub fn is_complete(&self) -> bool {
        self.state.is_complete() && self.unindexed == 0
    }
}

impl Session {
    /// What it was at a moment, with the newest `last` messages that were in its memory then. Where all of
    /// the session is read for the state, nothing is read twice for the messages.
    pub async fn at(&self, at: At, last: usize) -> Result<SessionAt, SessionError> {
        let Looked {
            state,
            gathered,
            page,
        } = self.look(at, last).await?;
        let (messages, summary, last_error) = match gathered {
            Some(gathered) => {
                let summary = gathered.summary.as_ref().map(summary_of);
                let last_error = gathered.last_error.as_ref().map(error_of);
                let messages = self.messages_gathered(&state, gathered, last).await?;
                (messages, summary, last_error)
            }
            None => {
                let mut walked = self.walked(&state, last).await?;
                let summary = walked.summary.take().as_ref().map(summary_of);
                let last_error = walked.last_error.take().as_ref().map(error_of);
                (walked.messages(&state, last), summary, last_error)
            }
        };
        Ok(SessionAt {
            summary: match summary {
                Some(summary) => summary,
                None => self.summary_text(&state).await?,
            },
            last_error: match last_error {
                Some(error) => error,
                None => self.last_error_text(&state).await?,
            },
            unindexed: page.unindexed,
            at,
            state,
            messages,
        })
    }

    /// The text of the newest summary in the memory at a state; none where there is none, or where it was
    /// trimmed.
    pub async fn summary_text(&self, state: &SessionState) -> Result<Option<String>, ReadError> {
        let entry = self.entry(state.summary).await?;
        Ok(entry.as_ref().and_then(understood).and_then(summary_of))
    }

    /// What the newest error of a state said; none where there is none, or where it was trimmed.
    pub async fn last_error_text(&self, state: &SessionState) -> Result<Option<String>, ReadError> {
        let entry = self.entry(state.last_error).await?;
        Ok(entry.as_ref().and_then(understood).and_then(error_of))
    }

    async fn entry(&self, position: Option<Position>) -> Result<Option<Recorded>, ReadError> {
        let Some(Position {
            partition,
            entry_id,
        }) = position
        else {
            return Ok(None);
        };
        let range = ReadRange {
            partition,
            ..ReadRange::new(IdRange {
                start: Bound::Included(entry_id),
                end: Bound::Included(entry_id),
            })
        };
        let page = self.recount.log().read(&range.limit(1)).await?;
        Ok(page.entries.into_iter().next())
    }

    async fn messages_gathered(
        &self,
        state: &SessionState,
        gathered: Gathered,
        last: usize,
    ) -> Result<Messages, SessionError> {
        let mut wanted = Wanted::of(state, last);
        if gathered.has_hole() {
            wanted.with_a_hole();
        }
        for recorded in gathered.newest.iter().rev() {
            if let Some(event) = recorded.event() {
                wanted.found(messages::message(recorded, event));
            }
        }
        if wanted.left() > 0
            && let Some(from) = &state.forked_from
            && let Some(position) = from.position
        {
            self.walk(from.session_id.clone(), position, &mut wanted)
                .await?;
        }
        Ok(wanted.messages(state, last))
    }
}

fn summary_of(event: &Event) -> Option<String> {
    event.data.read::<SummaryCreated>().ok()?.summary
}

fn error_of(event: &Event) -> Option<String> {
    let error: ErrorOccurred = event.data.read().ok()?;
    error.message.or(error.code)
}
