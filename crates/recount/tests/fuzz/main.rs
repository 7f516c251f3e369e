//! The fuzz targets without a fuzzer: their corpus, and seeded mutations of it. `cargo xtask fuzz` runs
//! them with one.

#[path = "../../../../fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use recount_disk::sim::Random;

/// Mutations of one target's corpus, in all.
const MUTATIONS: usize = 2_000;

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let mut files: Vec<_> = fs::read_dir(&dir)
        .unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
        .map(|entry| entry.expect("the folder is readable").path())
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).expect("the file is readable")))
        .collect()
}

/// Changes a few bytes, or takes some from elsewhere.
fn mutate(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    for _ in 0..=random.below(4) {
        let len = bytes.len() as u64;
        let at = random.below(len + 1) as usize;
        match random.below(7) {
            _ if len == 0 => bytes.push(random.next_u64() as u8),
            0 => bytes[at.min(len as usize - 1)] ^= 1 << random.below(8),
            1 => bytes[at.min(len as usize - 1)] = random.next_u64() as u8,
            2 => bytes[at.min(len as usize - 1)] = [0, 1, 0x7f, 0xff][random.below(4) as usize],
            3 => bytes.insert(at, random.next_u64() as u8),
            4 => drop(bytes.drain(at..bytes.len().min(at + 1 + random.below(9) as usize))),
            5 => bytes.truncate(at),
            _ if other.is_empty() => {}
            _ => {
                let from = random.below(other.len() as u64) as usize;
                let to = other.len().min(from + 1 + random.below(40) as usize);
                bytes.splice(at..at, other[from..to].iter().copied());
            }
        }
    }
}

fn replay((name, run): targets::Target) {
    let corpus = corpus(name);
    assert!(!corpus.is_empty(), "{name} has a corpus");
    let attempt = |what: &str, bytes: &[u8]| {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(bytes))) {
            eprintln!(
                "{name} fails for {what}: {:?}",
                String::from_utf8_lossy(bytes)
            );
            std::panic::resume_unwind(panic);
        }
    };
    for (path, bytes) in &corpus {
        attempt(&path.display().to_string(), bytes);
    }
    for seed in 0..MUTATIONS {
        let mut random = Random::new(seed as u64);
        let (path, bytes) = &corpus[seed % corpus.len()];
        let (_, other) = &corpus[random.below(corpus.len() as u64) as usize];
        let mut bytes = bytes.clone();
        mutate(&mut bytes, other, &mut random);
        attempt(&format!("mutation {seed} of {}", path.display()), &bytes);
    }
}

macro_rules! replays {
    ($($number:literal $name:ident),*) => {$(
        #[test]
        fn $name() {
            assert_eq!(targets::TARGETS[$number].0, stringify!($name));
            replay(targets::TARGETS[$number]);
        }
    )*
        #[test]
        fn no_target_is_forgotten() {
            assert_eq!([$(stringify!($name)),*], targets::TARGETS.map(|(name, _)| name));
        }
    };
}

replays!(0 frames, 1 segments, 2 codec, 3 ids, 4 ndjson, 5 chat, 6 config);
