//! How a life ends, and what the next one makes of what was under way.

use recount_core::{
    Cursor, EventLog, GroupError, GroupStart, GroupStore, LeaseAnswer, LeaseRequest, TrimLimit,
    TrimRequest,
};
use recount_disk::sim::{Fault, SimStorage};
use recount_disk::{DiskLog, DiskOptions, SyncMode};

use super::support::{
    GROUP, at, claiming, counts, filled, id, info, journal, open_at, pending, positions, told, with,
};
use crate::support::{ROOT, STREAM, append, options};

#[tokio::test]
async fn after_a_kill_what_was_in_flight_may_be_claimed_at_once_and_is_counted() {
    let mut storage = SimStorage::new(1);
    let log = filled(&storage, 4).await;
    assert_eq!(log.read_new(GROUP, "a", 3).await.unwrap().len(), 3);
    assert_eq!(log.nack(GROUP, "a", &positions([1]), 60_000).await, Ok(1));
    // Entry 0 ends every process that handles it.
    for life in 2..6 {
        storage = storage.kill();
        let log = open_at(&storage, 10).await;
        let idle: Vec<u64> = pending(&log)
            .await
            .iter()
            .map(|entry| entry.idle_ms)
            .collect();
        assert_eq!(idle.len(), 3);
        assert!(idle.iter().all(|&idle| idle <= 10), "{idle:?}");
        let claimed = log
            .claim(GROUP, &claiming("b", 60_000), &positions(0..2))
            .await
            .unwrap();
        assert_eq!(
            counts(&claimed),
            [(0, life)],
            "what was given back waits its time"
        );
        let again = log
            .claim(GROUP, &claiming("c", 60_000), &positions([0]))
            .await;
        assert_eq!(again, Ok(vec![]), "it is in flight again");
    }
    let log = open_at(&storage.kill(), 10).await;
    let counts: Vec<u64> = pending(&log)
        .await
        .iter()
        .map(|entry| entry.delivery_count)
        .collect();
    assert_eq!(counts, [5, 1, 1], "its neighbours are innocent");
}

#[tokio::test]
async fn after_an_end_in_order_idle_times_go_on() {
    let storage = SimStorage::new(1);
    let log = filled(&storage, 2).await;
    log.read_new(GROUP, "a", 2).await.unwrap();
    log.close().await.unwrap();
    drop(log);
    let log = open_at(&storage.crash(), 500).await;
    let claimed = log.claim(GROUP, &claiming("b", 501), &[at(id(0))]).await;
    assert_eq!(claimed, Ok(vec![]));
    let claimed = log.claim(GROUP, &claiming("b", 500), &[at(id(0))]).await;
    assert_eq!(counts(&claimed.unwrap()), [(0, 2)]);
}

#[tokio::test]
async fn an_orphan_stays_one_through_lives_that_do_not_deliver_it() {
    let storage = SimStorage::new(1);
    let log = filled(&storage, 2).await;
    log.read_new(GROUP, "a", 2).await.unwrap();
    let storage = storage.kill();
    let log = open_at(&storage, 0).await;
    assert_eq!(log.ack(GROUP, &positions([1])).await, Ok(1));
    log.close().await.unwrap();
    drop(log);
    let log = open_at(&storage, 0).await;
    let claimed = log.claim(GROUP, &claiming("b", 1), &positions([0])).await;
    assert_eq!(counts(&claimed.unwrap()), [(0, 2)]);
}

#[tokio::test]
async fn a_killed_process_s_leases_are_free_and_their_tokens_grow() {
    let storage = SimStorage::new(1);
    let log = filled(&storage, 2).await;
    let request = |consumer: &str| LeaseRequest {
        partition: 0,
        consumer: consumer.to_owned(),
        ttl_ms: 60_000,
        holds: 0,
    };
    let token = |answer| match answer {
        Ok(LeaseAnswer::Held(lease)) => lease.token,
        other => panic!("{other:?}"),
    };
    let first = token(log.lease(GROUP, &request("a")).await);
    // Not even a power failure makes it forget a token.
    let log = open_at(&storage.crash(), 0).await;
    let late = log.read_leased(GROUP, "a", 0, first, 1).await;
    assert!(
        matches!(late, Err(GroupError::LeaseLost { .. })),
        "{late:?}"
    );
    assert!(token(log.lease(GROUP, &request("b")).await) > first);
}

#[tokio::test]
async fn lives_that_change_nothing_write_nothing() {
    let storage = SimStorage::new(1);
    let log = filled(&storage, 2).await;
    log.read_new(GROUP, "a", 2).await.unwrap();
    let mut storage = storage.kill();
    for _ in 0..3 {
        let before = storage.content(journal()).unwrap();
        let log = open_at(&storage, 0).await;
        assert_eq!(log.groups().await.unwrap().len(), 1);
        log.close().await.unwrap();
        drop(log);
        assert_eq!(storage.content(journal()).unwrap(), before);
        storage = storage.kill();
    }
}

#[tokio::test]
async fn calls_that_bring_nothing_write_nothing() {
    let storage = SimStorage::new(1);
    let log = filled(&storage, 2).await;
    log.read_new(GROUP, "a", 2).await.unwrap();
    let before = storage.operations();
    for _ in 0..1_000 {
        assert_eq!(log.read_new(GROUP, "a", 9).await, Ok(vec![]));
        assert_eq!(
            log.touch(GROUP, "a", &positions(0..2)).await.unwrap().len(),
            2
        );
        let (claim, start) = (claiming("a", 1), Cursor::start());
        let idle = log.auto_claim(GROUP, &claim, &start, 9).await;
        assert_eq!(idle.unwrap().deliveries, []);
        assert_eq!(log.ack(GROUP, &positions([7])).await, Ok(0));
        log.groups().await.unwrap();
    }
    assert_eq!(storage.operations(), before);
}

#[tokio::test]
async fn a_cursor_behind_a_lost_tail_is_moved_back_and_told_of() {
    for seed in 0..20 {
        let storage = SimStorage::new(seed);
        let log = DiskLog::open(ROOT, STREAM, lazy(&storage)).await.unwrap();
        append(&log, 0..1).await;
        log.sync().await.unwrap();
        append(&log, 1..6).await;
        log.create(GROUP, &GroupStart::Start).await.unwrap();
        let ahead = GroupStart::After(Cursor::after(id(1_000)));
        log.create("ahead", &ahead).await.unwrap();
        log.read_new(GROUP, "a", 9).await.unwrap();
        let storage = storage.crash();
        let log = open_at(&storage, 0).await;
        let length = log.info().await.unwrap().length();
        let group = info(&log).await;
        assert_eq!((group.pending, group.lag()), (length, 0), "seed {seed}");
        let told_of = log.recovery().map_or(0, |recovery| recovery.groups.len());
        assert_eq!(
            told_of,
            usize::from(length < 6),
            "seed {seed}: {:?}",
            log.recovery()
        );
        // What comes now has ids that were given out before, and nobody misses it.
        append(&log, 10..13).await;
        let storage = storage.kill();
        let log = open_at(&storage, 0).await;
        assert_eq!(info(&log).await.lag(), 3);
        assert_eq!(log.read_new(GROUP, "a", 9).await.unwrap().len(), 3);
        let ahead = log.read_new("ahead", "a", 9).await.unwrap();
        assert_eq!(ahead, [], "where it was set to, it stays");
    }
}

/// A log whose events wait for the system, while groups are synced with every call.
fn lazy(storage: &SimStorage) -> DiskOptions {
    DiskOptions {
        groups_sync: SyncMode::Always,
        ..options(storage, SyncMode::Os)
    }
}

#[tokio::test]
async fn a_failed_sync_stops_the_groups_and_takes_nothing() {
    let mut stopped = 0;
    for nth in 0..40 {
        let storage = SimStorage::new(nth);
        let log = DiskLog::open(ROOT, STREAM, with(&storage, SyncMode::Always, 0))
            .await
            .unwrap();
        append(&log, 0..40).await;
        log.create(GROUP, &GroupStart::Start).await.unwrap();
        storage.fail(Fault::SyncFails { nth });
        let mut acked = 0;
        let mut failed = false;
        while acked < 40 && !failed {
            let next = positions([acked]);
            let done = match log.read_new(GROUP, "a", 1).await {
                Ok(_) => log.ack(GROUP, &next).await,
                Err(error) => Err(error),
            };
            match done {
                Ok(count) => acked += count as u64,
                Err(error) => {
                    assert_eq!(error.code(), "stopped", "{error}");
                    failed = true;
                }
            }
        }
        assert!(failed || nth >= 38, "sync {nth}");
        if failed {
            stopped += 1;
            let later = log.read_new(GROUP, "a", 1).await.unwrap_err();
            assert_eq!(later.code(), "stopped", "{later}");
            // The log itself goes on.
            append(&log, 40..41).await;
        }
        drop(log);
        let log = open_at(&storage.crash(), 0).await;
        let group = info(&log).await;
        let seen = group.pending + group.lag();
        let retained = log.info().await.unwrap().length();
        assert!(
            retained - seen >= acked,
            "{seen} of {retained} left, {acked} acknowledged"
        );
        assert!(retained - seen <= acked + 1);
    }
    assert!(stopped > 30, "{stopped}");
}

#[tokio::test]
async fn a_closed_log_s_groups_write_no_more() {
    let storage = SimStorage::new(1);
    let log = filled(&storage, 2).await;
    log.close().await.unwrap();
    let next = open_at(&storage, 0).await;
    let before = told(&next).await;
    for late in [
        log.read_new(GROUP, "late", 1).await.map(drop),
        log.ack(GROUP, &positions([0])).await.map(drop),
        log.create("late", &GroupStart::End).await,
    ] {
        assert_eq!(late.unwrap_err().code(), "closed");
    }
    assert_eq!(told(&next).await, before);
    let trim = TrimRequest::exact(TrimLimit::MaxLength(0));
    assert_eq!(next.trim(&trim).await.unwrap().removed, 0);
}
