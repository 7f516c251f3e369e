//! Random lives: calls, ended at any operation by a kill or a power failure, under each mode of syncing.
//!
//! What must hold: nothing that was not acknowledged is ever finished; after a kill, and where calls are
//! synced, everything that a call returned is there; what was claimed stays counted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use recount_core::{Cursor, EntryId, EventLog, GroupError, GroupStart, GroupStore, Position};
use recount_disk::sim::{Moment, Random, SimStorage, Stop};
use recount_disk::{DiskLog, SyncMode};

use super::support::{GROUP, at, claiming, info, pending, with};
use crate::support::{ROOT, STREAM, append, read_all};

const MODES: [SyncMode; 3] = [
    SyncMode::Always,
    SyncMode::Interval(Duration::from_millis(1)),
    SyncMode::Os,
];

/// What the calls of all lives say.
#[derive(Default)]
struct Known {
    /// Entries that an acknowledgement was asked for, whether or not it returned.
    asked: BTreeSet<EntryId>,
    /// Entries whose acknowledgement returned.
    acked: BTreeSet<EntryId>,
    /// How often each was delivered, by calls that returned.
    counts: BTreeMap<EntryId, u64>,
}

#[tokio::test]
async fn a_crash_at_any_operation_only_ever_delivers_again() {
    for seed in 0..150 {
        for mode in MODES {
            for stop in [Stop::Kill, Stop::Power] {
                println!("seed {seed}, {mode}, {stop:?}");
                lives(seed, mode, stop).await;
            }
        }
    }
}

async fn lives(seed: u64, mode: SyncMode, stop: Stop) {
    let mut random = Random::new(seed);
    let mut storage = SimStorage::new(seed);
    let log = open(&storage, mode).await.unwrap();
    append(&log, 0..30).await;
    log.create(GROUP, &GroupStart::Start).await.unwrap();
    log.close().await.unwrap();
    let mut known = Known::default();
    for life in 0..4 {
        let moment = match random.below(3) {
            0 => Moment::Before,
            1 => Moment::During(random.below(40) as usize),
            _ => Moment::After,
        };
        storage.stop_at(random.below(60), moment, stop);
        if let Some(log) = open(&storage, mode).await {
            let _ = work(&log, &mut random, &mut known, life).await;
            if random.below(3) == 0 {
                // Fails where the process is gone.
                let _ = log.close().await;
            }
        }
        storage = match stop {
            Stop::Kill => storage.kill(),
            Stop::Power if storage.has_stopped() => storage.restarted(),
            Stop::Power => storage.crash(),
        };
        let log = open(&storage, mode).await.expect("the next life begins");
        let all_of_it = stop == Stop::Kill || mode == SyncMode::Always;
        check(&log, &mut known, all_of_it, mode).await;
        log.close().await.unwrap();
    }
}

async fn open(storage: &SimStorage, mode: SyncMode) -> Option<DiskLog> {
    DiskLog::open(ROOT, STREAM, with(storage, mode, 0))
        .await
        .ok()
}

async fn work(
    log: &DiskLog,
    random: &mut Random,
    known: &mut Known,
    life: usize,
) -> Result<(), GroupError> {
    let consumer = format!("c{life}");
    for _ in 0..40 {
        let ids: Vec<Position> = pending(log)
            .await
            .iter()
            .map(|entry| entry.position)
            .filter(|_| random.below(2) == 0)
            .collect();
        let delivered = match random.below(7) {
            0 | 1 => {
                log.read_new(GROUP, &consumer, random.below(4) as usize)
                    .await?
            }
            2 => {
                known.asked.extend(ids.iter().map(|at| at.entry_id));
                log.ack(GROUP, &ids).await?;
                known.acked.extend(ids.iter().map(|at| at.entry_id));
                Vec::new()
            }
            3 => {
                log.nack(GROUP, &consumer, &ids, 0).await?;
                Vec::new()
            }
            4 => log.claim(GROUP, &claiming(&consumer, 0), &ids).await?,
            5 => {
                let start = Cursor::start();
                log.read_pending(GROUP, &consumer, &start, 3).await?
            }
            _ => {
                let acked: Vec<Position> = known.acked.iter().map(|id| at(*id)).take(1).collect();
                for again in &acked {
                    known.forget(again.entry_id);
                }
                log.requeue(GROUP, &acked).await?;
                Vec::new()
            }
        };
        for delivery in delivered {
            let id = delivery.position.entry_id;
            known.counts.insert(id, delivery.delivery_count);
        }
    }
    Ok(())
}

impl Known {
    /// It is to be handled once more: whether it is finished is open, and its count begins anew.
    fn forget(&mut self, id: EntryId) {
        self.acked.remove(&id);
        self.counts.remove(&id);
    }
}

async fn check(log: &DiskLog, known: &mut Known, all_of_it: bool, mode: SyncMode) {
    let cursor = info(log).await.last_delivered.get(0);
    let pending: BTreeMap<EntryId, u64> = pending(log)
        .await
        .into_iter()
        .map(|entry| (entry.position.entry_id, entry.delivery_count))
        .collect();
    let all = read_all(log).await;
    assert_eq!(all.len(), 30);
    for entry in all {
        let id = entry.position.entry_id;
        let finished = id <= cursor && !pending.contains_key(&id);
        assert!(!finished || known.asked.contains(&id), "{id} is lost");
        if all_of_it {
            assert!(finished || !known.acked.contains(&id), "{id} comes again");
        }
        // Claims are on stable storage in every mode but one; what is new counts 1.
        let told = known.counts.get(&id).copied().unwrap_or(0);
        let counted = pending.get(&id).copied().unwrap_or(u64::from(finished));
        if !finished && (all_of_it || (mode != SyncMode::Os && told > 1)) {
            assert!(counted >= told, "{id}: {counted} of {told}");
        }
        if !finished {
            known.acked.remove(&id);
        }
    }
    log.groups().await.unwrap();
    assert_eq!(log.info().await.unwrap().length(), 30);
}
