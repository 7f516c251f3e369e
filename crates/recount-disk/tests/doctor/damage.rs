//! A byte flipped, a file cut, removed, swapped, copied, a page zeroed: it is seen, and mended.

use std::path::{Path, PathBuf};

use recount_disk::sim::{Random, SimStorage};

use super::support::{check_repair, closed, examine, file, files, name, wrong};

/// The storage with one of its files changed.
fn changed(storage: &SimStorage, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> SimStorage {
    let storage = storage.fork(1);
    let mut bytes = storage.content(path).unwrap();
    change(&mut bytes);
    storage.tamper(path, Some(bytes));
    storage
}

/// Whether a byte of a file says nothing, by `FORMAT.md`.
fn is_padding(path: &Path, at: usize, bytes: &[u8]) -> bool {
    let name = name(path);
    match name.as_str() {
        "stream.meta" => at >= 60,
        "floor" => at >= 40,
        "floor.next" => true,
        _ if name.ends_with(".tbl") => (88..4096).contains(&at),
        _ if name.ends_with(".log") => bytes[at..].iter().all(|&byte| byte == 0),
        _ => false,
    }
}

#[tokio::test]
async fn a_flipped_bit_anywhere_is_seen_and_mended() {
    let (storage, all) = closed(120).await;
    let mut random = Random::new(7);
    for path in files(&storage) {
        let bytes = storage.content(&path).unwrap();
        // Everything of a small file; of the others every part by chance.
        let mut at = 0;
        while at < bytes.len() {
            let case = format!("{} at {at}", path.display());
            let damaged = changed(&storage, &path, |bytes| bytes[at] ^= 1 << (at % 8));
            let report = examine(&damaged);
            if is_padding(&path, at, &bytes) {
                assert_eq!(wrong(&report), [] as [&str; 0], "{case}");
            } else {
                let found = wrong(&report);
                assert!(!found.is_empty(), "{case} is not seen");
                if let Some(unsaid) = found.iter().find(|finding| !finding.contains(&name(&path))) {
                    panic!("{case}: {unsaid}");
                }
                if name(&path) != "stream.meta" {
                    let (_, lost) = check_repair(&damaged, &all, &case).await;
                    assert!(lost <= 1 || is_prefix(&report), "{case}: {lost} lost");
                }
            }
            at += match bytes.len() {
                0..=100 => 1 + random.below(8) as usize,
                len => 1 + random.below(len as u64 / 12) as usize,
            };
        }
    }
}

/// Where lengths are damaged, a frame's later records may go with them: five at most.
fn is_prefix(report: &recount_disk::doctor::Report) -> bool {
    let entries = report
        .findings
        .iter()
        .filter_map(|finding| finding.lost.as_ref()?.entries);
    entries.sum::<u64>() <= 5
}

#[tokio::test]
async fn a_file_cut_anywhere_is_seen_and_mended() {
    let (storage, all) = closed(120).await;
    let mut random = Random::new(8);
    for path in files(&storage) {
        let len = storage.content(&path).unwrap().len();
        for _ in 0..12 {
            let to = random.below(len as u64) as usize;
            let case = format!("{} cut to {to}", path.display());
            let damaged = changed(&storage, &path, |bytes| bytes.truncate(to));
            let found = wrong(&examine(&damaged));
            if name(&path) == "floor.next" {
                continue;
            }
            assert!(!found.is_empty(), "{case} is not seen");
            if name(&path) != "stream.meta" || to >= 56 {
                check_repair(&damaged, &all, &case).await;
            }
        }
    }
}

#[tokio::test]
async fn a_zeroed_part_is_seen_and_mended() {
    let (storage, all) = closed(200).await;
    let mut random = Random::new(9);
    for path in files(&storage) {
        let len = storage.content(&path).unwrap().len();
        if len < 600 {
            continue;
        }
        for _ in 0..10 {
            let from = random.below(len as u64 - 512) as usize / 512 * 512;
            let case = format!("{} zeroed from {from}", path.display());
            let damaged = changed(&storage, &path, |bytes| bytes[from..from + 512].fill(0));
            if damaged.content(&path) == storage.content(&path) {
                continue;
            }
            assert!(!wrong(&examine(&damaged)).is_empty(), "{case} is not seen");
            check_repair(&damaged, &all, &case).await;
        }
    }
}

#[tokio::test]
async fn a_missing_file_is_told() {
    let (storage, all) = closed(120).await;
    for path in files(&storage) {
        let damaged = storage.fork(1);
        damaged.tamper(&path, None);
        let case = format!("{} removed", path.display());
        if name(&path) == "floor.next" {
            continue;
        }
        assert!(!examine(&damaged).findings.is_empty(), "{case}");
        if name(&path) == "stream.meta" {
            continue;
        }
        let (_, lost) = check_repair(&damaged, &all, &case).await;
        let segment = path
            .extension()
            .is_some_and(|it| it == "seg" || it == "log");
        assert_eq!(lost > 0, segment, "{case}: {lost} lost");
    }
}

#[tokio::test]
async fn swapped_and_copied_segments_find_their_names() {
    let (storage, all) = closed(200).await;
    let segments: Vec<PathBuf> = files(&storage)
        .into_iter()
        .filter(|path| {
            path.extension()
                .is_some_and(|it| it == "seg" || it == "log")
        })
        .collect();
    assert!(segments.len() > 4);
    for (a, b) in [(0, 1), (1, 3), (2, segments.len() - 1)] {
        let (a, b) = (&segments[a], &segments[b]);
        let damaged = storage.fork(1);
        damaged.tamper(a, storage.content(b));
        damaged.tamper(b, storage.content(a));
        let case = format!("{} and {} swapped", a.display(), b.display());
        assert!(!wrong(&examine(&damaged)).is_empty(), "{case}");
        let (_, lost) = check_repair(&damaged, &all, &case).await;
        assert_eq!(lost, 0, "{case}");
    }
    let copied = storage.fork(1);
    copied.tamper(file("0000000002.log"), storage.content(&segments[1]));
    assert!(!wrong(&examine(&copied)).is_empty());
    let (_, lost) = check_repair(&copied, &all, "copied").await;
    assert_eq!(lost, 0);
    // One in the place of another, which is gone.
    let copied = storage.fork(1);
    copied.tamper(&segments[2], storage.content(&segments[1]));
    let (_, lost) = check_repair(&copied, &all, "in the place of another").await;
    assert!(lost > 0);
}

#[tokio::test]
async fn a_damaged_meta_is_mended_only_where_the_segments_prove_it() {
    let (storage, all) = closed(60).await;
    let path = file("stream.meta");
    for at in 0..60 {
        let damaged = changed(&storage, &path, |bytes| bytes[at] ^= 4);
        let proven = !(16..48).contains(&at);
        if proven {
            let (repaired, lost) = check_repair(&damaged, &all, &format!("at {at}")).await;
            assert!(repaired.is_whole() && lost == 0);
        } else {
            let before = damaged.files();
            let repaired = super::support::repair(&damaged);
            assert_eq!(
                (&repaired.after, repaired.done.len()),
                (&repaired.before, 0)
            );
            assert!(!repaired.is_whole());
            assert_eq!(damaged.files(), before);
        }
    }
}

#[tokio::test]
async fn several_segments_are_damaged_at_once() {
    let (storage, all) = closed(200).await;
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let damaged = storage.fork(seed);
        for path in files(&storage) {
            let segment = path
                .extension()
                .is_some_and(|it| it == "seg" || it == "log");
            if !segment || random.below(3) > 0 {
                continue;
            }
            let mut bytes = storage.content(&path).unwrap();
            let len = bytes.len() as u64;
            match random.below(5) {
                0 => {
                    damaged.tamper(&path, None);
                    continue;
                }
                1 => bytes.truncate(random.below(len) as usize),
                2 => {
                    let from = random.below(len) as usize;
                    let to = (from + random.below(700) as usize).min(bytes.len());
                    bytes[from..to].fill(0);
                }
                _ => {
                    for _ in 0..=random.below(4) {
                        bytes[random.below(len) as usize] ^= 1 << random.below(8);
                    }
                }
            }
            damaged.tamper(&path, Some(bytes));
        }
        check_repair(&damaged, &all, &format!("seed {seed}")).await;
    }
}
