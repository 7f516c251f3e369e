//! Folding a session up to a moment, from its first event on or from a state that is kept.

use std::collections::VecDeque;
use std::ops::Bound;

use recount_core::{
    Event, EventType, Fold as _, IdRange, Position, Query, ReadError, Recorded, SessionPage,
};
use recount_views::{Cut, SessionState};

use super::messages::{is_hole, understood};
use super::{At, Session, SessionError};

/// How often a walk that a trim overtook begins again.
const ATTEMPTS_MAX: usize = 4;

impl Session {
    /// Folds the session up to a moment, and keeps the newest `last` messages if all of it was read.
    pub(super) async fn look(&self, at: At, last: usize) -> Result<Looked, SessionError> {
        let mut looked = match self.kept(at) {
            Some(kept) => self.go_on(kept, at).await?,
            None => None,
        };
        for _ in 1..ATTEMPTS_MAX {
            if looked.is_some() {
                break;
            }
            match self.begin(at, last).await {
                Err(SessionError::Read(ReadError::Trimmed { .. })) => {}
                other => looked = Some(other?),
            }
        }
        let mut looked = match looked {
            Some(looked) => looked,
            None => self.begin(at, last).await?,
        };
        looked.page = if self.is_all_known(at, &looked.state) {
            SessionPage {
                revision: looked.state.revision,
                ..SessionPage::default()
            }
        } else {
            self.recent(0).await?
        };
        self.check(at, &mut looked)?;
        Ok(looked)
    }

    /// Whether the session's page could tell nothing new: on disk each entry is numbered where it lies, and
    /// there is one at the moment.
    fn is_all_known(&self, at: At, state: &SessionState) -> bool {
        let reached = match at {
            At::Revision(asked) => state.revision == asked,
            _ => true,
        };
        self.recount.is_on_disk() && state.own_events > 0 && reached
    }

    /// The last state before a moment that the views keep. What they do not have, or cannot say, costs
    /// time and nothing else.
    fn kept(&self, at: At) -> Option<SessionState> {
        let cut = match (at, at.last_id()) {
            (At::Revision(number), _) => Cut::Revision(number),
            (At::Happened(time), _) => Cut::Happened(time),
            (_, Some(id)) => Cut::Entry(id),
            (_, None) => Cut::End,
        };
        let sessions = self.recount.kept_views()?.sessions();
        let kept = sessions.snapshot(&self.id, &cut).inspect_err(|error| {
            tracing::warn!(session = %self.id, %error, "the state is made without the view of sessions");
        });
        kept.ok()?.filter(|kept| kept.position.is_some())
    }

    /// Folds what is left from a state on that is kept; none where the log does not bear it out.
    async fn go_on(&self, mut state: SessionState, at: At) -> Result<Option<Looked>, SessionError> {
        let kept_at = state.position;
        let mut events = self.recount.events(self.rest(&state, at));
        let mut borne_out = false;
        'walk: loop {
            let page = match events.next_page().await {
                Ok(Some(page)) => page,
                Ok(None) => break,
                Err(ReadError::Trimmed { .. }) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            for recorded in page {
                if !borne_out {
                    // Its own last entry comes first.
                    let known = recorded.revision == 0 || recorded.revision == state.revision;
                    if Some(recorded.position) != kept_at || !known {
                        return Ok(None);
                    }
                    borne_out = true;
                } else if !take(&mut state, at, &recorded) {
                    break 'walk;
                }
            }
        }
        Ok(borne_out.then(|| Looked {
            state,
            gathered: None,
            page: SessionPage::default(),
        }))
    }

    /// Folds all of it.
    async fn begin(&self, at: At, last: usize) -> Result<Looked, SessionError> {
        let mut state = SessionState::new(&self.id);
        let mut gathered = Gathered::new(last);
        let mut events = self.recount.events(self.rest(&state, at));
        'walk: while let Some(page) = events.next_page().await? {
            for recorded in page {
                if !take(&mut state, at, &recorded) {
                    break 'walk;
                }
                gathered.see(recorded);
            }
        }
        Ok(Looked {
            state,
            gathered: Some(gathered),
            page: SessionPage::default(),
        })
    }

    /// The events of the session up to a moment, from the last one on that a state has taken in.
    fn rest(&self, state: &SessionState, at: At) -> Query {
        let mut query = Query::session(&self.id);
        query.range.ids = IdRange {
            start: state.position.map_or(Bound::Unbounded, |position| {
                Bound::Included(position.entry_id)
            }),
            end: at.last_id().map_or(Bound::Unbounded, Bound::Included),
        };
        if let At::Revision(number) = at {
            // The last one that was taken in, and one more, which shows where to stop.
            let entries = number.saturating_sub(state.revision).saturating_add(2);
            query.range = query
                .range
                .limit(usize::try_from(entries).unwrap_or(usize::MAX));
        }
        query
    }

    /// Refuses a moment of which nothing is known.
    fn check(&self, at: At, looked: &mut Looked) -> Result<(), SessionError> {
        let Looked { state, page, .. } = looked;
        match at {
            At::Now => {
                // A copy counts what other programs wrote too. Whoever publishes is held to the log's own
                // count, which cannot have gone down meanwhile.
                if page.revision > 0 {
                    state.revision = state.revision.min(page.revision);
                }
                return Ok(());
            }
            At::Revision(0) => return Ok(()),
            At::Revision(asked) if asked > page.revision.max(state.revision) => {
                return Err(SessionError::Ahead {
                    session: self.id.clone(),
                    asked,
                    revision: page.revision.max(state.revision),
                });
            }
            _ => {}
        }
        let retained_from = page.retained_from.unwrap_or(page.revision + 1);
        if state.own_events == 0 && retained_from > 1 {
            return Err(SessionError::Trimmed {
                session: self.id.clone(),
                at,
                retained_from,
            });
        }
        Ok(())
    }
}

/// What was seen of a session.
pub(super) struct Looked {
    pub(super) state: SessionState,
    /// What was kept of its events, if all of them were read.
    pub(super) gathered: Option<Gathered>,
    pub(super) page: SessionPage,
}

/// Takes in the next entry, unless it lies behind the moment.
fn take(state: &mut SessionState, at: At, recorded: &Recorded) -> bool {
    match at {
        At::Revision(number) if recorded.revision > number => return false,
        // What a fork brings with it happened when it did, not when the fork was made.
        At::Happened(time) if state.own_events == 0 => {
            let before = state.clone();
            state.apply(recorded);
            if state.last_happened > Some(time) {
                *state = before;
                return false;
            }
            return true;
        }
        At::Happened(time) if recorded.event().is_some_and(|event| event.timestamp > time) => {
            return false;
        }
        _ => {}
    }
    state.apply(recorded);
    true
}

/// What is kept of the events that were read, besides the state.
pub(super) struct Gathered {
    last: usize,
    /// The newest messages, oldest first.
    pub(super) newest: VecDeque<Recorded>,
    pub(super) summary: Option<Event>,
    pub(super) last_error: Option<Event>,
    /// The number of the newest entry.
    revision: u64,
    /// The first entry after the last hole.
    after_hole: Option<Position>,
}

impl Gathered {
    fn new(last: usize) -> Self {
        Self {
            last,
            newest: VecDeque::new(),
            summary: None,
            last_error: None,
            revision: 0,
            after_hole: None,
        }
    }

    fn see(&mut self, recorded: Recorded) {
        if is_hole(self.revision, recorded.revision) {
            self.after_hole = Some(recorded.position);
        }
        self.revision = self.revision.max(recorded.revision);
        let Some(event) = understood(&recorded) else {
            return;
        };
        match event.event_type {
            EventType::MessageAdded => {
                if self.newest.len() == self.last {
                    self.newest.pop_front();
                }
                if self.last > 0 {
                    self.newest.push_back(recorded);
                }
            }
            EventType::MemoryCleared => {
                self.newest.clear();
                self.summary = None;
            }
            EventType::SummaryCreated => self.summary = Some(event.clone()),
            EventType::ErrorOccurred => self.last_error = Some(event.clone()),
            _ => {}
        }
    }

    /// Whether entries are missing between the messages.
    pub(super) fn has_hole(&self) -> bool {
        match (self.newest.front(), self.after_hole) {
            (Some(oldest), Some(after_hole)) => oldest.position < after_hole,
            _ => false,
        }
    }
}
