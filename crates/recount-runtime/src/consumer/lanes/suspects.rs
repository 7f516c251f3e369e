//! Suspects: entries whose last owner may have died of them. They are begun one at a time.

use std::cmp::Reverse;
use std::time::Duration;

use recount_core::Position;
use tokio::time::Instant;

use super::{Lanes, Stage, Weight};
use crate::consumer::grave::Grave;
use crate::consumer::message::Message;

/// Whose turn it is among suspects.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::consumer) enum Turn {
    /// This one's: it is pending at this position, and has to be claimed first.
    Take(usize, Position),
    /// One was made ready.
    Ready,
    /// Nobody's, until that one is done with or this long has passed.
    Wait(Instant),
    /// There are none.
    None,
}

impl Lanes {
    /// A suspect failed without harm: it is as any other from now on. Returns whether others waited for that. Those
    /// that were handled are at work until they are acknowledged: should the next one kill, they do not come again.
    pub fn clear(&mut self, at: usize) -> bool {
        self.items[at].suspect = false;
        let was = self.alone.is_some_and(|(alone, _)| alone == at);
        if was {
            self.alone = None;
        }
        was
    }

    /// Begins with the next suspect, if none is at work, or has been for `patience`.
    pub fn turn(&mut self, now: Instant, patience: Duration) -> Turn {
        if let Some((_, since)) = self.alone
            && now < since + patience
        {
            return Turn::Wait(since + patience);
        }
        let Some((position, at)) = self.suspects.pop_first() else {
            return Turn::None;
        };
        self.alone = Some((at, now));
        if self.items[at].message.is_some() {
            self.items[at].stage = Stage::Ready;
            self.ready.push_front(at);
            Turn::Ready
        } else {
            self.items[at].stage = Stage::Taking;
            Turn::Take(at, position)
        }
    }

    /// Whether a suspect came to the front of its lane since this was asked last.
    pub fn take_came_first(&mut self) -> bool {
        std::mem::take(&mut self.came_first)
    }

    /// Whether a suspect is here, at work or not.
    pub fn has_suspects(&self) -> bool {
        self.alone.is_some() || !self.suspects.is_empty() || self.counts.untaken > 0
    }

    /// A suspect was claimed.
    pub fn taken(&mut self, at: usize, message: Message, grave: Option<Box<Grave>>) {
        debug_assert_eq!(self.items[at].stage, Stage::Taking);
        self.discount(at);
        self.counts.held += 1;
        let item = &mut self.items[at];
        item.weight = Weight::Held;
        item.message = Some(message);
        item.grave = grave;
        item.stage = Stage::Ready;
        self.ready.push_front(at);
    }

    /// A suspect was not to be had, and never will be.
    pub fn gone(&mut self, at: usize) {
        debug_assert_eq!(self.items[at].stage, Stage::Taking);
        self.advance(at);
        self.vacate(at);
    }

    /// A suspect was not to be had yet: it rests, and is asked for again.
    pub fn not_yet(&mut self, at: usize, until: Instant) {
        debug_assert_eq!(self.items[at].stage, Stage::Taking);
        self.alone = None;
        let item = &mut self.items[at];
        item.stage = Stage::Resting;
        self.resting.push(Reverse((until, at, item.generation)));
    }
}
