//! What the doctor says of `groups.log`, and does about it.

use std::path::Path;

use recount_core::{EventLog, GroupStore};
use recount_disk::doctor::{self, Severity};
use recount_disk::sim::SimStorage;
use recount_disk::{DiskLog, OpenError};

use super::support::{GROUP, filled, journal, never, open_at, positions, told, with};
use crate::support::{ROOT, STREAM};

fn findings(storage: &SimStorage) -> Vec<(Severity, &'static str)> {
    let options = with(storage, never(), 0);
    let report = doctor::examine(Path::new(ROOT), STREAM, &options, &mut |_| ()).unwrap();
    let named = report.findings.iter().filter(|f| f.file == "groups.log");
    named
        .map(|finding| (finding.severity, finding.code))
        .collect()
}

/// Two lives' worth of changes, ended in order, so that all but the last frames were synced; and what the
/// groups were after the first.
async fn two_lives() -> (SimStorage, usize, String) {
    let storage = SimStorage::new(1);
    let log = filled(&storage, 9).await;
    log.read_new(GROUP, "a", 5).await.unwrap();
    log.close().await.unwrap();
    drop(log);
    let log = open_at(&storage, 0).await;
    let first = (storage.content(journal()).unwrap().len(), told(&log).await);
    log.ack(GROUP, &positions([0])).await.unwrap();
    // On stable storage, and the frames behind it know.
    log.set_position(GROUP, &recount_core::GroupStart::Start)
        .await
        .unwrap();
    log.ack(GROUP, &positions([1])).await.unwrap();
    log.close().await.unwrap();
    (storage, first.0, first.1)
}

#[tokio::test]
async fn a_healthy_file_is_described() {
    let (storage, ..) = two_lives().await;
    assert_eq!(findings(&storage), []);
    let options = with(&storage, never(), 0);
    let report = doctor::examine(Path::new(ROOT), STREAM, &options, &mut |_| ()).unwrap();
    let file = report.files.iter().find(|file| file.name == "groups.log");
    assert_eq!(file.unwrap().what, "1 consumer group, 3 pending entries");
}

#[tokio::test]
async fn damage_is_found_refused_and_mended_with_what_was_before() {
    let (storage, end, before) = two_lives().await;
    let whole = storage.content(journal()).unwrap();
    // The frame takes no less.
    for byte in end..end + 24 {
        let storage = storage.fork(0);
        let mut damaged = whole.clone();
        damaged[byte] ^= 1;
        storage.tamper(journal(), Some(damaged.clone()));
        assert_eq!(findings(&storage), [(Severity::Damage, "groups")]);
        let options = with(&storage, never(), 0);
        let refused = DiskLog::open(ROOT, STREAM, options.clone()).await.err();
        let Some(OpenError::Corrupt { path, offset, .. }) = refused else {
            panic!("{refused:?}")
        };
        assert!(path.ends_with("groups.log"), "{path}");
        assert_eq!(offset, end as u64);

        let mended = doctor::repair(Path::new(ROOT), STREAM, &options, &mut |_| ()).unwrap();
        assert!(mended.is_whole(), "{mended:?}");
        let done = mended.done.iter().find(|done| done.file == "groups.log");
        let saved = done.unwrap().saved_to.clone().unwrap();
        assert_eq!(
            storage.content(crate::support::file(&saved)).unwrap(),
            damaged
        );
        let log = open_at(&storage.crash(), 0).await;
        assert_eq!(told(&log).await, before);
        assert_eq!(log.info().await.unwrap().length(), 9);
    }
}

#[tokio::test]
async fn a_file_without_a_header_is_given_up() {
    let (storage, ..) = two_lives().await;
    storage.tamper(journal(), Some(vec![7; 100]));
    assert_eq!(findings(&storage), [(Severity::Damage, "groups")]);
    let options = with(&storage, never(), 0);
    doctor::repair(Path::new(ROOT), STREAM, &options, &mut |_| ()).unwrap();
    let log = open_at(&storage.crash(), 0).await;
    assert_eq!(log.groups().await, Ok(vec![]));
}

#[tokio::test]
async fn a_torn_end_is_a_notice() {
    let storage = SimStorage::new(1);
    let log = filled(&storage, 9).await;
    log.read_new(GROUP, "a", 5).await.unwrap();
    let storage = storage.kill();
    let whole = storage.content(journal()).unwrap();
    storage.tamper(journal(), Some(whole[..whole.len() - 3].to_vec()));
    assert_eq!(findings(&storage), [(Severity::Notice, "groups_tail")]);
}
