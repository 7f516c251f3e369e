//! A read that fails is an error, and no reason to believe that nothing is there.

use recount_core::{EventLog, ReadError, ReadRange};
use recount_disk::OpenError;
use recount_disk::sim::{Fault, SimStorage};

use super::support::{append, append_again, ids, names, open};

async fn several_segments() -> SimStorage {
    let storage = SimStorage::new(1);
    let log = open(&storage).await.unwrap();
    for from in (0..60).step_by(5) {
        append(&log, from..from + 5).await;
    }
    storage.kill()
}

#[tokio::test]
async fn while_opening() {
    let storage = several_segments().await;
    let mut failed = 0;
    for nth in 0..60 {
        let storage = storage.fork(nth);
        storage.fail(Fault::ReadFails { nth });
        match open(&storage).await {
            Ok(log) => drop(log),
            Err(OpenError::Storage { path, .. }) => {
                assert!(path.starts_with("/data"), "{path}");
                failed += 1;
            }
            Err(other) => panic!("read {nth}: {other}"),
        }
        let storage = storage.kill();
        let log = open(&storage).await.unwrap();
        assert_eq!(log.recovery(), None, "read {nth}");
        assert_eq!(ids(&log).await, names(0..60), "read {nth}");
        append_again(&log, 0..60).await;
    }
    assert!(failed > 10, "{failed} openings failed");
}

#[tokio::test]
async fn while_reading() {
    let storage = several_segments().await;
    let mut failed = 0;
    for nth in 0..10 {
        let log = open(&storage).await.unwrap();
        storage.fail(Fault::ReadFails { nth });
        match log.read(&ReadRange::all()).await {
            Ok(page) => assert_eq!(page.entries.len(), 60),
            Err(ReadError::Storage { path, .. }) => {
                assert!(path.starts_with("/data"), "{path}");
                failed += 1;
            }
            Err(other) => panic!("read {nth}: {other}"),
        }
        storage.heal();
        assert_eq!(ids(&log).await, names(0..60), "read {nth}");
        log.close().await.unwrap();
    }
    assert!(failed > 2, "{failed} reads failed");
}
