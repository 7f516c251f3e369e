//! What comes in is put into its lane.

use std::sync::Arc;

use recount_core::{Body, Delivery, Position, Recorded, Timestamp};
use tokio::time::Instant;
use twox_hash::XxHash3_64;

use super::grave::Grave;
use super::lanes::New;
use super::message::Message;
use super::sequence::Sequence;
use super::shared::{Shared, State};
use super::workers;
use crate::Reason;

/// The delivery of a suspect by which it is handled alone for the first time.
const LONE_TRY: u64 = 2;

/// How entries came here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Delivered for the first time.
    New,
    /// Delivered before, and known to have killed nobody: given back, or never handed to a handler.
    Trusted,
    /// Left behind by an owner that may have died of it.
    Suspect,
}

/// What a handler gets of an entry, and why it does not get it.
pub(super) struct Received {
    pub message: Message,
    pub grave: Option<Box<Grave>>,
}

impl Shared {
    /// Puts deliveries into their lanes, and sees that they are handled.
    pub fn take_in(self: &Arc<Self>, deliveries: Vec<Delivery>, origin: Origin) {
        if deliveries.is_empty() {
            return;
        }
        self.counters.delivered.add(deliveries.len());
        let now = Timestamp::now();
        let first = (origin == Origin::New).then_some(now);
        let mut state = self.state.lock();
        for delivery in deliveries {
            let position = delivery.position;
            state.delivered.advance(position);
            if is_here(&mut state, &delivery, origin) {
                continue;
            }
            let token = match self.token(&mut state, position) {
                Ok(token) => token,
                Err(NotHeld) => continue,
            };
            let received = self.received(delivery, token, origin, &state.sequence);
            let Some(received) = received else {
                state.lanes.add_finished(position);
                continue;
            };
            let lane = lane(&received.message.entry);
            state.lanes.add(New {
                position,
                lane,
                message: Some(received.message),
                suspect: origin == Origin::Suspect,
                given_back: origin == Origin::Trusted,
                first_delivered: first,
                grave: received.grave,
            });
        }
        workers::spawn(self, &mut state);
        let finished = state.lanes.unacked() > 0;
        drop(state);
        if finished {
            self.signals.acks.notify_one();
        }
        if origin == Origin::Suspect {
            self.signals.turns.notify_one();
        }
    }

    /// The token of the lease under which an entry is handled.
    pub fn token(&self, state: &mut State, position: Position) -> Result<Option<u64>, NotHeld> {
        if !self.settings.ordered {
            return Ok(None);
        }
        let Some(hold) = state.holds.get_mut(&position.partition) else {
            return Err(NotHeld);
        };
        if hold.releasing {
            hold.left.push(position);
            return Err(NotHeld);
        }
        if !hold.is_good(Instant::now()) {
            // It is found again among what is pending, by whoever holds the partition then.
            hold.fresh = true;
            return Err(NotHeld);
        }
        Ok(Some(hold.token))
    }

    /// What is to be done with a delivery; none if there is nothing left to be handled.
    pub fn received(
        &self,
        delivery: Delivery,
        lease_token: Option<u64>,
        origin: Origin,
        sequence: &Sequence,
    ) -> Option<Received> {
        let Some(entry) = delivery.entry else {
            self.counters.trimmed.add(1);
            return None;
        };
        let message = Message {
            position: delivery.position,
            entry,
            delivery_count: delivery.delivery_count,
            group: Arc::clone(&self.group),
            consumer: Arc::clone(&self.name),
            lease_token,
        };
        let grave = self.hopeless(&message, origin, sequence);
        Some(Received { message, grave })
    }

    /// Why an entry is given up before it is tried.
    fn hopeless(
        &self,
        message: &Message,
        origin: Origin,
        sequence: &Sequence,
    ) -> Option<Box<Grave>> {
        if let Body::Undecodable(entry) = &message.entry.body {
            self.counters.undecodable.add(1);
            if self.settings.dead_letters.is_some() && !self.settings.hand_undecodable {
                return Some(Box::new(Grave::new(Reason::Undecodable, &*entry.reason)));
            }
        }
        self.settings.dead_letters.as_ref()?;
        if self.settings.in_sequence && sequence.blocks(message, origin) {
            return Some(Box::new(Grave::in_sequence()));
        }
        // Given back as often as you like, an entry is innocent.
        // However seldom entries may be delivered: one that was in hand with the culprit has a try alone.
        let most = self.settings.max_deliveries.max(LONE_TRY);
        let poison = origin == Origin::Suspect && message.delivery_count > most;
        poison.then(|| {
            let tried = message.delivery_count - 1;
            let error =
                format!("delivered {tried} times, and no consumer lived to say what became of it");
            Box::new(Grave::new(Reason::Poison, error))
        })
    }
}

/// Whether nothing is to be done about a delivery, for this consumer has the entry or is done with it.
fn is_here(state: &mut State, delivery: &Delivery, origin: Origin) -> bool {
    let position = delivery.position;
    let repeated = state.repeated.as_ref();
    if origin == Origin::New && repeated.is_none() {
        return false;
    }
    // Acknowledged, and handed to the group again since.
    let requeued = origin != Origin::New && delivery.delivery_count == 1;
    let done = repeated.is_some_and(|repeated| repeated.done.contains(&position));
    match state.lanes.has(position) {
        Some(false) => return true,
        // It is found among what is pending once the answer came.
        Some(true) if requeued => {
            state.requeued.insert(position);
            return true;
        }
        None if requeued || !done => return false,
        // Its acknowledgement may have come before this delivery.
        Some(true) | None => {}
    }
    state.lanes.add_finished(position);
    true
}

/// The entry is of a partition that this consumer may not handle now.
pub(super) struct NotHeld;

/// The lane of an entry. Entries of no session have lanes of their own.
pub(super) fn lane(entry: &Recorded) -> u64 {
    match entry.event() {
        Some(event) => XxHash3_64::oneshot(event.session_id.as_bytes()),
        None => own_lane(entry.position),
    }
}

/// A lane for one entry.
pub(super) fn own_lane(position: Position) -> u64 {
    let id = position.entry_id;
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(&id.ms.to_le_bytes());
    bytes[8..16].copy_from_slice(&id.seq.to_le_bytes());
    bytes[16..].copy_from_slice(&position.partition.to_le_bytes());
    XxHash3_64::oneshot_with_seed(1, &bytes)
}
