//! Many consumers, many entries, a file that grows.

use std::sync::Arc;

use recount_core::{Batch, Cursor, EventLog, GroupStart, GroupStore, Position};
use recount_disk::sim::SimStorage;
use recount_disk::{DiskLog, DiskOptions};

use super::support::{GROUP, claiming, filled, info, journal, open_at, told};
use crate::support::{STREAM, append, batch};

#[tokio::test]
async fn ten_thousand_consumers_come_and_go() {
    let storage = SimStorage::new(1);
    let log = filled(&storage, 20).await;
    for n in 0..10_000 {
        let one = log.read_new(GROUP, &format!("c{n}"), 1).await.unwrap();
        assert_eq!(one.len(), usize::from(n < 20));
    }
    assert_eq!(log.consumers(GROUP).await.unwrap().len(), 10_000);
    assert_eq!(log.pending(GROUP).await.unwrap().by_consumer.len(), 20);
    for n in 0..10_000 {
        if n % 10 != 0 {
            let heir = log
                .delete_consumer(GROUP, &format!("c{n}"), Some("c0"))
                .await;
            assert_eq!(heir, Ok(u64::from(n < 20)));
        }
    }
    assert_eq!(log.consumers(GROUP).await.unwrap().len(), 1_000);
    let left = told(&log).await;
    let log = open_at(&storage.crash(), 0).await;
    assert_eq!(told(&log).await, left);
    // Numbers of those that are gone are given out again.
    log.read_new(GROUP, "new", 1).await.unwrap();
    assert_eq!(log.consumers(GROUP).await.unwrap().len(), 1_001);
}

#[tokio::test]
async fn the_file_is_written_anew_beside_the_calls_and_holds_the_same() {
    let storage = SimStorage::new(1);
    let log = filled(&storage, 50).await;
    let number = |storage: &SimStorage| storage.content(journal()).unwrap()[8];
    let first = number(&storage);
    let everything: Vec<Position> = {
        let all = log.read_new(GROUP, "a", 50).await.unwrap();
        all.iter().map(|delivery| delivery.position).collect()
    };
    // Each claim is a frame of some forty bytes or more.
    let mut claims = 0;
    while number(&storage) < first + 3 {
        for chunk in everything.chunks(1) {
            let name = format!("consumer-{}", claims % 7);
            let claimed = log.claim(GROUP, &claiming(&name, 0), chunk).await;
            assert_eq!(claimed.unwrap().len(), 1);
            claims += 1;
        }
        assert!(claims < 500_000, "the file only ever grows");
    }
    assert!(storage.content(journal()).unwrap().len() < 3 << 20);
    let left = told(&log).await;
    for next in [storage.fork(1).kill(), storage.crash()] {
        let log = open_at(&next, 0).await;
        assert_eq!(told(&log).await, left);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_tasks_share_a_group_and_each_entry_goes_to_one() {
    let dir = tempfile::tempdir().unwrap();
    let options = DiskOptions {
        segment_bytes: 64 << 10,
        ..DiskOptions::default()
    };
    let log = DiskLog::open(dir.path(), STREAM, options.clone());
    let log = Arc::new(log.await.unwrap());
    log.create(GROUP, &GroupStart::Start).await.unwrap();
    let total = 4_000;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..16 {
        let log = Arc::clone(&log);
        tasks.spawn(async move {
            let name = format!("c{n}");
            let mut got = Vec::new();
            let mut cursor = Cursor::start();
            loop {
                let count = 1 + n * 3;
                let new = log.read_new(GROUP, &name, count).await.unwrap();
                let positions: Vec<Position> = new.iter().map(|d| d.position).collect();
                assert!(positions.is_sorted_by(|a, b| a.entry_id < b.entry_id));
                assert_eq!(log.ack(GROUP, &positions).await, Ok(positions.len()));
                if let Some(last) = new.last() {
                    cursor.advance(last.position);
                    got.extend(
                        new.into_iter()
                            .map(|d| d.entry.unwrap().event().unwrap().id.to_string()),
                    );
                    continue;
                }
                cursor = info(&log).await.last_delivered;
                let waited = tokio::select! {
                    waited = log.wait(&cursor) => waited,
                    () = done(&log, total) => break,
                };
                waited.unwrap();
            }
            got
        });
    }
    for from in (0..total).step_by(50) {
        let appended = log.append(Batch::new(batch(from..from + 50))).await;
        assert_eq!(appended.unwrap().appended(), 50);
    }
    let mut got = tasks.join_all().await.concat();
    got.sort();
    let mut expected: Vec<String> = (0..total).map(|n| format!("e{n}")).collect();
    expected.sort();
    assert_eq!(got, expected, "each once");
    log.close().await.unwrap();
    drop(log);
    let log = DiskLog::open(dir.path(), STREAM, options).await.unwrap();
    let group = info(&log).await;
    assert_eq!((group.pending, group.lag(), group.consumers), (0, 0, 16));
    append(&log, total..total + 1).await;
    assert_eq!(info(&log).await.lag(), 1);
}

/// Returns once everything was delivered.
async fn done(log: &DiskLog, total: usize) {
    loop {
        let all = log.info().await.unwrap().partitions[0].entries_added == total as u64;
        if all && info(log).await.lag() == 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
}
