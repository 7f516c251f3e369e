//! In sequence: which entries follow an earlier one of their session into the dead letters.
//!
//! A retry hands entries to the group before it closes their letters. So new entries are judged by what was
//! known before this consumer last took over what the group has to hand out: when a session is open again by that, what
//! was retried of it is here already. What is taken over is judged by what is known after that.

use std::collections::HashMap;
use std::future::Future;

use recount_core::{Delivery, Position};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::grave::Grave;
use super::intake::Origin;
use super::message::Message;
use super::shared::{Halt, Shared, State};
use crate::BlockedSessions;

/// What is known of the sessions that have dead letters.
#[derive(Default)]
pub(super) struct Sequence {
    new: Known,
    old: Known,
    /// Letters that this consumer wrote: the first of each session, and when the last one was written.
    written: HashMap<String, (Position, Instant)>,
}

#[derive(Default)]
struct Known {
    sessions: BlockedSessions,
    /// When they were asked for; none before the first time.
    asked: Option<Instant>,
}

impl Sequence {
    /// Whether an entry follows an earlier one.
    pub fn blocks(&self, message: &Message, origin: Origin) -> bool {
        message
            .event()
            .is_some_and(|event| self.blocks_at(&event.session_id, message.position, origin))
    }

    fn blocks_at(&self, session_id: &str, position: Position, origin: Origin) -> bool {
        let known = match origin {
            Origin::New => &self.new,
            Origin::Trusted | Origin::Suspect => &self.old,
        };
        let written = self.written.get(session_id);
        known.sessions.blocks(session_id, position)
            || written.is_some_and(|(first, at)| {
                position > *first && known.asked.is_none_or(|asked| *at >= asked)
            })
    }

    fn learn(&mut self, origin: Origin, sessions: BlockedSessions, asked: Instant) {
        let known = Known {
            sessions,
            asked: Some(asked),
        };
        match origin {
            Origin::New => {
                self.new = known;
                self.written.retain(|_, (_, at)| *at >= asked);
            }
            Origin::Trusted | Origin::Suspect => self.old = known,
        }
    }
}

impl State {
    /// The letter of `message` was written: what is behind it in its session follows it.
    pub fn close_off(&mut self, at: usize, message: &Message, now: Instant) {
        let Some(event) = message.event() else {
            return;
        };
        let session = &event.session_id;
        let written = &mut self.sequence.written;
        let first = written.get(session).map(|(first, _)| *first);
        let first = first.map_or(message.position, |first| first.min(message.position));
        written.insert(session.clone(), (first, now));
        self.lanes.behind(at, |item| {
            let follows = item.message.as_ref().is_some_and(|next| {
                next.position > message.position
                    && next
                        .event()
                        .is_some_and(|event| event.session_id == *session)
            });
            if follows && item.grave.is_none() {
                item.grave = Some(Box::new(Grave::in_sequence()));
            }
        });
    }
}

impl Shared {
    /// Asks which sessions have dead letters, to judge what comes in as `origin` from now on.
    pub async fn learn_blocked(&self, origin: Origin) -> Result<(), Halt> {
        if let Some((sessions, asked)) = self.blocked().await? {
            self.state.lock().sequence.learn(origin, sessions, asked);
        }
        Ok(())
    }

    /// Asks first, then takes over what there is, and judges what is new by that answer.
    pub async fn relearn_blocked<F>(&self, take_over: impl FnOnce() -> F) -> Result<(), Halt>
    where
        F: Future<Output = Result<(), Halt>>,
    {
        let blocked = self.blocked().await?;
        take_over().await?;
        if let Some((sessions, asked)) = blocked {
            let mut state = self.state.lock();
            state.sequence.learn(Origin::New, sessions, asked);
        }
        Ok(())
    }

    async fn blocked(&self) -> Result<Option<(BlockedSessions, Instant)>, Halt> {
        let letters = match &self.settings.dead_letters {
            Some(letters) if self.settings.in_sequence => letters,
            _ => return Ok(None),
        };
        let mut failures = 0;
        loop {
            let asked = Instant::now();
            match letters.blocked_sessions().await {
                Ok(sessions) => return Ok(Some((sessions, asked))),
                Err(error) => {
                    failures += 1;
                    self.counters.failed(&error);
                    tracing::warn!(group = &*self.group, %error, "the dead letters could not be read, and are read again");
                    let then = Instant::now() + Backoff::STORE.delay(failures);
                    self.until(then).await?;
                }
            }
        }
    }

    /// Whether anything new would follow an earlier entry, as far as is known.
    pub fn any_blocked(&self, deliveries: &[Delivery]) -> bool {
        if !self.settings.in_sequence {
            return false;
        }
        let state = self.state.lock();
        let events = deliveries.iter().filter_map(|delivery| {
            let event = delivery.entry.as_ref()?.event()?;
            Some((event, delivery.position))
        });
        events.into_iter().any(|(event, position)| {
            state
                .sequence
                .blocks_at(&event.session_id, position, Origin::New)
        })
    }
}
