//! The server is never told that something is held here which a power failure could take.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use recount_core::EventLog;
use recount_disk::sim::SimStorage;
use recount_disk::{DiskLog, DiskOptions};
use recount_runtime::{Mirror, MirrorOptions};

use super::fake::Fake;
use super::support::{entries, held, options};

fn options_on(storage: &SimStorage, dir: &Path) -> MirrorOptions {
    let mut options = options(dir);
    options.disk.storage = Arc::new(storage.clone());
    options
}

/// How many entries are left of the mirror if the power fails now.
fn left_after_crash(storage: &SimStorage, seed: u64, data: &Path) -> u64 {
    let crashed = storage.fork(seed).crash();
    let data = data.to_owned();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let options = DiskOptions {
                storage: Arc::new(crashed),
                ..DiskOptions::default()
            };
            let log = DiskLog::open(&data, "events:{0}", options).await.unwrap();
            let held = held(&log).await.len();
            log.close().await.unwrap();
            held as u64
        })
    })
    .join()
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn its_registration_is_never_ahead_of_its_sync() {
    let storage = SimStorage::new(5);
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    let options = options_on(&storage, dir.path());
    let data = options.dir_of(&*server).join("data");
    let checked = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&checked);
    let sim = storage.clone();
    *server.on_register.lock() = Some(Box::new(move |synced| {
        let told = synced.get(0).ms.saturating_sub(999);
        let seed = counted.fetch_add(1, Ordering::SeqCst);
        let left = left_after_crash(&sim, seed, &data);
        assert!(left >= told, "{left} entries are left, {told} were told of");
    }));
    let mirror = Mirror::open(Arc::clone(&server) as _, options)
        .await
        .unwrap();
    for n in 0..40 {
        server.add(0, entries(n * 20..n * 20 + 20)).await;
        mirror.caught_up(&server.tail().await).await.unwrap();
    }
    mirror.close().await;
    assert_eq!(server.registered().pop().unwrap(), server.tail().await);
    assert!(checked.load(Ordering::SeqCst) > 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_mirrored_is_registered_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    let mirror = super::support::open(&server, dir.path()).await;
    let (told, mut tells) = tokio::sync::watch::channel(0);
    *server.on_register.lock() = Some(Box::new(move |synced| {
        told.send_replace(synced.get(0).ms);
    }));
    server.add(0, entries(0..10)).await;
    let last = server.tail().await.get(0).ms;
    // Without being closed, and without anything else being published.
    tells.wait_for(|&ms| ms == last).await.unwrap();
    mirror.close().await;
    let log = mirror.log(0).unwrap();
    assert!(log.tail().await.is_err(), "its logs are closed with it");
}
