//! A disk without space.

use std::time::{Duration, Instant};

use recount_core::{AppendError, Batch, EventLog, TrimLimit, TrimRequest};
use recount_disk::DiskLog;
use recount_disk::sim::{Fault, SimStorage};

use super::support::{appears, append_again, batch, file, ids, names, open};

/// Appends five events until it works; says how often it did not.
async fn append_until_done(log: &DiskLog, from: usize) -> Result<u32, AppendError> {
    let mut refused = 0;
    loop {
        match log.append(Batch::new(batch(from..from + 5))).await {
            Ok(receipt) => {
                assert_eq!(
                    receipt.appended(),
                    5,
                    "nothing was kept of what was refused"
                );
                return Ok(refused);
            }
            Err(AppendError::Full { path }) => {
                assert!(path.starts_with("/data"), "{path}");
                assert_eq!(
                    ids(log).await.last(),
                    names(0..from).last(),
                    "readers see no more"
                );
                refused += 1;
                assert!(refused < 100, "one write failed, not all");
            }
            Err(other) => return Err(other),
        }
    }
}

/// Appends until the log is closed or stops. Whether an append was refused for want of space.
async fn work(storage: &SimStorage) -> bool {
    let Ok(log) = open(storage).await else {
        // Nothing was acknowledged that could be lost.
        return false;
    };
    let mut refused = 0;
    let mut appended = 0;
    while appended < 90 {
        match append_until_done(&log, appended).await {
            Ok(times) => refused += times,
            Err(AppendError::Stopped { reason }) => {
                assert!(reason.contains("watermark"), "{reason}");
                break;
            }
            Err(other) => panic!("{other}"),
        }
        appended += 5;
        if appended == 60 {
            // Whether it succeeds or not, it takes nothing that is to be kept.
            let _ = log
                .trim(&TrimRequest::exact(TrimLimit::MaxLength(60)))
                .await;
        }
    }
    assert_eq!(ids(&log).await, names(0..appended));
    // Closing may fail to write; what was acknowledged was synced before.
    let _ = log.close().await;
    let log = open(&storage.crash()).await.expect("there is space again");
    let left = ids(&log).await;
    assert!(
        left.len() == appended || left.len() == appended + 5,
        "{left:?}"
    );
    assert_eq!(left, names(0..left.len()));
    for from in (0..appended).step_by(5) {
        append_again(&log, from..from + 5).await;
    }
    assert_eq!(append_until_done(&log, left.len()).await, Ok(0));
    refused > 0
}

#[tokio::test]
async fn at_any_write_refuses_the_batch_and_nothing_else() {
    let mut refused = 0;
    for nth in 0..140 {
        for written in [0, 50, 5000] {
            let storage = SimStorage::new(nth);
            storage.fail(Fault::FullAtWrite { nth, written });
            println!("write {nth}, after {written} bytes");
            refused += u32::from(work(&storage).await);
        }
    }
    assert!(refused > 30, "{refused} of the writes were of batches");
}

#[tokio::test]
async fn for_long_keeps_what_is_there_and_goes_on_when_space_is_freed() {
    for space in (0..40_000).step_by(977) {
        let storage = SimStorage::new(space);
        let log = open(&storage).await.unwrap();
        storage.set_space(Some(space));
        let (mut appended, mut refused) = (0, 0);
        // More than once, for what is given up on the way makes some room.
        while refused < 5 {
            match log.append(Batch::new(batch(appended..appended + 5))).await {
                Ok(_) => appended += 5,
                Err(error) => {
                    assert_eq!(error.code(), "full", "{space}: {error}");
                    refused += 1;
                }
            }
        }
        assert_eq!(ids(&log).await, names(0..appended));
        if appended >= 10 {
            append_again(&log, 0..10).await;
        }
        storage.set_space(None);
        assert_eq!(append_until_done(&log, appended).await, Ok(0), "{space}");
        log.close().await.unwrap();
        let log = open(&storage.crash()).await.unwrap();
        assert_eq!(ids(&log).await, names(0..appended + 5));
        append_again(&log, 0..5).await;
    }
}

#[tokio::test]
async fn is_left_alone_by_opening_and_closing() {
    let storage = SimStorage::new(1);
    let log = open(&storage).await.unwrap();
    for from in (0..60).step_by(5) {
        append_until_done(&log, from).await.unwrap();
    }
    storage.set_space(Some(0));
    log.close().await.unwrap();
    // Opening may succeed where nothing has to be made.
    let error = match open(&storage).await {
        Ok(log) => {
            assert_eq!(ids(&log).await, names(0..60));
            let refused = append_until_full(&log).await;
            log.close().await.unwrap();
            refused
        }
        Err(error) => error.to_string(),
    };
    assert!(error.contains("space"), "{error}");
    storage.set_space(None);
    let log = open(&storage.crash()).await.unwrap();
    assert!(ids(&log).await.starts_with(&names(0..60)));
}

async fn append_until_full(log: &DiskLog) -> String {
    let mut from = 1000;
    loop {
        match log.append(Batch::new(batch(from..from + 1))).await {
            Ok(_) => from += 1,
            Err(error) => return error.to_string(),
        }
    }
}

#[tokio::test]
async fn is_helped_by_a_trim() {
    let storage = SimStorage::new(1);
    let log = open(&storage).await.unwrap();
    let mut appended = 0;
    while storage.content(file("0000000004.log")).is_none() {
        append_until_done(&log, appended).await.unwrap();
        appended += 5;
    }
    appears(&storage, file("ids-0000000003-0000000003.tbl")).await;
    // Enough for another segment, not for its tables: their writing gets stuck.
    storage.set_space(Some(7_000));
    let refused = append_until_full(&log).await;
    assert!(refused.contains("no space"), "{refused}");
    let deadline = Instant::now() + Duration::from_secs(20);
    storage.set_space(Some(0));
    let trim = TrimRequest::exact(TrimLimit::MaxLength(5));
    log.trim(&trim).await.unwrap();
    while let Err(error) = log.append(Batch::new(batch(0..1))).await {
        assert_eq!(error.code(), "full", "{error}");
        assert!(
            Instant::now() < deadline,
            "the trimmed segments are never removed"
        );
        tokio::task::yield_now().await;
    }
    loop {
        match log.append(Batch::new(batch(2000..2001))).await {
            Ok(_) => break,
            Err(error) => {
                assert_eq!(error.code(), "full", "{error}");
                assert!(
                    Instant::now() < deadline,
                    "the trimmed segments are never removed"
                );
                tokio::task::yield_now().await;
            }
        }
    }
    log.close().await.unwrap();
}

#[tokio::test]
async fn takes_no_duplicate_for_granted_of_what_could_not_be_written() {
    let mut failed_together = 0;
    for seed in 0..100 {
        let storage = SimStorage::new(seed);
        let log = open(&storage).await.unwrap();
        log.append(Batch::new(batch(0..10))).await.unwrap();
        storage.fail(Fault::FullAtWrite { nth: 0, written: 9 });
        // The second has the events of the first, and needs another segment: the first, if they
        // are taken together, is written when that is found out.
        let first = log.append(Batch::new(batch(10..20)));
        let second = log.append(Batch::new(batch(10..30)));
        let (first, second) = tokio::join!(biased; first, second);
        let there = ids(&log).await;
        let expected = match (&first, &second) {
            (_, Ok(_)) => 30,
            (Ok(_), Err(_)) => 20,
            (Err(_), Err(_)) => 10,
        };
        assert_eq!(there, names(0..expected), "{first:?}, {second:?}");
        failed_together += u32::from(expected == 10);
    }
    assert!(failed_together > 0, "the two were never taken together");
}

#[tokio::test]
async fn leaves_no_segment_that_was_begun_in_vain() {
    let mut refused = 0;
    for nth in 0..6 {
        let storage = SimStorage::new(nth);
        let log = open(&storage).await.unwrap();
        log.append(Batch::new(batch(0..22))).await.unwrap();
        storage.fail(Fault::FullAtWrite { nth, written: 9 });
        // It needs another segment; the next one does not.
        match log.append(Batch::new(batch(50..55))).await {
            Err(AppendError::Full { .. }) => refused += 1,
            _ => continue,
        }
        log.append(Batch::new(batch(22..23))).await.unwrap();
        for seed in 0..20 {
            let log = open(&storage.fork(seed).crash()).await.unwrap();
            assert_eq!(ids(&log).await, names(0..23), "write {nth}, seed {seed}");
        }
    }
    assert!(refused > 0, "no segment was begun in vain");
}
