//! What a consumer has, and which of it may be handled now.
//!
//! Entries of one session make a *lane*: only the first of a lane may be handled, and it leaves the lane once it is done
//! with. Lanes are lists through the table of entries: a session costs nothing while none of its entries is here.

mod drop;
mod look;
mod suspects;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use recount_core::{Position, Timestamp};
use tokio::time::Instant;

use super::grave::Grave;
use super::message::Message;
use crate::Attempt;

pub(super) use suspects::Turn;

/// The entries, in lanes.
#[derive(Default)]
pub(super) struct Lanes {
    items: Vec<Item>,
    vacant: Vec<usize>,
    /// The last entry of each lane that has any.
    tails: HashMap<u64, usize, BuildHasherDefault<Hashed>>,
    ready: VecDeque<usize>,
    /// Suspects that are first in their lanes.
    suspects: BTreeMap<Position, usize>,
    /// One of them came to the front, and nobody was told yet.
    came_first: bool,
    /// The suspect at work, and since when.
    alone: Option<(usize, Instant)>,
    resting: BinaryHeap<Reverse<(Instant, usize, u32)>>,
    finished: Vec<usize>,
    counts: Counts,
}

/// How many entries are where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Read and not acknowledged, those below included.
    pub held: usize,
    /// Known to be pending, but not taken yet.
    pub untaken: usize,
    /// With the handler, or being buried.
    pub in_flight: usize,
    /// Done with, and not acknowledged yet.
    pub finished: usize,
}

/// An entry that comes in.
pub(super) struct New {
    pub position: Position,
    pub lane: u64,
    /// None for what is pending, and is taken once it is its turn.
    pub message: Option<Message>,
    pub suspect: bool,
    /// Its owner gave it back: it killed nobody.
    pub given_back: bool,
    pub first_delivered: Option<Timestamp>,
    pub grave: Option<Box<Grave>>,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "independent marks of one entry"
)]
pub(super) struct Item {
    pub position: Position,
    lane: u64,
    next: Option<usize>,
    first: bool,
    stage: Stage,
    weight: Weight,
    /// Tells the entries apart that had this place one after another.
    generation: u32,
    suspect: bool,
    pub given_back: bool,
    /// It shares a batch with nobody.
    pub alone: bool,
    /// It is done with because its letter is written.
    pub buried: bool,
    pub failures: u32,
    pub attempts: Vec<Attempt>,
    pub first_delivered: Option<Timestamp>,
    pub message: Option<Message>,
    pub grave: Option<Box<Grave>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Vacant,
    /// Behind another one of its lane.
    Queued,
    Ready,
    /// A suspect, until it is its turn.
    Waiting,
    /// A suspect that is being claimed.
    Taking,
    InFlight,
    /// It failed, and rests before the next attempt.
    Resting,
    Finished,
    /// It leaves the lane when it comes to its front.
    Cancelled,
}

/// What an entry counts as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    Nothing,
    Untaken,
    Held,
}

impl Lanes {
    pub fn counts(&self) -> Counts {
        self.counts
    }

    pub fn is_empty(&self) -> bool {
        self.counts.held + self.counts.untaken == 0
    }

    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    pub fn item(&mut self, at: usize) -> &mut Item {
        &mut self.items[at]
    }

    pub fn lane(&self, at: usize) -> u64 {
        self.items[at].lane
    }

    /// Puts an entry at the end of its lane.
    pub fn add(&mut self, new: New) {
        let weight = match new.message {
            Some(_) => Weight::Held,
            None => Weight::Untaken,
        };
        let lane = new.lane;
        let at = self.place(new, weight, Stage::Queued);
        match self.tails.insert(lane, at) {
            Some(tail) => self.items[tail].next = Some(at),
            None => self.promote(at),
        }
    }

    /// An entry there is nothing to do about but to acknowledge it.
    pub fn add_finished(&mut self, position: Position) {
        let new = New {
            position,
            lane: 0,
            message: None,
            suspect: false,
            given_back: false,
            first_delivered: None,
            grave: None,
        };
        let at = self.place(new, Weight::Held, Stage::Finished);
        self.finished.push(at);
        self.counts.finished += 1;
    }

    fn place(&mut self, new: New, weight: Weight, stage: Stage) -> usize {
        match weight {
            Weight::Held => self.counts.held += 1,
            Weight::Untaken => self.counts.untaken += 1,
            Weight::Nothing => {}
        }
        let mut item = Item {
            position: new.position,
            lane: new.lane,
            next: None,
            first: false,
            stage,
            weight,
            generation: 0,
            suspect: new.suspect,
            given_back: new.given_back,
            alone: new.suspect,
            buried: false,
            failures: 0,
            attempts: Vec::new(),
            first_delivered: new.first_delivered,
            message: new.message,
            grave: new.grave,
        };
        if let Some(at) = self.vacant.pop() {
            item.generation = self.items[at].generation;
            self.items[at] = item;
            at
        } else {
            self.items.push(item);
            self.items.len() - 1
        }
    }

    /// `at` is the first of its lane now.
    fn promote(&mut self, mut at: usize) {
        loop {
            let item = &mut self.items[at];
            item.first = true;
            match item.stage {
                Stage::Queued if item.suspect => {
                    item.stage = Stage::Waiting;
                    let position = item.position;
                    self.suspects.insert(position, at);
                    self.came_first = true;
                }
                Stage::Queued => {
                    item.stage = Stage::Ready;
                    self.ready.push_back(at);
                }
                Stage::Cancelled => {
                    let next = self.leave(at);
                    self.vacate(at);
                    if let Some(next) = next {
                        at = next;
                        continue;
                    }
                }
                // In one batch with those before it.
                _ => {}
            }
            return;
        }
    }

    /// Takes the first one out of its lane, and returns the next one.
    fn leave(&mut self, at: usize) -> Option<usize> {
        let item = &mut self.items[at];
        let next = item.next.take();
        let lane = item.lane;
        if next.is_none() {
            self.tails.remove(&lane);
        }
        next
    }

    fn advance(&mut self, at: usize) {
        if let Some(next) = self.leave(at) {
            self.promote(next);
        }
    }

    fn discount(&mut self, at: usize) {
        match std::mem::replace(&mut self.items[at].weight, Weight::Nothing) {
            Weight::Nothing => {}
            Weight::Untaken => self.counts.untaken -= 1,
            Weight::Held => self.counts.held -= 1,
        }
    }

    fn vacate(&mut self, at: usize) {
        self.discount(at);
        if self.alone.is_some_and(|(alone, _)| alone == at) {
            self.alone = None;
        }
        let item = &mut self.items[at];
        item.stage = Stage::Vacant;
        item.generation = item.generation.wrapping_add(1);
        item.message = None;
        item.grave = None;
        item.attempts = Vec::new();
        self.vacant.push(at);
    }

    /// The next one to be handled; it is in flight from now on.
    pub fn take(&mut self) -> Option<usize> {
        while let Some(at) = self.ready.pop_front() {
            if self.items[at].stage == Stage::Cancelled {
                self.advance(at);
                self.vacate(at);
                continue;
            }
            self.items[at].stage = Stage::InFlight;
            self.counts.in_flight += 1;
            return Some(at);
        }
        None
    }

    /// As [`Lanes::take`], if the next one may share a batch.
    pub fn take_companion(&mut self) -> Option<usize> {
        let item = &self.items[*self.ready.front()?];
        if item.stage == Stage::Cancelled || !item.alone && item.grave.is_none() {
            let at = self.take()?;
            if self.items[at].alone || self.items[at].grave.is_some() {
                self.items[at].stage = Stage::Ready;
                self.counts.in_flight -= 1;
                self.ready.push_front(at);
                return None;
            }
            return Some(at);
        }
        None
    }

    /// The one behind `at` in its lane, in flight from now on, if it may be in one batch with it.
    pub fn take_follower(&mut self, at: usize) -> Option<usize> {
        let next = self.items[at].next?;
        let item = &mut self.items[next];
        let fits = item.stage == Stage::Queued
            && !item.alone
            && item.grave.is_none()
            && item.message.is_some();
        fits.then(|| {
            item.stage = Stage::InFlight;
            self.counts.in_flight += 1;
            next
        })
    }

    /// Those behind `at` in its lane that are not in flight.
    pub fn behind(&mut self, at: usize, mut each: impl FnMut(&mut Item)) {
        let mut next = self.items[at].next;
        while let Some(at) = next {
            let item = &mut self.items[at];
            next = item.next;
            if item.stage == Stage::Queued {
                each(item);
            }
        }
    }

    /// One in flight is done with.
    pub fn finish(&mut self, at: usize) {
        debug_assert_eq!(self.items[at].stage, Stage::InFlight);
        self.counts.in_flight -= 1;
        self.counts.finished += 1;
        self.advance(at);
        self.items[at].stage = Stage::Finished;
        self.finished.push(at);
    }

    /// One in flight is to be tried again then, and holds its lane until then.
    pub fn rest(&mut self, at: usize, until: Instant) {
        debug_assert_eq!(self.items[at].stage, Stage::InFlight);
        self.counts.in_flight -= 1;
        let item = &mut self.items[at];
        item.stage = Stage::Resting;
        self.resting.push(Reverse((until, at, item.generation)));
    }

    /// One in flight may be taken again, once it is the first of its lane.
    pub fn put_back(&mut self, at: usize) {
        debug_assert_eq!(self.items[at].stage, Stage::InFlight);
        self.counts.in_flight -= 1;
        self.items[at].stage = Stage::Queued;
        if self.items[at].first {
            self.promote(at);
        }
    }

    /// One in flight is none of this consumer's business any more.
    pub fn forget(&mut self, at: usize) -> Position {
        debug_assert_eq!(self.items[at].stage, Stage::InFlight);
        self.counts.in_flight -= 1;
        let position = self.items[at].position;
        if self.items[at].first {
            self.advance(at);
            self.vacate(at);
        } else {
            self.discount(at);
            self.items[at].stage = Stage::Cancelled;
        }
        position
    }

    /// Makes those ready that have rested. Returns when the next one has.
    pub fn rested(&mut self, now: Instant) -> Option<Instant> {
        while let Some(&Reverse((until, at, generation))) = self.resting.peek() {
            if until > now {
                return Some(until);
            }
            self.resting.pop();
            let item = &mut self.items[at];
            if item.generation == generation && item.stage == Stage::Resting {
                item.stage = Stage::Queued;
                self.promote(at);
            }
        }
        None
    }

    /// What is done with and not on its way to be acknowledged.
    pub fn take_finished(&mut self, items: &mut Vec<usize>, positions: &mut Vec<Position>) {
        std::mem::swap(&mut self.finished, items);
        positions.extend(items.iter().map(|at| self.items[*at].position));
    }

    pub fn unacked(&self) -> usize {
        self.finished.len()
    }

    /// One that was done with is acknowledged. Returns whether suspects waited for that.
    pub fn acked(&mut self, at: usize) -> bool {
        debug_assert_eq!(self.items[at].stage, Stage::Finished);
        self.counts.finished -= 1;
        let alone = self.alone;
        self.vacate(at);
        alone.is_some() && self.alone.is_none()
    }
}

impl Item {
    /// Whether it may be given back. A suspect that no handler had would pass for innocent then: it stays this
    /// consumer's, for whoever takes it over to take care.
    fn is_cleared(&self) -> bool {
        !self.suspect || self.given_back || self.stage == Stage::InFlight
    }
}

/// Lanes are hashes already.
#[derive(Default)]
pub(super) struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
