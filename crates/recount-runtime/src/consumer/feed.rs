//! Reading: what is pending for this consumer first, then what can be taken over, then what is new.

use std::sync::Arc;
use std::time::Duration;

use recount_core::Cursor;
use tokio::time::Instant;

use super::intake::Origin;
use super::pending::From;
use super::shared::{Halt, Shared};

/// The most entries that one call reads.
const PAGE_MAX: usize = 512;
/// How much room is waited for before reading on, so that pages are worth a call.
const ROOM: usize = 128;
/// How often, at most, a consumer looks for what others left.
const LOOK: Duration = Duration::from_secs(1);

/// What a wait for entries ended with.
enum Waited {
    /// There may be something new.
    News,
    /// It is time to look for what others left.
    Look,
    /// Something was acknowledged.
    Room,
}

impl Shared {
    /// Reads until the consumer is to stop. Ends by itself once nothing is left, if it is to.
    pub async fn feed(self: Arc<Self>) -> Result<(), Halt> {
        self.learn_blocked(Origin::New).await?;
        self.own_pending(From::TheDead).await?;
        let mut seen = Cursor::start();
        let mut tail = None;
        let mut look_at = Instant::now();
        loop {
            if self.is_stopping() {
                return Err(Halt::Stopping);
            }
            if Instant::now() >= look_at {
                self.relearn_blocked(|| async { self.look().await.map(|_| ()) })
                    .await?;
                look_at = Instant::now() + self.look_every();
            }
            let Some(count) = self.page() else {
                self.wait_for_room(look_at).await?;
                continue;
            };
            // What a hunt brings meanwhile is older than what is read, and comes before it.
            let reading = self.hunting.lock().await;
            let lost = std::mem::take(&mut self.state.lock().claim_lost);
            if lost {
                self.own_pending(From::LostAnswers).await?;
                continue;
            }
            let read = || self.groups.read_new(&self.group, &self.name, count);
            let (deliveries, failures) = self.call(read).await?;
            for delivery in &deliveries {
                seen.advance(delivery.position);
            }
            if failures > 0 {
                // What the calls brought whose answers were lost comes first: all of it is pending by now.
                self.own_pending(From::LostAnswers).await?;
                continue;
            }
            let read = deliveries.len();
            if self.any_blocked(&deliveries) {
                let in_hand = deliveries.iter().map(|delivery| delivery.position);
                self.state.lock().in_hand = in_hand.collect();
                self.relearn_blocked(|| self.given_back()).await?;
            }
            self.take_in(deliveries, Origin::New);
            self.state.lock().in_hand.clear();
            drop(reading);
            if read > 0 {
                tail = None;
                if read * 2 >= count {
                    continue;
                }
            } else if let Some(tail) = tail.take() {
                // Nothing was left up to there.
                advance(&mut seen, &tail);
                if self.settings.drain && self.is_drained().await? {
                    return Ok(());
                }
            } else {
                tail = Some(self.read(|| self.log.tail()).await?);
                continue;
            }
            match self.wait_for_news(&seen, look_at).await? {
                // Others may have been faster: how far they came is asked before reading.
                Waited::News => {}
                Waited::Look | Waited::Room => tail = Some(self.read(|| self.log.tail()).await?),
            }
        }
    }

    pub fn look_every(&self) -> Duration {
        LOOK.min(self.settings.claim_after / 3)
    }

    /// How many entries to read, unless there is no room for enough.
    pub fn page(&self) -> Option<usize> {
        let buffer = self.settings.buffer;
        let state = self.state.lock();
        let room = buffer.saturating_sub(state.lanes.counts().held);
        // Where nothing is ready any more, what little room there is will do.
        let enough = match state.lanes.ready() {
            0 => 1,
            _ => (buffer / 2).clamp(1, ROOM),
        };
        (room >= enough).then(|| room.min(PAGE_MAX))
    }

    async fn wait_for_room(&self, look_at: Instant) -> Result<(), Halt> {
        tokio::select! {
            () = self.signals.room.notified() => Ok(()),
            ended = self.until(look_at) => ended,
        }
    }

    async fn wait_for_news(&self, seen: &Cursor, look_at: Instant) -> Result<Waited, Halt> {
        tokio::select! {
            news = self.read(|| self.tail.wait(seen)) => news.map(|()| Waited::News),
            ended = self.until(look_at) => ended.map(|()| Waited::Look),
            () = self.signals.room.notified(), if self.settings.drain => Ok(Waited::Room),
        }
    }

    /// Whether nothing is left that this consumer could do.
    async fn is_drained(self: &Arc<Self>) -> Result<bool, Halt> {
        if !self.state.lock().lanes.is_empty() {
            return Ok(false);
        }
        let nothing = self.look().await?;
        Ok(nothing && self.state.lock().lanes.is_empty())
    }
}

/// Moves a cursor to where another one is.
pub(super) fn advance(cursor: &mut Cursor, to: &Cursor) {
    for position in to.iter() {
        cursor.advance(position);
    }
}
