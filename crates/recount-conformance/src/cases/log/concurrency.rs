//! Many producers and readers at once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use recount_core::{Batch, EventLog, Outcome, ReadRange, TrimLimit, TrimRequest};

use crate::Engine;
use crate::kit::{Setup, all_ids, event, event_ids, ids, partition, read_all, revisions};

const PRODUCERS: usize = 16;
const EACH: usize = 40;

pub async fn nothing_is_lost_and_each_producer_keeps_its_order<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                for n in 0..EACH {
                    let event = event(&format!("{producer}.{n:03}"), "shared");
                    let receipt = log.append(event.into()).await;
                    receipt.expect("the append succeeds");
                }
            })
        })
        .collect();
    for producer in producers {
        producer.await.expect("the producer ends");
    }
    for log in [Arc::clone(&log), setup.follow().await] {
        let found = read_all(&*log).await;
        assert_eq!(found.len(), PRODUCERS * EACH);
        assert!(ids(&found).is_sorted_by(|a, b| a < b));
        let numbers: Vec<u64> = (1..=found.len() as u64).collect();
        assert_eq!(revisions(&found), numbers);
        for producer in 0..PRODUCERS {
            let prefix = format!("{producer}.");
            let mut own = event_ids(&found);
            own.retain(|id| id.starts_with(&prefix));
            assert_eq!(own.len(), EACH);
            assert!(own.is_sorted(), "{own:?}");
        }
    }
}

pub async fn of_equal_events_one_is_appended<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    for round in 0..10 {
        let racers: Vec<_> = (0..8)
            .map(|_| {
                let log = Arc::clone(&log);
                let event = event(&format!("race{round}"), "s");
                tokio::spawn(async move { log.append(event.into()).await })
            })
            .collect();
        let mut appended = 0;
        let mut positions = BTreeSet::new();
        for racer in racers {
            let receipt = racer.await.expect("no panic").expect("it succeeds");
            appended += receipt.appended();
            assert_eq!(receipt.conflicts(), 0);
            positions.insert(receipt.outcomes[0].position());
        }
        assert_eq!((appended, positions.len()), (1, 1));
    }
    assert_eq!(partition(&*log).await.entries_added, 10);
}

pub async fn of_equal_expectations_one_is_met<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    for round in 0..10 {
        let racers: Vec<_> = (0..8)
            .map(|n| {
                let log = Arc::clone(&log);
                let batch = Batch::from(event(&format!("{round}.{n}"), "s")).expecting(round);
                tokio::spawn(async move { log.append(batch).await })
            })
            .collect();
        let mut met = 0;
        for racer in racers {
            match racer.await.expect("no panic") {
                Ok(receipt) => {
                    assert!(
                        matches!(receipt.outcomes[..], [Outcome::Appended { revision, .. }]
                        if revision == round + 1)
                    );
                    met += 1;
                }
                Err(error) => assert_eq!(error.code(), "revision_mismatch"),
            }
        }
        assert_eq!(met, 1, "round {round}");
    }
}

/// Readers see whole batches, always a prefix, and never less than was acknowledged before.
pub async fn readers_see_a_prefix_of_whole_batches<E: Engine>(setup: Setup<E>) {
    const BATCH: usize = 7;
    let log = setup.open().await;
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = [Arc::clone(&log), setup.follow().await]
        .into_iter()
        .map(|log| {
            let (acknowledged, done) = (Arc::clone(&acknowledged), Arc::clone(&done));
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while !done.load(Ordering::SeqCst) {
                    let least = acknowledged.load(Ordering::SeqCst);
                    let page = log.read(&ReadRange::all()).await;
                    let page = page.expect("the read succeeds");
                    assert_eq!(page.entries.len() % BATCH, 0, "whole batches");
                    assert!(page.entries.len() >= least, "what was acknowledged");
                    let found = ids(&page.entries);
                    assert!(found.starts_with(&seen), "what was shown stays");
                    seen = found;
                    tokio::task::yield_now().await;
                }
                seen
            })
        })
        .collect();
    for n in 0..60 {
        let events = (0..BATCH)
            .map(|i| event(&format!("{n}.{i}"), "s"))
            .collect();
        let receipt = log.append(Batch::new(events)).await;
        receipt.expect("the append succeeds");
        acknowledged.fetch_add(BATCH, Ordering::SeqCst);
    }
    done.store(true, Ordering::SeqCst);
    let all = all_ids(&*log).await;
    for reader in readers {
        let seen = reader.await.expect("the reader ends");
        assert!(all.starts_with(&seen));
    }
}

pub async fn trims_and_appends_get_along<E: Engine>(setup: Setup<E>) {
    const KEPT: u64 = 20;
    let log = setup.open().await;
    let producer = {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            for n in 0..200 {
                let receipt = log.append(event(&format!("e{n}"), "s").into()).await;
                receipt.expect("the append succeeds");
            }
        })
    };
    let request = TrimRequest::exact(TrimLimit::MaxLength(KEPT));
    let mut removed = 0;
    while !producer.is_finished() {
        removed += log.trim(&request).await.expect("the trim succeeds").removed;
        let found = read_all(&*log).await;
        let numbers = revisions(&found);
        assert!(
            numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "no entry is missing between others: {numbers:?}"
        );
        tokio::task::yield_now().await;
    }
    producer.await.expect("the producer ends");
    removed += log.trim(&request).await.expect("the trim succeeds").removed;
    let info = partition(&*log).await;
    assert_eq!((removed, info.length), (200 - KEPT, KEPT));
    let log = setup.reopen(log).await;
    let expected: Vec<u64> = (201 - KEPT..=200).collect();
    assert_eq!(revisions(&read_all(&*log).await), expected);
}
