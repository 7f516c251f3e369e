//! A log whose beginning is trimmed: what is trimmed stays so.

use std::time::{Duration, Instant};

use recount_disk::sim::{Random, SimStorage};
use recount_disk::{DiskLog, DiskOptions, SyncMode};

use super::support::{
    ROOT, STREAM, append, check_repair, closed, closed_and_trimmed, examine, file, files, name,
    open, options, read_all, repair, trim, wrong,
};

#[tokio::test]
async fn damage_in_the_first_segment_leaves_what_is_trimmed_hidden() {
    let (storage, all) = closed_and_trimmed(120, 57).await;
    let path = files(&storage)
        .into_iter()
        .find(|path| path.extension().is_some_and(|it| it == "seg"))
        .unwrap();
    let len = storage.content(&path).unwrap().len() as u64;
    let mut random = Random::new(3);
    for _ in 0..40 {
        let damaged = storage.fork(1);
        let mut bytes = storage.content(&path).unwrap();
        let at = random.below(len - 64) as usize + 64;
        bytes[at] ^= 1;
        damaged.tamper(&path, Some(bytes));
        let case = format!("at {at}");
        let repaired = repair(&damaged);
        assert_eq!(wrong(&repaired.after), [] as [&str; 0], "{case}");
        let log = open(&damaged).await;
        let left = read_all(&log).await;
        assert!(
            left.iter().all(|found| all.contains(found)),
            "{case}: what is trimmed is shown"
        );
        assert!(left.len() + 5 >= all.len(), "{case}");
        append(&log, 500..505).await;
    }
}

#[tokio::test]
async fn a_floor_that_is_lost_or_damaged_is_derived() {
    let (storage, all) = closed_and_trimmed(120, 57).await;
    for content in [None, Some(vec![0; 64]), Some(vec![])] {
        let damaged = storage.fork(1);
        damaged.tamper(file("floor"), content);
        assert!(!wrong(&examine(&damaged)).is_empty());
        let repaired = repair(&damaged);
        assert_eq!(wrong(&repaired.after), [] as [&str; 0]);
        let log = open(&damaged).await;
        let left = read_all(&log).await;
        // Of the first segment, trimmed entries may be there again.
        assert!(left.ends_with(&all) && left.len() < all.len() + 30);
    }
}

#[tokio::test]
async fn every_segment_is_gone() {
    let (storage, all) = closed_and_trimmed(120, 57).await;
    for path in files(&storage) {
        if name(&path).ends_with(".seg") || name(&path).ends_with(".log") {
            storage.tamper(&path, None);
        }
    }
    let (_, lost) = check_repair(&storage, &all, "gone").await;
    assert_eq!(lost, all.len());
    let log = open(&storage).await;
    let left = read_all(&log).await;
    let last = all.last().unwrap().position.entry_id;
    assert!(
        left.iter()
            .all(|recorded| recorded.position.entry_id > last),
        "ids are not given out again"
    );
}

#[tokio::test]
async fn revisions_are_not_given_out_again_when_the_last_of_a_session_is_lost() {
    let (storage, all) = closed(120).await;
    let path = file("0000000002.seg");
    let mut bytes = storage.content(&path).unwrap();
    let middle = bytes.len() - 200;
    bytes[middle] ^= 1;
    storage.tamper(&path, Some(bytes));
    check_repair(&storage, &all, "the last record").await;
}

#[tokio::test]
async fn what_was_to_outlive_a_trimmed_segment_is_gone() {
    let storage = SimStorage::new(1);
    let options = DiskOptions {
        sync: SyncMode::Os,
        ..options(&storage)
    };
    let log = DiskLog::open(ROOT, STREAM, options).await.unwrap();
    for n in 0..24 {
        append(&log, 5 * n..5 * n + 5).await;
    }
    let table = file("sessions-0000000001-0000000001.tbl");
    let deadline = Instant::now() + Duration::from_secs(20);
    while storage.content(&table).is_none() {
        assert!(Instant::now() < deadline, "the table does not appear");
        tokio::task::yield_now().await;
    }
    let segment = storage.content(file("0000000001.log")).unwrap();
    trim(&log, 10).await;
    let all = read_all(&log).await;
    let storage = storage.kill();
    // As if removing it had been cut short, and the table was lost since.
    storage.tamper(file("0000000001.log"), Some(segment));
    storage.tamper(&table, None);
    let refused = DiskLog::open(ROOT, STREAM, self::options(&storage)).await;
    let refused = refused.err().unwrap().to_string();
    assert!(
        refused.contains("the sessions of a trimmed segment"),
        "{refused}"
    );
    let repaired = repair(&storage);
    assert_eq!(wrong(&repaired.after), [] as [&str; 0]);
    let told = repaired
        .done
        .iter()
        .any(|done| done.file == "0000000001.log");
    assert!(told, "{:?}", repaired.done);
    assert_eq!(read_all(&open(&storage).await).await, all);
}
