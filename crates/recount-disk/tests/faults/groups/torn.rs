//! `groups.log` cut off at any byte.

use recount_core::{GroupStart, GroupStore};
use recount_disk::sim::SimStorage;
use recount_disk::{DiskLog, OpenError};

use super::support::{GROUP, claiming, filled, journal, never, open_at, positions, told, with};
use crate::support::{ROOT, STREAM};

async fn try_open(storage: &SimStorage) -> Result<DiskLog, OpenError> {
    DiskLog::open(ROOT, STREAM, with(storage, never(), 0)).await
}

/// A file of several frames, and what the groups were behind each of them. The process was killed.
async fn several_frames() -> (SimStorage, Vec<(usize, String)>) {
    let storage = SimStorage::new(1);
    let log = filled(&storage, 9).await;
    let mut states = vec![(64, String::new())];
    for step in 0..10 {
        let end = storage.content(journal()).unwrap().len();
        states.push((end, told(&log).await));
        match step {
            0 => drop(log.read_new(GROUP, "a", 5).await.unwrap()),
            1 => drop(log.ack(GROUP, &positions([0, 2])).await.unwrap()),
            2 => drop(log.nack(GROUP, "a", &positions([1]), 0).await.unwrap()),
            3 => drop(log.read_new(GROUP, "b", 2).await.unwrap()),
            4 => log.create("second", &GroupStart::End).await.unwrap(),
            5 => drop(log.requeue(GROUP, &positions([0])).await.unwrap()),
            6 => drop(log.delete_consumer(GROUP, "b", Some("a")).await.unwrap()),
            7 => log.set_position(GROUP, &GroupStart::Start).await.unwrap(),
            8 => drop(log.destroy("second").await.unwrap()),
            _ => {}
        }
    }
    (storage.kill(), states)
}

#[tokio::test]
async fn what_is_left_is_a_state_that_once_was() {
    let (storage, states) = several_frames().await;
    let whole = storage.content(journal()).unwrap();
    let mut refused = 0;
    for cut in 0..=whole.len() {
        let storage = storage.fork(0);
        storage.tamper(journal(), Some(whole[..cut].to_vec()));
        let log = match try_open(&storage).await {
            Ok(log) => log,
            Err(OpenError::Corrupt { path, .. }) => {
                assert!(path.ends_with("groups.log"), "{path}");
                refused += 1;
                continue;
            }
            Err(other) => panic!("cut at {cut}: {other}"),
        };
        let (end, expected) = states.iter().rev().find(|(end, _)| *end <= cut).unwrap();
        assert_eq!(&told(&log).await, expected, "cut at {cut}");
        let kept = &whole[*end..cut];
        let recovered = log.recovery().map_or(0, |recovery| recovery.groups.len());
        let is_kept = kept.iter().any(|&byte| byte != 0);
        assert_eq!(recovered, usize::from(is_kept), "cut at {cut}");
        if is_kept {
            let files = storage.files();
            let lost = files
                .iter()
                .find(|path| path.to_string_lossy().contains("lost-groups-"))
                .unwrap();
            assert_eq!(storage.content(lost).unwrap(), kept);
        }
        // It goes on from there, whatever happens next.
        let claimed = log.claim(GROUP, &claiming("c", 9), &positions(0..9)).await;
        // Before the first frame there is no group.
        let claimed = claimed.map_or(0, |claimed| claimed.len());
        let left = told(&log).await;
        let log = open_at(&storage.crash(), 0).await;
        assert_eq!(told(&log).await, left, "{claimed} claimed, cut at {cut}");
        let told_of = log.recovery().map_or(0, |recovery| recovery.groups.len());
        assert_eq!(told_of, 0);
    }
    // The header and the changes that were synced for whoever asked for them: they are the file's word.
    assert!((64..whole.len()).contains(&refused), "{refused}");
}

#[tokio::test]
async fn a_flipped_bit_is_refused_or_taken_as_torn() {
    let (storage, states) = several_frames().await;
    let whole = storage.content(journal()).unwrap();
    let mut refused = 0;
    for byte in 0..whole.len() {
        let storage = storage.fork(0);
        let mut flipped = whole.clone();
        flipped[byte] ^= 1 << (byte % 8);
        storage.tamper(journal(), Some(flipped));
        match try_open(&storage).await {
            Ok(log) => {
                let told = told(&log).await;
                assert!(
                    states.iter().any(|(_, state)| *state == told),
                    "byte {byte}"
                );
                let all = &states.last().unwrap().1;
                // The header has room that nobody reads.
                assert!(told != *all || (52..64).contains(&byte), "byte {byte}");
            }
            Err(OpenError::Corrupt { path, .. }) => {
                assert!(path.ends_with("groups.log"), "{path}");
                refused += 1;
            }
            Err(other) => panic!("byte {byte}: {other}"),
        }
    }
    assert!(refused > 60, "{refused}");
}
