//! A repair that is stopped anywhere is finished by the next one.

use recount_core::Recorded;
use recount_disk::doctor;
use recount_disk::sim::{Moment, SimStorage, Stop};
use std::path::Path;

use super::support::{
    ROOT, STREAM, check_repair, closed_and_trimmed, examine, file, files, name, open, options,
    read_all, wrong,
};

/// Damage in every kind of file, and what the log held.
async fn damaged() -> (SimStorage, Vec<Recorded>) {
    let (storage, all) = closed_and_trimmed(200, 120).await;
    let mut segments: Vec<_> = files(&storage)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|it| it == "seg"))
        .collect();
    let missing = segments.remove(2);
    let hurt = segments.remove(0);
    let mut bytes = storage.content(&hurt).unwrap();
    // One in the part that is trimmed, one behind it.
    bytes[300] ^= 1;
    let behind = bytes.len() - 300;
    bytes[behind] ^= 1;
    storage.tamper(&hurt, Some(bytes));
    storage.tamper(&missing, None);
    storage.tamper(
        &segments[0],
        storage.content(&segments[1]).map(|mut bytes| {
            bytes[3] ^= 1;
            bytes
        }),
    );
    for path in files(&storage) {
        if name(&path).ends_with(".idx") || name(&path) == "floor.next" {
            storage.tamper(&path, Some(vec![7; 100]));
        }
    }
    storage.tamper(file("0000000001.tmp"), Some(vec![7; 100]));
    (storage, all)
}

/// What a log holds, and nothing is wrong with it.
async fn repaired(storage: &SimStorage, all: &[Recorded], case: &str) -> Vec<Recorded> {
    check_repair(&storage.fork(2), all, case).await;
    let again = storage.fork(3);
    super::support::repair(&again);
    let log = open(&again).await;
    read_all(&log).await
}

#[tokio::test]
async fn killed_or_without_power_at_any_operation() {
    let (storage, all) = damaged().await;
    assert!(wrong(&examine(&storage)).len() > 3);
    let expected = repaired(&storage, &all, "not stopped").await;
    assert!(expected.len() > all.len() / 4 && expected.len() < all.len());
    let whole = storage.fork(9);
    let before = whole.operations();
    super::support::repair(&whole);
    let operations = whole.operations() - before;
    assert!(operations > 30, "{operations}");
    for at in 0..operations {
        for (moment, how) in [
            (Moment::During(20), Stop::Kill),
            (Moment::After, Stop::Kill),
            (Moment::During(20), Stop::Power),
            (Moment::After, Stop::Power),
        ] {
            let case = format!("{how:?} at {at}, {moment:?}");
            let stopped = storage.fork(at);
            stopped.stop_at(at, moment, how);
            // The end of opening is done by threads that may outlive it.
            let _ = doctor::repair(Path::new(ROOT), STREAM, &options(&stopped), &mut |_| {});
            let after = stopped.restarted();
            super::support::repair(&after);
            assert_eq!(wrong(&examine(&after)), [] as [&str; 0], "{case}");
            let log = open(&after).await;
            assert_eq!(read_all(&log).await, expected, "{case}");
        }
    }
}
