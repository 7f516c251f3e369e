//! Groups as another process sees them.

use recount_core::{Cursor, GroupStart, GroupStore};
use recount_disk::sim::SimStorage;
use recount_disk::{DiskLog, SyncMode};

use super::support::{GROUP, claiming, filled, journal, positions, told, with};
use crate::support::{ROOT, STREAM, append};

/// Reads beside the writer. The directory of the machine is watched, so it must be a real one.
async fn follow(dir: &std::path::Path) -> DiskLog {
    let options = recount_disk::DiskOptions::default();
    DiskLog::open_read_only(dir, STREAM, options).await.unwrap()
}

#[tokio::test]
async fn it_sees_every_change_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let options = recount_disk::DiskOptions::default();
    let log = DiskLog::open(dir.path(), STREAM, options).await.unwrap();
    append(&log, 0..9).await;
    let reader = follow(dir.path()).await;
    assert_eq!(reader.groups().await, Ok(vec![]));
    log.create(GROUP, &GroupStart::Start).await.unwrap();
    assert_eq!(told(&reader).await, told(&log).await);
    let new = log.read_new(GROUP, "a", 5).await.unwrap();
    let all: Vec<_> = new.iter().map(|delivery| delivery.position).collect();
    assert_eq!(told(&reader).await, told(&log).await);
    log.ack(GROUP, &all[..2]).await.unwrap();
    log.claim(GROUP, &claiming("b", 0), &all).await.unwrap();
    assert_eq!(told(&reader).await, told(&log).await);
    assert_eq!(reader.pending(GROUP).await, log.pending(GROUP).await);

    // Until the file was written anew, at least twice.
    let mut claims = 0;
    let path = dir.path().join("streams").join(STREAM).join("groups.log");
    let number = || std::fs::read(&path).unwrap()[8];
    let first = number();
    while number() < first + 2 {
        for position in &all {
            let name = format!("consumer-{}", claims % 3);
            let claim = claiming(&name, 0);
            drop(
                log.claim(GROUP, &claim, std::slice::from_ref(position))
                    .await,
            );
            claims += 1;
        }
        if claims % 50 == 0 {
            assert_eq!(told(&reader).await, told(&log).await);
        }
        log.set_position(GROUP, &GroupStart::Start).await.unwrap();
        for _ in 0..40 {
            log.read_new(GROUP, "someone-with-a-long-name", 9)
                .await
                .unwrap();
            log.set_position(GROUP, &GroupStart::Start).await.unwrap();
        }
    }
    assert_eq!(told(&reader).await, told(&log).await);

    let refused = [
        reader.create("g", &GroupStart::End).await.map(drop),
        reader.set_position(GROUP, &GroupStart::End).await,
        reader.destroy(GROUP).await.map(drop),
        reader.read_new(GROUP, "a", 1).await.map(drop),
        reader
            .read_pending(GROUP, "a", &Cursor::start(), 1)
            .await
            .map(drop),
        reader.ack(GROUP, &all).await.map(drop),
        reader.touch(GROUP, "a", &all).await.map(drop),
        reader.claim(GROUP, &claiming("a", 0), &all).await.map(drop),
        reader.delete_consumer(GROUP, "a", None).await.map(drop),
    ];
    for refused in refused {
        assert_eq!(refused.unwrap_err().code(), "read_only");
    }
    log.destroy(GROUP).await.unwrap();
    assert_eq!(told(&reader).await, "");
    let missing = reader.pending(GROUP).await.unwrap_err();
    assert_eq!(missing.code(), "no_group");
}

/// What a writer writes at any byte of a frame is not seen before it is whole, and never makes a reader
/// fail.
#[tokio::test]
async fn a_frame_on_its_way_is_not_there_yet() {
    let storage = SimStorage::new(1);
    let log = filled(&storage, 9).await;
    log.read_new(GROUP, "a", 5).await.unwrap();
    let before = (storage.content(journal()).unwrap(), told(&log).await);
    log.ack(GROUP, &positions([0, 3])).await.unwrap();
    let after = (storage.content(journal()).unwrap(), told(&log).await);
    let dir = tempfile::tempdir().unwrap();
    for path in storage.files() {
        let to = dir.path().join(path.strip_prefix(ROOT).unwrap());
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::write(to, storage.content(&path).unwrap()).unwrap();
    }
    let reader = follow(dir.path()).await;
    let path = dir.path().join("streams").join(STREAM).join("groups.log");
    for cut in before.0.len()..=after.0.len() {
        std::fs::write(&path, &after.0[..cut]).unwrap();
        let whole = cut == after.0.len();
        let expected = if whole { &after.1 } else { &before.1 };
        assert_eq!(&told(&reader).await, expected, "cut at {cut}");
        assert_eq!(&told(&follow(dir.path()).await).await, expected);
    }
    drop(log);
    let log = DiskLog::open(ROOT, STREAM, with(&storage.kill(), SyncMode::Os, 0)).await;
    assert_eq!(told(&log.unwrap()).await, after.1);
}
