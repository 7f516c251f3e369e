//! A log cut off at any byte.

use std::path::Path;

use recount_core::{Batch, EventLog, TrimLimit, TrimRequest};
use recount_disk::sim::SimStorage;
use recount_disk::{OpenError, SyncMode};

use super::support::{active, append, batch, event, file, ids, open, options};

/// Three batches in the first segment; the process was killed. Says where each batch ends.
async fn three_batches() -> (SimStorage, Vec<usize>) {
    let storage = SimStorage::new(1);
    let log = open(&storage).await.unwrap();
    let mut ends = vec![storage.content(active()).unwrap().len()];
    for from in [0, 2, 5] {
        append(&log, from..from + 2 + usize::from(from == 2)).await;
        ends.push(storage.content(active()).unwrap().len());
    }
    (storage.kill(), ends)
}

/// Where the damage is that opening refuses.
async fn refused(storage: &SimStorage) -> String {
    match open(storage).await.err() {
        Some(OpenError::Corrupt { path, what, .. }) => {
            assert!(what.contains("on stable storage"), "{what}");
            path
        }
        other => panic!("{other:?}"),
    }
}

/// Checks that appends go on where the log was cut, for good.
async fn goes_on(storage: &SimStorage, before: Vec<String>) {
    let log = open(storage).await.unwrap();
    assert!(log.recovery().is_none(), "what was cut off is told once");
    assert_eq!(ids(&log).await, before);
    append(&log, 100..103).await;
    drop(log);
    let log = open(&storage.crash()).await.unwrap();
    let after = ["e100", "e101", "e102"].map(String::from);
    assert_eq!(ids(&log).await, [before, after.to_vec()].concat());
}

#[tokio::test]
async fn cut_at_any_byte_the_whole_batches_stay_and_the_rest_is_set_aside() {
    let (storage, ends) = three_batches().await;
    let whole = storage.content(active()).unwrap();
    assert_eq!(*ends.last().unwrap(), whole.len());
    for cut in 0..=whole.len() {
        let storage = storage.fork(0);
        storage.tamper(active(), Some(whole[..cut].to_vec()));
        if cut < whole.len() {
            // The last writer's word that all of it was on stable storage.
            let path = refused(&storage).await;
            assert!(path.ends_with("0000000001.log"), "cut at {cut}: {path}");
            storage.tamper(file("watermark"), None);
        }
        let log = open(&storage).await.unwrap();
        let batches = ends.iter().filter(|&&end| end <= cut).count();
        let events = [0, 0, 2, 5, 7][batches];
        let expected: Vec<_> = (0..events).map(|n| format!("e{n}")).collect();
        assert_eq!(ids(&log).await, expected, "cut at {cut}");

        let end = batches.checked_sub(1).map_or(0, |at| ends[at]);
        // A part of a header is nothing worth keeping, nor are zeros at the end.
        let kept = if end == 0 { &[][..] } else { &whole[end..cut] };
        let used = kept.iter().rposition(|&byte| byte != 0);
        let kept = &kept[..used.map_or(0, |at| at + 1)];
        if kept.is_empty() {
            assert_eq!(log.recovery().map_or(0, |recovery| recovery.bytes), 0);
        } else {
            let recovery = log.recovery().expect("what is set aside is told");
            assert_eq!(recovery.offset, end as u64);
            assert_eq!(recovery.bytes, kept.len() as u64);
            assert!(recovery.path.ends_with("0000000001.log"), "{recovery}");
            let aside = file(&format!("lost-0000000001-{end}.bin"));
            assert_eq!(recovery.saved_to, [aside.display().to_string()]);
            assert_eq!(storage.content(&aside).unwrap(), kept);
        }
        drop(log);
        if cut % 41 == 0 {
            goes_on(&storage.kill(), expected).await;
        }
    }
}

#[tokio::test]
async fn a_torn_write_that_was_never_acknowledged_is_no_loss() {
    let (storage, ends) = three_batches().await;
    let whole = storage.content(active()).unwrap();
    storage.tamper(active(), Some(whole[..ends[2] + 99].to_vec()));
    // Without it nobody says that more had been synced.
    storage.tamper(file("watermark"), None);
    let log = open(&storage).await.unwrap();
    let recovery = log.recovery().unwrap();
    assert_eq!(recovery.bytes, 99);
    let told = recovery.to_string();
    assert!(
        told.contains("99 bytes") && told.contains("never acknowledged"),
        "{told}"
    );
}

#[tokio::test]
async fn what_is_set_aside_of_several_segments_is_told_together() {
    let storage = SimStorage::new(1);
    let log = recount_disk::DiskLog::open(
        super::support::ROOT,
        super::support::STREAM,
        options(&storage, SyncMode::Os),
    )
    .await
    .unwrap();
    for n in 0..40 {
        log.append(Batch::from(event(n, 300))).await.unwrap();
    }
    drop(log);
    let storage = storage.kill();
    let path = file("0000000002.log");
    let mut bytes = storage.content(&path).unwrap();
    bytes[700] ^= 1;
    storage.tamper(&path, Some(bytes));
    let log = open(&storage).await.unwrap();
    let recovery = log.recovery().unwrap();
    assert!(recovery.saved_to.len() >= 3, "{recovery}");
    assert!(
        recovery
            .saved_to
            .iter()
            .all(|path| storage.content(path).is_some())
    );
    let left = ids(&log).await;
    assert_eq!(
        left,
        batch(0..left.len())
            .iter()
            .map(|event| event.id.to_string())
            .collect::<Vec<_>>()
    );
    assert!((7..30).contains(&left.len()), "{left:?}");
}

#[tokio::test]
async fn cut_into_what_was_trimmed_it_is_refused() {
    let (storage, ends) = three_batches().await;
    let log = open(&storage).await.unwrap();
    let trim = TrimRequest::exact(TrimLimit::MaxLength(1));
    log.trim(&trim).await.unwrap();
    drop(log);
    let storage = storage.kill();
    let whole = storage.content(active()).unwrap();
    storage.tamper(active(), Some(whole[..ends[1]].to_vec()));
    storage.tamper(file("watermark"), None);
    match open(&storage)
        .await
        .err()
        .expect("new entries would count as trimmed")
    {
        OpenError::Corrupt { path, what, .. } => {
            assert_eq!(Path::new(&path), file("floor"));
            assert!(
                what.contains("6 entries are trimmed") && what.contains("only 2"),
                "{what}"
            );
        }
        other => panic!("{other}"),
    }
}
