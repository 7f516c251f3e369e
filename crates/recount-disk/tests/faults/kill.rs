//! Real processes, killed at any moment while they publish, and a follower that watches.
//!
//! The publisher is this test program itself, started again with a variable that tells it so.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use recount_core::{Batch, Cursor, EntryId, EventLog, IdRange, ReadRange};
use recount_disk::sim::Random;
use recount_disk::{DiskLog, DiskOptions, SyncMode};

use super::support::{STREAM, append, batch, ids, names};

/// Where to publish, in which mode, from which event on.
const PUBLISH: &str = "RECOUNT_TEST_PUBLISH";
const KILLS: usize = 24;
const MODES: [&str; 3] = ["always", "interval:5ms", "os"];

fn options(sync: SyncMode) -> DiskOptions {
    DiskOptions {
        sync,
        segment_bytes: 16 << 10,
        ..DiskOptions::default()
    }
}

/// Not a test unless the variable is set: then it publishes until it is killed, and says on standard
/// error up to which event it was acknowledged.
#[tokio::test]
async fn publisher() {
    let Ok(told) = std::env::var(PUBLISH) else {
        return;
    };
    let [mode, first, dir] = told.splitn(3, ' ').collect::<Vec<_>>()[..] else {
        panic!("{told}")
    };
    let log = DiskLog::open(dir, STREAM, options(mode.parse().unwrap()))
        .await
        .unwrap();
    let mut from: usize = first.parse().unwrap();
    loop {
        let to = from + 1 + from % 7;
        let receipt = log.append(Batch::new(batch(from..to))).await.unwrap();
        assert_eq!(receipt.conflicts(), 0);
        from = to;
        writeln!(std::io::stderr(), "acknowledged {from}").unwrap();
    }
}

/// Publishes from event `first` on and is killed after so many acknowledgements. Returns up to where
/// it was acknowledged.
fn publish_and_kill(dir: &Path, mode: &str, first: usize, answers: u64) -> usize {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "kill::publisher",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(PUBLISH, format!("{mode} {first} {}", dir.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let mut acknowledged = first;
    for answer in 0.. {
        if answer == answers {
            child.kill().unwrap();
        }
        let mut line = String::new();
        told.read_line(&mut line).unwrap();
        // A line that was cut short by the kill is no acknowledgement.
        let Some(line) = line.strip_suffix('\n') else {
            break;
        };
        let up_to = line.strip_prefix("acknowledged ");
        acknowledged = up_to.unwrap_or_else(|| panic!("{line}")).parse().unwrap();
    }
    assert_eq!(child.wait().unwrap().code(), None, "it was to be killed");
    acknowledged
}

/// Follows the log up to the event with this id. Returns all it saw.
async fn follow(log: DiskLog, last: String) -> Vec<(EntryId, String)> {
    let mut seen = Vec::new();
    let mut after = EntryId::MIN;
    loop {
        log.wait(&Cursor::after(after)).await.unwrap();
        let page = log
            .read(&ReadRange::new(IdRange::after(after)))
            .await
            .unwrap();
        for recorded in page.entries {
            after = recorded.position.entry_id;
            seen.push((after, recorded.event().unwrap().id.to_string()));
        }
        if seen.last().is_some_and(|(_, id)| *id == last) {
            return seen;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_under_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let log = DiskLog::open(dir.path(), STREAM, options(SyncMode::Always))
        .await
        .unwrap();
    log.close().await.unwrap();
    let follower = DiskLog::open_read_only(dir.path(), STREAM, options(SyncMode::Always));
    let following = tokio::spawn(follow(follower.await.unwrap(), "e1000000".into()));

    let mut random = Random::new(24);
    let mut acknowledged = 0;
    for round in 0..KILLS {
        let mode = MODES[round % MODES.len()];
        let answers = random.below(40);
        acknowledged = tokio::task::block_in_place(|| {
            publish_and_kill(dir.path(), mode, acknowledged, answers)
        });
        let log = DiskLog::open_read_only(dir.path(), STREAM, options(SyncMode::Always))
            .await
            .unwrap();
        let there = ids(&log).await;
        assert!(
            there.len() >= acknowledged,
            "round {round}, {mode}: {} of {acknowledged}",
            there.len()
        );
        assert_eq!(there, names(0..there.len()), "round {round}, {mode}");
    }

    let log = DiskLog::open(dir.path(), STREAM, options(SyncMode::Always))
        .await
        .unwrap();
    append(&log, 1_000_000..1_000_001).await;
    let all = ids(&log).await;
    let seen = following.await.unwrap();
    assert!(seen.is_sorted_by(|(a, _), (b, _)| a < b), "ids increase");
    let seen: Vec<_> = seen.into_iter().map(|(_, id)| id).collect();
    assert_eq!(seen, all, "the follower saw what is there, once, in order");
}
