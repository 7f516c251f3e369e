//! The server's log with the mirror beside it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use recount_core::{
    Body, EventLog, Filter, IdRange, Query, ReadError, ReadRange, Recorded, SessionRead, TrimLimit,
    TrimRequest,
};
use recount_runtime::MirroredLog;

use super::fake::Fake;
use super::support::{entries, event, id, mirrored, noise, options, others};

/// The log of a one-partition server.
fn front(server: &Arc<Fake>, dir: &Path) -> MirroredLog {
    MirroredLog::of(server.log(0), Arc::clone(server) as _, options(dir))
}

async fn publish(log: &impl EventLog, numbers: std::ops::Range<usize>) {
    for n in numbers {
        log.append(event(n).into()).await.expect("it is appended");
    }
}

fn of_user(user: &str) -> Query {
    Query {
        range: ReadRange::all(),
        filter: Filter {
            user_id: Some(user.into()),
            ..Filter::default()
        },
    }
}

fn names(entries: &[Recorded]) -> Vec<String> {
    let name = |entry: &Recorded| match &entry.body {
        Body::Event(event) => event.id.to_string(),
        Body::Undecodable(_) => "-".to_owned(),
    };
    entries.iter().map(name).collect()
}

fn event_names(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|n| format!("e{n}")).collect()
}

async fn trim_to(log: &impl EventLog, length: u64) {
    let request = TrimRequest::exact(TrimLimit::MaxLength(length));
    log.trim(&request).await.expect("it is trimmed");
}

/// Every page of a range.
async fn read(log: &impl EventLog, mut range: ReadRange) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let page = log.read(&range).await.expect("it is read");
        assert!(page.next.is_none() || !page.entries.is_empty());
        all.extend(names(&page.entries));
        match page.next {
            Some(next) => range = range.continued(next),
            None => return all,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_finds_what_was_just_published() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    let log = front(&server, dir.path());
    for n in 0..40 {
        publish(&log, n..n + 1).await;
        let found = log.query(&of_user("u0")).await.unwrap();
        let expected = event_names((0..=n).step_by(2));
        assert_eq!(names(&found.entries), expected);
    }
    log.close().await.unwrap();
    assert_eq!(log.query(&of_user("u0")).await, Err(ReadError::Closed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_is_opened_only_where_it_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    let log = front(&server, dir.path());
    publish(&log, 0..30).await;
    let session = log.session(&SessionRead::last("s1", 3)).await.unwrap();
    assert_eq!(names(&session.entries), event_names([22, 25, 28]));
    let found = log.query(&Query::session("s1")).await.unwrap();
    assert_eq!(found.entries.len(), 10);
    assert_eq!(read(&log, ReadRange::all()).await, event_names(0..30));
    trim_to(&log, 10).await;
    assert_eq!(read(&log, ReadRange::all()).await, event_names(20..30));
    assert_eq!(log.info().await.unwrap().details, []);
    assert!(!log.mirror_dir().exists());
    // A session that the server has no longer whole.
    let session = log.session(&SessionRead::last("s1", 3)).await.unwrap();
    assert_eq!((session.revision, session.retained_from), (10, Some(8)));
    assert!(log.mirror_dir().exists());
    log.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_trimmed_comes_from_the_mirror() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    publish(&*server.log(0), 0..100).await;
    mirrored(&server, dir.path()).await;
    let log = front(&server, dir.path());
    trim_to(&log, 20).await;
    publish(&log, 100..110).await;
    let all = event_names(0..110);
    let backward: Vec<_> = all.iter().rev().cloned().collect();
    for limit in [1, 7, 1_000] {
        let range = ReadRange::all().limit(limit);
        assert_eq!(read(&log, range.clone()).await, all, "{limit}");
        assert_eq!(read(&log, range.backward()).await, backward, "{limit}");
    }
    let session = log.session(&SessionRead::last("s0", 1_000)).await.unwrap();
    assert_eq!(names(&session.entries), event_names((0..110).step_by(3)));
    assert!(session.is_complete());
    let found = log.query(&Query::session("s0")).await.unwrap();
    assert_eq!(found.entries, session.entries);
    // Everything trimmed: still the same.
    trim_to(&log, 0).await;
    assert_eq!(read(&log, ReadRange::all()).await, all);
    assert_eq!(read(&log, ReadRange::all().backward()).await, backward);
    // What the server has is asked of the server.
    publish(&log, 110..112).await;
    let newest = server.all(0).await;
    let after = IdRange {
        start: std::ops::Bound::Included(newest[0].id),
        end: std::ops::Bound::Unbounded,
    };
    assert_eq!(
        read(&log, ReadRange::new(after)).await,
        event_names(110..112)
    );
    log.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_with_a_hole_is_not_complete() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    publish(&*server.log(0), 0..30).await;
    mirrored(&server, dir.path()).await;
    publish(&*server.log(0), 30..60).await;
    trim_to(&*server.log(0), 9).await;
    let log = front(&server, dir.path());
    let session = log.session(&SessionRead::last("s0", 1_000)).await.unwrap();
    // Ten before the hole, three after it.
    assert_eq!((session.entries.len(), session.revision), (13, 20));
    assert_eq!(session.retained_from, Some(18));
    let warnings = log.info().await.unwrap().warnings;
    assert!(
        warnings
            .iter()
            .any(|said| said.contains("21 entries are missing")),
        "{warnings:?}"
    );
    // Nothing of it is left but what was mirrored.
    trim_to(&*server.log(0), 0).await;
    log.mirror().await.unwrap().close().await;
    publish(&*server.log(0), 60..70).await;
    trim_to(&*server.log(0), 0).await;
    let log = front(&server, dir.path());
    let session = log.session(&SessionRead::last("s0", 1_000)).await.unwrap();
    assert_eq!((session.entries.len(), session.revision), (13, 24));
    assert!(!session.is_complete());
    log.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_name_the_partition() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(2);
    publish(&*server.log(1), 0..10).await;
    let log = MirroredLog::of(
        Arc::new(Second::new(server.log(1))),
        Arc::clone(&server) as _,
        options(dir.path()),
    );
    let mut query = of_user("u1");
    query.range.partition = 1;
    let found = log.query(&query).await.unwrap().entries;
    assert_eq!(names(&found), event_names([1, 3, 5, 7, 9]));
    assert!(found.iter().all(|entry| entry.position.partition == 1));
    query.range.partition = 7;
    assert_eq!(log.query(&query).await.unwrap().entries, []);
    trim_to(&*server.log(1), 2).await;
    let session = log.session(&SessionRead::last("s1", 10)).await.unwrap();
    assert_eq!(names(&session.entries), event_names([1, 4, 7]));
    assert!(
        session
            .entries
            .iter()
            .all(|entry| entry.position.partition == 1)
    );
    log.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mirrors_are_listed_and_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    server.add(0, entries(0..10)).await;
    let log = front(&server, dir.path());
    let mirror = log.mirror().await.unwrap();
    mirror.caught_up(&server.tail().await).await.unwrap();
    let name = mirror.name().to_owned();
    mirror.close().await;
    let listed = log.list_mirrors().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0].name, listed[0].synced.get(0)), (&name, id(9)));
    assert!(log.forget_mirror(&name).await.unwrap());
    assert!(!log.forget_mirror(&name).await.unwrap());
    log.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn info_tells_of_the_mirror_and_what_befell_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    server.add(0, entries(0..10)).await;
    mirrored(&server, dir.path()).await;
    let log = front(&server, dir.path());
    let detail = |details: &[(String, String)], name: &str| {
        let found = details.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.clone())
    };
    let closed = log.info().await.unwrap();
    let place = log.mirror_dir().display().to_string();
    assert_eq!(detail(&closed.details, "mirror"), Some(place));
    let synced = detail(&closed.details, "mirror_partition_0");
    assert_eq!(synced.as_deref(), Some("synced up to 1009-0"));
    assert_eq!(closed.warnings, Vec::<String>::new());
    server.replace(0, others(0..5)).await;
    let mirror = log.mirror().await.unwrap();
    let mut progress = mirror.progress();
    let gone_over = progress.wait_for(|progress| progress[0].mirrored == 5);
    gone_over.await.unwrap();
    let open = log.info().await.unwrap();
    assert!(
        open.warnings[0].contains("the server lost"),
        "{:?}",
        open.warnings
    );
    let far = detail(&open.details, "mirror_partition_0").unwrap();
    assert!(far.starts_with("5 entries up to 1004-0"), "{far}");
    log.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_wrote_is_found_too() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    let log = front(&server, dir.path());
    server.add(0, vec![noise(id(0))]).await;
    publish(&log, 1..3).await;
    let found = log.query(&of_user("u1")).await.unwrap();
    assert_eq!(names(&found.entries), ["e1"]);
    assert_eq!(read(&log, ReadRange::all()).await, ["-", "e1", "e2"]);
    log.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_the_server_has_in_part_is_not_looked_for_there() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(2);
    publish(&*server.log(1), 0..30).await;
    let served = Arc::new(Second::new(server.log(1)));
    let options = options(dir.path());
    let log = MirroredLog::of(Arc::clone(&served) as _, Arc::clone(&server) as _, options);
    let mut query = Query::session("s1");
    query.range.partition = 1;
    let mirror = log.mirror().await.unwrap();
    mirror.caught_up(&server.tail().await).await.unwrap();
    trim_to(&*server.log(1), 2).await;
    assert_eq!(log.query(&query).await.unwrap().entries.len(), 10);
    assert_eq!(served.queries.load(Ordering::SeqCst), 0);
    log.close().await.unwrap();
}

/// A log whose events are all in partition 1.
struct Second {
    log: Arc<recount_conformance::MemoryLog>,
    queries: AtomicUsize,
}

impl Second {
    fn new(log: Arc<recount_conformance::MemoryLog>) -> Self {
        Self {
            log,
            queries: AtomicUsize::new(0),
        }
    }
}

#[async_trait::async_trait]
impl EventLog for Second {
    async fn append(
        &self,
        batch: recount_core::Batch,
    ) -> Result<recount_core::Receipt, recount_core::AppendError> {
        self.log.append(batch).await
    }
    async fn append_with_ids(
        &self,
        entries: Vec<recount_core::Entry>,
    ) -> Result<recount_core::Receipt, recount_core::AppendError> {
        self.log.append_with_ids(entries).await
    }
    async fn read(&self, range: &ReadRange) -> Result<recount_core::Page, ReadError> {
        self.log.read(range).await
    }
    async fn query(&self, query: &Query) -> Result<recount_core::Page, ReadError> {
        self.queries.fetch_add(1, Ordering::SeqCst);
        self.log.query(query).await
    }
    async fn session(&self, read: &SessionRead) -> Result<recount_core::SessionPage, ReadError> {
        self.log.session(read).await
    }
    fn partitions(&self) -> u32 {
        2
    }
    fn partition_of(&self, _: &str) -> u32 {
        1
    }
    async fn wait(&self, cursor: &recount_core::Cursor) -> Result<(), ReadError> {
        self.log.wait(cursor).await
    }
    async fn tail(&self) -> Result<recount_core::Cursor, ReadError> {
        self.log.tail().await
    }
    async fn trim(
        &self,
        request: &TrimRequest,
    ) -> Result<recount_core::TrimReport, recount_core::TrimError> {
        self.log.trim(request).await
    }
    async fn info(&self) -> Result<recount_core::LogInfo, ReadError> {
        self.log.info().await
    }
    async fn close(&self) -> Result<(), recount_core::AppendError> {
        self.log.close().await
    }
}
