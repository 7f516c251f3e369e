//! Effects that happen once, on a ledger in memory that can fail.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use recount_core::{Body, EntryId, Event, EventType, Position, Recorded, Schema};
use recount_runtime::{Effect, Handler, HandlerError, Ledger, Message, Once};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// What is committed: keys, and what was written with them.
#[derive(Default)]
struct Stored {
    keys: BTreeSet<String>,
    effects: Vec<String>,
}

/// A database with one writer at a time.
#[derive(Clone, Default)]
struct Memory {
    stored: Arc<Mutex<Stored>>,
    /// How many commits fail from now on.
    failing: Arc<AtomicU32>,
}

struct Transaction {
    stored: OwnedMutexGuard<Stored>,
    written: Vec<String>,
}

#[async_trait]
impl Ledger for Memory {
    type Transaction = Transaction;

    async fn begin(&self, key: &str) -> Result<Option<Transaction>, HandlerError> {
        let stored = Arc::clone(&self.stored).lock_owned().await;
        Ok((!stored.keys.contains(key)).then(|| Transaction {
            stored,
            written: Vec::new(),
        }))
    }

    async fn commit(&self, key: &str, mut transaction: Transaction) -> Result<(), HandlerError> {
        let failing = |left: u32| left.checked_sub(1);
        let (set, get) = (Ordering::SeqCst, Ordering::SeqCst);
        if self.failing.fetch_update(set, get, failing).is_ok() {
            return Err(HandlerError::Retry("the disk is full".into()));
        }
        transaction.stored.keys.insert(key.to_owned());
        let written = std::mem::take(&mut transaction.written);
        transaction.stored.effects.extend(written);
        Ok(())
    }
}

/// Writes down which event it was given, and then does as it is told.
struct Note(Result<(), HandlerError>);

#[async_trait]
impl Effect<Memory> for Note {
    async fn apply(
        &self,
        message: &Message,
        transaction: &mut Transaction,
    ) -> Result<(), HandlerError> {
        let id = message.event().unwrap().id.to_string();
        transaction.written.push(id);
        tokio::task::yield_now().await;
        self.0.clone()
    }
}

fn message(group: &str, n: u64) -> Message {
    let position = Position {
        partition: 0,
        entry_id: EntryId::new(n, 0),
    };
    let event = Event::builder(EventType::MessageAdded, "s1").id(format!("e{n}"));
    Message {
        position,
        entry: Recorded {
            position,
            revision: n,
            schema: Schema::AsStored,
            body: Body::Event(event.build().unwrap()),
        },
        delivery_count: 1,
        group: group.into(),
        consumer: "c".into(),
        lease_token: None,
    }
}

async fn effects(ledger: &Memory) -> Vec<String> {
    ledger.stored.lock().await.effects.clone()
}

#[tokio::test]
async fn an_entry_that_comes_again_has_no_further_effect() {
    let once = Once::new(Memory::default(), Note(Ok(())));
    for n in [1, 2, 1, 1, 2] {
        once.handle(&message("audit", n)).await.unwrap();
    }
    assert_eq!(effects(once.ledger()).await, ["e1", "e2"]);
}

#[tokio::test]
async fn each_group_has_its_own_effects() {
    let once = Once::new(Memory::default(), Note(Ok(())));
    once.handle(&message("audit", 1)).await.unwrap();
    once.handle(&message("billing", 1)).await.unwrap();
    assert_eq!(effects(once.ledger()).await, ["e1", "e1"]);
}

#[tokio::test]
async fn a_failure_leaves_nothing_and_says_what_the_handler_said() {
    let ledger = Memory::default();
    for failure in [
        HandlerError::Retry("not now".into()),
        HandlerError::Dead("never".into()),
    ] {
        let once = Once::new(ledger.clone(), Note(Err(failure.clone())));
        assert_eq!(once.handle(&message("audit", 1)).await, Err(failure));
        assert!(effects(&ledger).await.is_empty());
    }
    let once = Once::new(ledger.clone(), Note(Ok(())));
    once.handle(&message("audit", 1)).await.unwrap();
    assert_eq!(effects(&ledger).await, ["e1"]);
}

#[tokio::test]
async fn a_commit_that_fails_leaves_nothing() {
    let ledger = Memory::default();
    ledger.failing.store(1, Ordering::SeqCst);
    let once = Once::new(ledger.clone(), Note(Ok(())));
    let failed = once.handle(&message("audit", 1)).await;
    assert_eq!(failed, Err(HandlerError::Retry("the disk is full".into())));
    assert!(effects(&ledger).await.is_empty());
    once.handle(&message("audit", 1)).await.unwrap();
    assert_eq!(effects(&ledger).await, ["e1"]);
}

/// An owner that was taken for dead, and the one that claimed its entry.
#[tokio::test]
async fn two_that_handle_one_entry_at_the_same_time_have_one_effect() {
    let once = Once::new(Memory::default(), Note(Ok(())));
    let twice = (message("audit", 1), message("audit", 1));
    let (one, other) = tokio::join!(once.handle(&twice.0), once.handle(&twice.1));
    one.and(other).unwrap();
    assert_eq!(effects(once.ledger()).await, ["e1"]);
}
