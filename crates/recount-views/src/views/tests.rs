use std::sync::Arc;
use std::time::Duration;

use recount_core::Cursor;
use tempfile::TempDir;

use super::*;
use crate::kit::{Chain, Dump, FakeLog, dump};

mod crash;
mod damage;
mod faults;
mod live;
mod tampered;

/// A log, and a directory for its views.
pub(super) struct Place {
    pub(super) log: Arc<FakeLog>,
    pub(super) dir: TempDir,
}

impl Place {
    pub(super) fn new(partitions: usize) -> Self {
        Self {
            log: FakeLog::new(partitions, 10),
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(super) fn views(&self) -> Views {
        self.views_of(1)
    }

    pub(super) fn views_of(&self, version: u32) -> Views {
        self.open(ViewsOptions {
            views: vec![
                Registered::view(move || Chain::new("chain", version)),
                Registered::view(move || Chain::new("other", 1)),
            ],
            ..Self::options()
        })
    }

    pub(super) fn options() -> ViewsOptions {
        ViewsOptions {
            commit_entries: 25,
            ..ViewsOptions::default()
        }
    }

    pub(super) fn open(&self, options: ViewsOptions) -> Views {
        Views::open(self.dir.path(), Arc::clone(&self.log) as _, options).unwrap()
    }

    /// What a view makes of the log as it is, from nothing.
    pub(super) async fn fresh(&self) -> Dump {
        let other = Self {
            log: Arc::clone(&self.log),
            dir: tempfile::tempdir().unwrap(),
        };
        caught_up(&other.views()).await;
        rows(&other.views())
    }
}

pub(super) async fn caught_up(views: &Views) -> CaughtUp {
    let mut all = views.catch_up(&["chain"], &|_| ()).await.unwrap();
    all.remove(0)
}

pub(super) fn rows(views: &Views) -> Dump {
    dump(&views.snapshot("chain").unwrap().unwrap())
}

#[tokio::test]
async fn a_view_takes_in_the_log_and_what_is_added_to_it() {
    let place = Place::new(3);
    let views = place.views();
    assert!(views.snapshot("chain").unwrap().is_none());
    for added in [100, 1, 0, 60] {
        place.log.fill(added);
        let done = caught_up(&views).await;
        assert_eq!((done.rebuilt, done.finding), (None, None));
        let snapshot = views.snapshot("chain").unwrap().unwrap();
        let kept = snapshot.kept().unwrap().unwrap();
        assert_eq!(kept.checkpoint, done.checkpoint);
        let entries: usize = (0..3).map(|at| place.log.entries(at).len()).sum();
        assert_eq!(kept.checkpoint.entries(), entries as u64);
    }
    // Other partitions may come in another order; what is of one session may not.
    let sessions = |rows: Dump| -> Dump {
        let of_sessions = rows.into_iter().filter(|(key, _)| key[0] == b's');
        of_sessions.collect()
    };
    assert_eq!(sessions(rows(&views)), sessions(place.fresh().await));
}

#[tokio::test]
async fn progress_is_told_and_ends_at_the_whole() {
    let place = Place::new(1);
    place.log.fill(95);
    let told = Mutex::new(Vec::new());
    let views = place.views();
    views
        .catch_up(&["chain"], &|progress| told.lock().push(progress))
        .await
        .unwrap();
    let told = told.into_inner();
    assert!(told.windows(2).all(|two| two[0].done <= two[1].done));
    let last = told.last().unwrap();
    assert_eq!((last.done, last.total, &*last.view), (95, 95, "chain"));
}

#[tokio::test]
async fn views_that_are_equally_far_share_what_is_read() {
    let place = Place::new(1);
    place.log.fill(100);
    let reads = |names: &'static [&'static str]| {
        let place = Place {
            log: Arc::clone(&place.log),
            dir: tempfile::tempdir().unwrap(),
        };
        async move {
            let before = place.log.reads.load(std::sync::atomic::Ordering::Relaxed);
            place.views().catch_up(names, &|_| ()).await.unwrap();
            place.log.reads.load(std::sync::atomic::Ordering::Relaxed) - before
        }
    };
    let (one, two) = (reads(&["chain"]).await, reads(&["chain", "other"]).await);
    assert!(two < 2 * one, "{two} reads for two, {one} for one");
}

#[tokio::test]
async fn another_version_or_other_upcasters_make_it_anew() {
    let place = Place::new(1);
    place.log.fill(30);
    caught_up(&place.views()).await;
    let newer = place.views_of(2);
    assert!(newer.snapshot("chain").unwrap().is_none());
    let done = caught_up(&newer).await;
    assert_eq!(done.rebuilt, Some(Why::Version { from: 1, to: 2 }));
    assert_eq!(done.checkpoint.entries(), 30);
    assert_eq!(caught_up(&newer).await.rebuilt, None);
    let upcast = place.open(ViewsOptions {
        fingerprint: "message.added 1-2".into(),
        views: vec![Registered::view(|| Chain::new("chain", 2))],
        ..Place::options()
    });
    let done = caught_up(&upcast).await;
    assert_eq!(done.rebuilt, Some(Why::Upcasters));
    let status = upcast.status().await.unwrap();
    let chain = status.iter().find(|view| view.name == "chain").unwrap();
    assert_eq!(chain.rebuilt, Some(Why::Upcasters));
}

#[tokio::test]
async fn a_view_is_rebuilt_when_asked() {
    let place = Place::new(1);
    place.log.fill(30);
    let views = place.views();
    caught_up(&views).await;
    // Somebody still reads what there was.
    let before = views.snapshot("chain").unwrap().unwrap();
    place.log.fill(5);
    let done = views.rebuild(&["chain"], &|_| ()).await.unwrap();
    assert_eq!(done[0].rebuilt, Some(Why::Asked));
    assert_eq!(done[0].checkpoint.entries(), 35);
    assert_eq!(rows(&views), place.fresh().await);
    assert_ne!(dump(&before), rows(&views));
}

#[tokio::test]
async fn a_directory_that_was_removed_is_made_again() {
    let place = Place::new(1);
    place.log.fill(30);
    let views = place.views();
    caught_up(&views).await;
    let held = views.snapshot("chain").unwrap();
    for _ in 0..3 {
        std::fs::remove_dir_all(place.dir.path().join("chain")).unwrap();
        caught_up(&views).await;
        assert_eq!(rows(&views), place.fresh().await);
    }
    drop(held);
}

#[tokio::test]
async fn names_are_checked() {
    let place = Place::new(1);
    let refused = |name: &'static str| {
        let views = vec![Registered::view(move || Chain::new(name, 1))];
        let options = ViewsOptions {
            views,
            ..ViewsOptions::default()
        };
        Views::open(place.dir.path(), Arc::clone(&place.log) as _, options).is_err()
    };
    for name in ["", "a/b", "..", "a.lock", "ä"] {
        assert!(refused(name), "{name}");
    }
    assert!(!refused("my-view_2"));
    let error = place
        .views()
        .catch_up(&["mine"], &|_| ())
        .await
        .unwrap_err();
    assert_eq!(error.code(), "unknown_view");
    assert!(error.to_string().contains("chain"), "{error}");
}

#[tokio::test]
async fn a_view_on_disk_of_a_log_on_disk() {
    use recount_core::{Batch, Event, EventType};
    let dir = tempfile::tempdir().unwrap();
    let options = recount_disk::DiskOptions::default();
    let log = recount_disk::DiskLog::open(dir.path().join("data"), "s", options).await;
    let log: Arc<dyn EventLog> = Arc::new(log.unwrap());
    let event = |at: usize| {
        let data = recount_core::JsonObject::parse(format!(r#"{{"content":"t {at}"}}"#)).unwrap();
        let event = Event::builder(EventType::MessageAdded, format!("s{}", at % 5)).data(data);
        event.build().unwrap()
    };
    let options = ViewsOptions {
        views: vec![Registered::view(|| Chain::new("chain", 1))],
        ..ViewsOptions::default()
    };
    let views = Views::open(dir.path().join("views"), Arc::clone(&log), options).unwrap();
    for _ in 0..2 {
        let events = (0..5_000).map(event).collect();
        log.append(Batch::new(events)).await.unwrap();
        caught_up(&views).await;
    }
    let tail: Cursor = log.tail().await.unwrap();
    views
        .wait_for("chain", &tail, Some(Duration::ZERO))
        .await
        .unwrap();
    let status = views.status().await.unwrap();
    let chain = status.iter().find(|view| view.name == "chain").unwrap();
    assert_eq!((chain.checkpoint.entries(), chain.behind), (10_000, 0));
    assert!(chain.bytes > 0 && chain.kept && chain.maintained_by.is_none());
}
