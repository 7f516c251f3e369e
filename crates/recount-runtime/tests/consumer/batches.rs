//! Handlers of batches.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use recount_core::Position;
use recount_runtime::{BatchHandler, HandlerError, Message, Reason};

use crate::support::{
    Record, assert_each_once, consumer, letters, log_with_group, pending, publish_all,
};

type Outcomes = dyn Fn(&[Message]) -> Vec<Result<(), HandlerError>> + Send + Sync;

struct Batches {
    sizes: Arc<Mutex<Vec<usize>>>,
    record: Record,
    act: Box<Outcomes>,
}

#[async_trait]
impl BatchHandler for Batches {
    async fn handle(&self, messages: &[Message]) -> Vec<Result<(), HandlerError>> {
        self.sizes.lock().push(messages.len());
        let outcomes = (self.act)(messages);
        for (message, outcome) in messages.iter().zip(&outcomes) {
            self.record.note(message, outcome.is_ok());
        }
        outcomes
    }
}

fn batches(
    act: impl Fn(&[Message]) -> Vec<Result<(), HandlerError>> + Send + Sync + 'static,
) -> (Batches, Record, Arc<Mutex<Vec<usize>>>) {
    let (record, sizes) = (Record::default(), Arc::default());
    let handler = Batches {
        sizes: Arc::clone(&sizes),
        record: record.clone(),
        act: Box::new(act),
    };
    (handler, record, sizes)
}

#[tokio::test(start_paused = true)]
async fn what_is_there_makes_a_batch_in_order() {
    let log = log_with_group(1).await;
    let sessions: Vec<&str> = ["a", "b", "a", "c"].repeat(25);
    let published = publish_all(&log, &sessions).await;
    let (handler, record, sizes) = batches(|messages| vec![Ok(()); messages.len()]);
    let builder = consumer(&log, "w").concurrency(1).drain(true);
    let running = builder.start_batch(handler, 40).await.unwrap();
    running.finished().await.unwrap();
    assert_eq!(*sizes.lock(), [40, 40, 20]);
    assert_each_once(&record.handled(), &published);
    for (_, mut positions) in record.by_session() {
        let in_order = positions.clone();
        positions.sort();
        assert_eq!(positions, in_order);
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_what_follows_in_its_session_comes_again() {
    let log = log_with_group(1).await;
    let published = publish_all(&log, &["a", "a", "b", "a"]).await;
    let fails = published[1];
    let (handler, record, _) = batches(move |messages| {
        let outcome = |message: &Message| {
            if message.position == fails && message.delivery_count == 1 {
                Err(HandlerError::Retry("once".into()))
            } else {
                Ok(())
            }
        };
        messages.iter().map(outcome).collect()
    });
    let builder = consumer(&log, "w").drain(true);
    let running = builder.start_batch(handler, 10).await.unwrap();
    let report = running.finished().await.unwrap();
    let of_a: Vec<(Position, bool)> = record
        .all()
        .into_iter()
        .filter(|seen| seen.session == "a")
        .map(|seen| (seen.position, seen.ok))
        .collect();
    assert_eq!(
        of_a,
        [
            (published[0], true),
            (published[1], false),
            (published[3], true),
            (published[1], true),
            (published[3], true),
        ]
    );
    assert_eq!((report.metrics.acked, report.metrics.retried), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_pinned_on_the_entry_that_causes_it() {
    let log = log_with_group(1).await;
    let published = publish_all(&log, &["a", "b", "c", "b", "d"]).await;
    let poison = published[1];
    let (handler, record, _) = batches(move |messages| {
        let there = messages.iter().any(|message| message.position == poison);
        assert!(!there, "poison");
        // One outcome too few where there are two, which is nobody's fault either.
        vec![Ok(()); messages.len() - usize::from(messages.len() == 2)]
    });
    let letters = letters();
    let builder = consumer(&log, "w").dead_letters(letters.clone());
    let builder = builder.max_deliveries(2).drain(true);
    let running = builder.start_batch(handler, 10).await.unwrap();
    running.finished().await.unwrap();
    let open = letters.list(None, 10).await.unwrap();
    let told: Vec<_> = open.iter().map(|l| (l.position, l.reason)).collect();
    assert_eq!(told, [(poison, Reason::Panic)]);
    let innocent: Vec<_> = published.into_iter().filter(|p| *p != poison).collect();
    assert_each_once(&record.handled(), &innocent);
    assert!(pending(&log).await.is_empty());
}
