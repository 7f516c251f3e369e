use std::io::{self, IoSlice};
use std::path::Path;

use super::{Fault, Moment, SimStorage, Stop};
use crate::storage::{OpenHow, Storage};

const FILE: &str = "/d/f";

/// A storage with one synced file that holds `old`.
fn with_file(seed: u64, old: &[u8]) -> SimStorage {
    let storage = SimStorage::new(seed);
    storage.create_dir_all(Path::new("/d")).unwrap();
    write(&storage, old, true).unwrap();
    storage.sync_dir(Path::new("/d")).unwrap();
    storage.sync_dir(Path::new("/")).unwrap();
    storage
}

fn write(storage: &SimStorage, bytes: &[u8], sync: bool) -> io::Result<()> {
    let path = Path::new(FILE);
    let file = match storage.open(path, OpenHow::Write) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            storage.open(path, OpenHow::Create)?
        }
        other => other?,
    };
    file.write_at(&[IoSlice::new(bytes)], 0)?;
    if sync { file.sync() } else { Ok(()) }
}

/// What is in the file after a crash, over many seeds.
fn outcomes(act: impl Fn(&SimStorage)) -> Vec<Vec<u8>> {
    let after = |seed| {
        let storage = with_file(seed, &[1; 1000]);
        act(&storage);
        storage.crash().content(FILE).unwrap()
    };
    (0..100).map(after).collect()
}

#[test]
fn what_was_synced_survives_and_what_was_not_may_be_lost_in_parts() {
    let synced = outcomes(|storage| write(storage, &[2; 3000], true).unwrap());
    assert!(synced.iter().all(|content| *content == [2; 3000]));

    let unsynced = outcomes(|storage| write(storage, &[2; 3000], false).unwrap());
    for content in &unsynced {
        assert!((1000..=3000).contains(&content.len()));
        assert!(content[..1000].iter().all(|byte| [1, 2].contains(byte)));
        assert!(content[1000..].iter().all(|byte| [0, 2].contains(byte)));
    }
    assert!(
        unsynced.iter().any(|content| *content == [1; 1000]),
        "lost whole"
    );
    assert!(
        unsynced.iter().any(|content| content.len() == 3000),
        "its length kept"
    );
    let holes = |content: &&Vec<u8>| content.len() > 1100 && content[0] == 1 && content[1030] == 2;
    assert!(
        unsynced.iter().any(|content| holes(&content)),
        "a later sector kept, an earlier lost"
    );
    assert!(
        unsynced
            .iter()
            .any(|content| ![1000, 3000].contains(&content.len())),
        "torn"
    );
}

#[test]
fn a_kill_takes_nothing_that_was_written() {
    let storage = with_file(1, b"old");
    write(&storage, b"new", false).unwrap();
    storage.remove(Path::new(FILE)).unwrap();
    write(&storage, b"newer", false).unwrap();
    let after = storage.kill();
    assert_eq!(after.content(FILE).unwrap(), b"newer");
    assert!(write(&storage, b"dead", false).is_err());
    assert_eq!(after.content(FILE).unwrap(), b"newer");
}

#[test]
fn names_survive_a_crash_once_their_directory_is_synced() {
    let rename = |seed, sync| {
        let storage = with_file(seed, b"old");
        storage.rename(Path::new(FILE), Path::new("/d/g")).unwrap();
        if sync {
            storage.sync_dir(Path::new("/d")).unwrap();
        }
        storage.crash().files()
    };
    let (old, new) = (
        vec![Path::new(FILE).to_owned()],
        vec![Path::new("/d/g").to_owned()],
    );
    assert!((0..20).all(|seed| rename(seed, true) == new));
    assert!((0..20).any(|seed| rename(seed, false) == old));
    assert!((0..20).any(|seed| rename(seed, false) == new));

    let storage = SimStorage::new(3);
    storage.create_dir_all(Path::new("/a/b")).unwrap();
    storage.sync_dir(Path::new("/a")).unwrap();
    let lost = |seed| storage.fork(seed).crash().list(Path::new("/a")).is_err();
    assert!(
        (0..20).any(lost),
        "a synced directory in an unsynced one goes with it"
    );
}

#[test]
fn a_failed_sync_gives_up_what_was_to_be_written() {
    let lost = outcomes(|storage| {
        storage.fail(Fault::SyncFails { nth: 0 });
        let failed = write(storage, &[2; 1000], true).unwrap_err();
        assert_eq!(failed.raw_os_error(), Some(5));
        let file = storage.open(Path::new(FILE), OpenHow::Write).unwrap();
        file.sync().unwrap();
    });
    assert!(lost.iter().any(|content| *content == [1; 1000]));
    let kept = outcomes(|storage| {
        storage.fail(Fault::SyncFails { nth: 0 });
        write(storage, &[2; 1000], true).unwrap_err();
        write(storage, &[2; 1000], true).unwrap();
    });
    assert!(
        kept.iter().all(|content| *content == [2; 1000]),
        "written again and synced"
    );
}

#[test]
fn a_full_disk_takes_what_fits_until_something_is_freed() {
    let storage = with_file(1, b"old");
    storage.set_space(Some(4));
    let full = write(&storage, b"too long", true).unwrap_err();
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    assert_eq!(storage.content(FILE).unwrap(), b"too lon");
    write(&storage, b"IN PLAC", false).unwrap();
    storage.remove(Path::new(FILE)).unwrap();
    write(&storage, b"seven..", true).unwrap();

    storage.set_space(None);
    storage.fail(Fault::FullAtWrite { nth: 1, written: 2 });
    write(&storage, b"fits", true).unwrap();
    assert!(write(&storage, b"TORN", true).is_err());
    assert_eq!(storage.content(FILE).unwrap(), b"TOtsn..");
    write(&storage, b"fits", true).unwrap();
}

#[test]
fn a_process_ends_before_during_or_after_an_operation() {
    let at = |moment| {
        let storage = with_file(1, b"old");
        storage.stop_at(1, moment, Stop::Kill);
        write(&storage, b"1st", false).unwrap();
        assert!(write(&storage, b"2nd", false).is_err());
        assert!(storage.has_stopped());
        assert!(storage.open(Path::new(FILE), OpenHow::Read).is_err());
        storage.restarted().content(FILE).unwrap()
    };
    assert_eq!(at(Moment::Before), b"1st");
    assert_eq!(at(Moment::During(2)), b"2nt");
    assert_eq!(at(Moment::After), b"2nd");
}

#[test]
fn a_lock_is_held_by_one_until_it_is_dropped_or_its_process_ends() {
    let storage = with_file(1, b"");
    let path = Path::new("/d/lock");
    let lock = storage.try_lock(path).unwrap().unwrap();
    assert!(storage.clone().try_lock(path).unwrap().is_none());
    assert!(storage.is_locked(path).unwrap());
    drop(lock);
    let old = storage.try_lock(path).unwrap().unwrap();
    let next = storage.kill();
    let lock = next.try_lock(path).unwrap();
    drop(old);
    assert!(
        next.is_locked(path).unwrap(),
        "a dead process's lock releases nothing"
    );
    drop(lock);
    assert!(!next.is_locked(path).unwrap());
}

#[test]
fn a_map_is_a_copy_and_a_read_can_fail() {
    let storage = with_file(1, b"old");
    let file = storage.open(Path::new(FILE), OpenHow::Read).unwrap();
    let map = file.map(3).unwrap();
    write(&storage, b"new", false).unwrap();
    assert_eq!(&*map, b"old");
    storage.fail(Fault::ReadFails { nth: 0 });
    assert!(file.read_at(&mut [0; 3], 0).is_err());
    assert_eq!(file.read_at(&mut [0; 5], 1).unwrap(), 2);
}
