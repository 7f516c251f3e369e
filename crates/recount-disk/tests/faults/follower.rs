//! What a reader makes of a log that no writer has opened since the power failed.

use recount_disk::sim::SimStorage;
use recount_disk::{DiskLog, Storage as _, SyncMode};

use super::support::{STREAM, append, ids, names, options};

#[tokio::test]
async fn sees_what_the_next_writer_will_find() {
    // What is watched is the real file system: something must be there.
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("streams").join(STREAM)).unwrap();
    let root = root.path();
    for sync in [SyncMode::Always, SyncMode::Os] {
        let storage = SimStorage::new(1);
        // Of what lies above the data directory nobody takes care but who made it.
        storage.create_dir_all(root).unwrap();
        for dir in root.ancestors() {
            storage.sync_dir(dir).unwrap();
        }
        let log = DiskLog::open(root, STREAM, options(&storage, sync))
            .await
            .unwrap();
        // Right after a segment was begun, the footer of the one before is not synced.
        for appended in 0..50 {
            append(&log, 2 * appended..2 * appended + 2).await;
            for seed in 0..3 {
                let after = storage.fork(seed).crash();
                let follower = DiskLog::open_read_only(root, STREAM, options(&after, sync));
                let seen = ids(&follower.await.unwrap()).await;
                let log = DiskLog::open(root, STREAM, options(&after, sync))
                    .await
                    .unwrap();
                let found = ids(&log).await;
                assert_eq!(seen, found, "{sync}, {appended}, seed {seed}");
                if sync == SyncMode::Always {
                    assert_eq!(seen, names(0..2 * appended + 2), "{appended}, seed {seed}");
                }
            }
        }
    }
}
