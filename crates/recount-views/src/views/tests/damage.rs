use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};

use recount_core::{Position, Recorded};

use super::*;
use crate::rows::{Rows, RowsError};
use crate::view::Fault;

fn data_file(place: &Place) -> PathBuf {
    let files = fs::read_dir(place.dir.path().join("chain")).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    files
        .find(|file| file.extension().is_some_and(|end| end == "mdb"))
        .unwrap()
}

/// What something else does to a file shows in the time of its last change.
fn touched(path: &Path) {
    let later = SystemTime::now() + Duration::from_secs(5);
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_modified(later).unwrap();
}

fn write(path: &Path, at: u64, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(bytes, at).unwrap();
    drop(file);
    touched(path);
}

/// Reads and rebuilds what was damaged: afterwards it holds what a fresh view does.
async fn is_noticed_or_harmless(place: &Place, expected: &Dump) -> bool {
    let views = place.views();
    let read = views.snapshot("chain");
    if let Ok(Some(rows)) = read {
        assert_eq!(dump(&rows), *expected);
    }
    let done = caught_up(&views).await;
    assert_eq!(rows(&views), *expected);
    match done.rebuilt {
        None => false,
        Some(Why::Damaged { .. }) => true,
        Some(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_file_that_was_cut_is_made_again() {
    let place = Place::new(1);
    place.log.fill(200);
    caught_up(&place.views()).await;
    let expected = place.fresh().await;
    let mut noticed = 0;
    for part in 0..16 {
        let path = data_file(&place);
        let bytes = fs::metadata(&path).unwrap().len();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(bytes * part / 16).unwrap();
        drop(file);
        noticed += u32::from(is_noticed_or_harmless(&place, &expected).await);
    }
    // What is empty is begun anew, which is no damage.
    assert!(noticed >= 15, "{noticed}");
}

#[tokio::test]
async fn a_file_of_something_else_is_made_again() {
    let place = Place::new(1);
    place.log.fill(50);
    caught_up(&place.views()).await;
    let expected = place.fresh().await;
    for bytes in [b"hello".to_vec(), vec![0; 100_000], vec![0xFF; 4096]] {
        let path = data_file(&place);
        fs::write(&path, bytes).unwrap();
        touched(&path);
        assert!(is_noticed_or_harmless(&place, &expected).await);
    }
}

#[tokio::test]
async fn a_garbled_file_ends_no_process_and_gives_no_wrong_row() {
    let place = Place::new(1);
    place.log.fill(300);
    caught_up(&place.views()).await;
    let expected = place.fresh().await;
    let good = fs::read(data_file(&place)).unwrap();
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut noticed = 0;
    for round in 0..300 {
        let path = data_file(&place);
        fs::write(&path, &good).unwrap();
        let length = [1, 2, 8, 64, 4096][round % 5];
        let mut bytes = vec![0; length];
        random.fill_bytes(&mut bytes);
        // Often within the first bytes of a page, where most depends on each.
        let mut at = random.next_u64() % (good.len() - length) as u64;
        if round % 3 == 0 {
            at = at / 4096 * 4096 + random.next_u64() % 64;
        }
        write(&path, at, &bytes);
        noticed += u32::from(is_noticed_or_harmless(&place, &expected).await);
    }
    assert!(noticed > 100, "{noticed}");
}

#[tokio::test]
async fn what_was_not_sealed_is_looked_through_and_kept() {
    let place = Place::new(1);
    for _ in 0..10 {
        place.log.fill(120);
        assert_eq!(caught_up(&place.views()).await.rebuilt, None);
        // As after a crash right behind a commit.
        let note = data_file(&place).with_extension("seal");
        fs::remove_file(note).unwrap();
        assert_eq!(rows(&place.views()), place.fresh().await);
    }
    let views = place.views();
    assert_eq!(caught_up(&views).await.rebuilt, None);
}

#[tokio::test]
async fn who_may_not_write_can_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new(1);
    place.log.fill(50);
    caught_up(&place.views()).await;
    let expected = rows(&place.views());
    let dir = place.dir.path();
    let all = |mode| {
        for path in [dir.join("chain"), dir.to_path_buf()] {
            for file in fs::read_dir(&path).unwrap() {
                let file = file.unwrap().path();
                let mode = if file.is_dir() { mode | 0o111 } else { mode };
                fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            }
        }
    };
    all(0o444);
    assert_eq!(rows(&place.views()), expected);
    assert_eq!(caught_up(&place.views()).await.checkpoint.entries(), 50);
    let may_write = File::options()
        .write(true)
        .open(dir.join("chain.lock"))
        .is_ok();
    place.log.fill(1);
    let tried = place.views().catch_up(&["chain"], &|_| ()).await;
    // Some users may do everything.
    match tried {
        Err(error) => assert_eq!(error.code(), "denied"),
        Ok(_) => assert!(may_write),
    }
    all(0o644);
}

#[tokio::test]
async fn rows_that_turn_out_to_be_damaged_are_made_anew() {
    let place = Place::new(1);
    place.log.fill(40);
    // A row of another's making, with a good checksum: nothing notices before the view reads it.
    caught_up(&place.views()).await;
    let poison = place.open(ViewsOptions {
        views: vec![Registered::view(|| Distrustful(Chain::new("chain", 1)))],
        ..Place::options()
    });
    place.log.add("s1", "distrust");
    let done = caught_up(&poison).await;
    assert!(
        matches!(done.rebuilt, Some(Why::Damaged { .. })),
        "{done:?}"
    );
    assert_eq!(done.checkpoint.entries(), 41);
    assert_eq!(rows(&poison), place.fresh().await);
}

/// Takes any row of a session for damaged that it finds and did not write itself.
struct Distrustful(Chain);

impl View for Distrustful {
    fn name(&self) -> &str {
        self.0.name
    }

    fn version(&self) -> u32 {
        1
    }

    fn apply(&mut self, entry: &Recorded, rows: &mut Rows<'_>) -> Result<(), Fault> {
        let first = entry.event().unwrap().data.as_str().contains("distrust");
        if first && entry.position.entry_id.ms == 41 && self.0.taken == 0 {
            return Err(Fault::Rows(RowsError::Damaged {
                path: "chain".into(),
                what: "it cannot be read".into(),
            }));
        }
        self.0.apply(entry, rows)
    }

    fn flush(&mut self, rows: &mut Rows<'_>) -> Result<(), Fault> {
        self.0.flush(rows)
    }

    fn trimmed(&mut self, first: Position, rows: &mut Rows<'_>) -> Result<(), Fault> {
        self.0.trimmed(first, rows)
    }
}
