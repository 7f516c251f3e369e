//! Who may be with the command at the same time.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use recount::Position;
use tokio::sync::{Notify, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Events are with the command side by side, with two exceptions. Those that were with it when it ended are suspect:
/// each goes alone, so that the one which ends it takes no other along. And of several with the same id
/// one goes after the other, for answers name the id.
#[derive(Default)]
pub(super) struct Turns {
    gate: RwLock<()>,
    suspects: Mutex<HashSet<Position>>,
    keys: Mutex<HashSet<String>>,
    freed: Notify,
}

/// Leave to be with the command until it is dropped.
pub(super) struct Turn<'a> {
    _key: Key<'a>,
    _gate: Gate<'a>,
}

/// An id that no other event with the command has.
struct Key<'a> {
    turns: &'a Turns,
    key: String,
}

impl Drop for Key<'_> {
    fn drop(&mut self) {
        self.turns.keys().remove(&self.key);
        self.turns.freed.notify_waiters();
    }
}

enum Gate<'a> {
    Shared { _guard: RwLockReadGuard<'a, ()> },
    Alone { _guard: RwLockWriteGuard<'a, ()> },
}

impl Turns {
    pub(super) async fn take(&self, position: Position, key: &str) -> Turn<'_> {
        // Before the gate: who waits inside it could wait for a suspect that waits for it.
        let key = self.key(key).await;
        let suspect = self.suspects().contains(&position);
        let gate = if suspect {
            let guard = self.gate.write().await;
            Gate::Alone { _guard: guard }
        } else {
            let guard = self.gate.read().await;
            Gate::Shared { _guard: guard }
        };
        Turn {
            _key: key,
            _gate: gate,
        }
    }

    async fn key(&self, key: &str) -> Key<'_> {
        loop {
            let mut freed = pin!(self.freed.notified());
            // Who frees it between the look and the wait is heard.
            freed.as_mut().enable();
            if self.keys().insert(key.to_owned()) {
                return Key {
                    turns: self,
                    key: key.to_owned(),
                };
            }
            freed.await;
        }
    }

    /// The command ended with the event.
    pub(super) fn suspect(&self, position: Position) {
        self.suspects().insert(position);
    }

    /// The command answered it.
    pub(super) fn clear(&self, position: Position) {
        self.suspects().remove(&position);
    }

    fn suspects(&self) -> MutexGuard<'_, HashSet<Position>> {
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys(&self) -> MutexGuard<'_, HashSet<String>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use recount::EntryId;

    use super::*;

    fn at(ms: u64) -> Position {
        Position {
            partition: 0,
            entry_id: EntryId::new(ms, 0),
        }
    }

    /// Whether it has to wait.
    async fn waits(turns: &Turns, position: Position, key: &str) -> bool {
        let mut turn = pin!(turns.take(position, key));
        let polled = std::future::poll_fn(|context| {
            std::task::Poll::Ready(turn.as_mut().poll(context).is_pending())
        });
        polled.await
    }

    #[tokio::test]
    async fn a_suspect_is_alone_and_an_id_is_with_the_command_once() {
        let turns = Turns::default();
        let one = turns.take(at(1), "a").await;
        assert!(!waits(&turns, at(2), "b").await);
        assert!(waits(&turns, at(2), "a").await);
        turns.suspect(at(3));
        assert!(waits(&turns, at(3), "c").await);
        drop(one);
        let alone = turns.take(at(3), "a").await;
        assert!(waits(&turns, at(4), "d").await);
        drop(alone);
        turns.clear(at(3));
        let _shared = turns.take(at(3), "c").await;
        assert!(!waits(&turns, at(4), "d").await);
    }
}
