//! A disk without space while groups are at work.

use recount_core::{GroupError, GroupStore};
use recount_disk::sim::{Fault, SimStorage};

use super::support::{GROUP, filled, info, open_at, pending, positions, told};

#[tokio::test]
async fn a_refused_acknowledgement_changed_nothing_and_works_later() {
    for written in [0, 1, 13, 23] {
        let storage = SimStorage::new(1);
        let log = filled(&storage, 6).await;
        log.read_new(GROUP, "a", 4).await.unwrap();
        let before = told(&log).await;
        for _ in 0..3 {
            storage.fail(Fault::FullAtWrite { nth: 0, written });
            let refused = log.ack(GROUP, &positions(0..2)).await;
            let Err(GroupError::Full { path }) = refused else {
                panic!("{refused:?}")
            };
            assert!(path.ends_with("groups.log"), "{path}");
            assert_eq!(told(&log).await, before);
            let after = open_at(&storage.fork(7).kill(), 0).await;
            assert_eq!(told(&after).await, before);
            assert_eq!(after.recovery(), None);
        }
        storage.fail(Fault::FullAtWrite { nth: 0, written });
        let read = log.read_new(GROUP, "a", 9).await;
        assert_eq!(read.map_err(|error| error.code()), Err("full"));
        assert_eq!(info(&log).await.lag(), 2, "the cursor did not move");

        assert_eq!(log.ack(GROUP, &positions(0..2)).await, Ok(2));
        assert_eq!(log.read_new(GROUP, "a", 9).await.unwrap().len(), 2);
        let left = told(&log).await;
        let log = open_at(&storage.kill(), 0).await;
        assert_eq!(told(&log).await, left);
    }
}

#[tokio::test]
async fn a_disk_that_stays_full_keeps_readers_going_and_calls_refused() {
    let storage = SimStorage::new(1);
    let log = filled(&storage, 6).await;
    log.read_new(GROUP, "a", 4).await.unwrap();
    storage.set_space(Some(0));
    for _ in 0..20 {
        let refused = log.ack(GROUP, &positions([0])).await;
        assert_eq!(refused.map_err(|error| error.code()), Err("full"));
        let touched = log.touch(GROUP, "a", &positions([0])).await;
        assert_eq!(
            touched,
            Ok(positions([0])),
            "what is not written needs no space"
        );
        assert_eq!(pending(&log).await.len(), 4);
    }
    storage.set_space(None);
    assert_eq!(log.ack(GROUP, &positions([0])).await, Ok(1));
}

#[tokio::test]
async fn a_log_opens_on_a_full_disk_after_a_crash() {
    let storage = SimStorage::new(1);
    let log = filled(&storage, 6).await;
    log.read_new(GROUP, "a", 4).await.unwrap();
    let before = told(&log).await;
    let storage = storage.kill();
    storage.set_space(Some(0));
    let log = open_at(&storage, 0).await;
    assert_eq!(told(&log).await, before);
    // Opening gives some room back.
    storage.set_space(Some(0));
    let refused = log.ack(GROUP, &positions([0])).await;
    assert_eq!(refused.map_err(|error| error.code()), Err("full"));
    storage.set_space(None);
    assert_eq!(log.ack(GROUP, &positions([0])).await, Ok(1));
    let left = told(&log).await;
    let log = open_at(&storage.crash(), 0).await;
    let after = told(&log).await;
    // The file was written anew and synced; the acknowledgement behind it may be lost, or not.
    assert!(after == left || after == before, "{after}");
}
