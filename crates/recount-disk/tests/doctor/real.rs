//! On real files, beside a writer that seals, merges and trims all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use recount_core::{EventLog, ManualClock};
use recount_disk::{DiskLog, DiskOptions, doctor};

use super::support::{START_MS, STREAM, append, trim, wrong};

fn options() -> DiskOptions {
    DiskOptions {
        segment_bytes: 4 << 10,
        clock: Arc::new(ManualClock::at(START_MS)),
        ..DiskOptions::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_wrong_while_everything_moves() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    let log = DiskLog::open(&path, STREAM, options()).await.unwrap();
    append(&log, 0..5).await;
    let done = Arc::new(AtomicBool::new(false));
    let examining = {
        let (path, done) = (path.clone(), Arc::clone(&done));
        std::thread::spawn(move || {
            let mut looks = 0;
            while !done.load(Ordering::Acquire) || looks == 0 {
                let report = doctor::examine(&path, STREAM, &options(), &mut |_| {}).unwrap();
                assert_eq!(wrong(&report), [] as [&str; 0]);
                assert!(report.writer.is_some());
                looks += 1;
            }
            looks
        })
    };
    for from in (5..2_000).step_by(5) {
        append(&log, from..from + 5).await;
        if from % 100 == 5 {
            trim(&log, 300).await;
        }
    }
    done.store(true, Ordering::Release);
    assert!(examining.join().unwrap() > 0);
    log.close().await.unwrap();
    let report = doctor::examine(&path, STREAM, &options(), &mut |_| {}).unwrap();
    assert_eq!((report.writer, report.findings), (None, vec![]));
}
