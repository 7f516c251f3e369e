//! Mirrors of real servers: past a trim, past a failover that lost writes, through restarts.

use std::sync::Arc;
use std::time::Duration;

use recount_core::{
    Batch, Cursor, Event, EventLog, EventType, Filter, Origin as _, Query, ReadRange, TrimLimit,
    TrimRequest,
};
use recount_redis::{RedisLog, RedisOptions, RedisUrl};
use recount_runtime::{IncidentKind, Mirror, MirrorOptions, MirroredLog};
use recount_testbed::{Cluster, Flavor, Reply, Server};
use tempfile::TempDir;

const STREAM: &str = "memory:events";

fn event(number: usize) -> Event {
    Event::builder(EventType::MessageAdded, format!("s{}", number % 7))
        .id(format!("e{number}"))
        .user(format!("u{}", number % 3))
        .build()
        .expect("a legal event")
}

fn batch(numbers: std::ops::Range<usize>) -> Batch {
    Batch::new(numbers.map(event).collect())
}

async fn open_with(url: &str, options: RedisOptions) -> Arc<RedisLog> {
    let url: RedisUrl = url.parse().expect("a server's URL");
    let log = RedisLog::open(&url, STREAM, options).await;
    Arc::new(log.expect("the log opens"))
}

async fn open(url: &str) -> Arc<RedisLog> {
    open_with(url, RedisOptions::default()).await
}

async fn mirror_of(log: &Arc<RedisLog>, dir: &TempDir) -> Mirror {
    let origin = Arc::clone(log) as Arc<dyn recount_core::Origin>;
    let mirror = Mirror::open(origin, MirrorOptions::new(dir.path())).await;
    mirror.expect("the mirror opens")
}

async fn catch_up(mirror: &Mirror, log: &RedisLog) {
    let tail = log.tail().await.expect("the tail");
    mirror
        .caught_up(&tail)
        .await
        .expect("the mirror catches up");
}

/// The ids of the events of a partition of the mirror, in order.
async fn mirrored(mirror: &Mirror, partition: u32) -> Vec<String> {
    let log = mirror.log(partition).expect("the partition is mirrored");
    let page = log
        .read(&ReadRange::all())
        .await
        .expect("the mirror is read");
    let events = page.entries.iter().filter_map(|recorded| recorded.event());
    events.map(|event| event.id.as_str().to_owned()).collect()
}

fn names(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers
        .into_iter()
        .map(|number| format!("e{number}"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_holds_the_same_entries_under_the_same_ids() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url()).await;
    log.append(batch(0..500)).await.expect("appended");
    server.command(&[
        "XADD",
        STREAM,
        "*",
        "type",
        "x.y",
        "session_id",
        "s1",
        "n",
        "7",
    ]);
    server.command(&["XADD", STREAM, "*", "noise", "1"]);
    let dir = TempDir::new().expect("a directory");
    let mirror = mirror_of(&log, &dir).await;
    log.append(batch(500..600)).await.expect("appended");
    catch_up(&mirror, &log).await;
    let ours = mirror.log(0).expect("mirrored");
    let here = ours.read(&ReadRange::all()).await.expect("read").entries;
    let there = log.read(&ReadRange::all()).await.expect("read").entries;
    assert_eq!(here.len(), 602);
    for (here, there) in here.iter().zip(&there) {
        assert_eq!((here.position, &here.body), (there.position, &there.body));
        if there.revision > 0 && there.event().is_some_and(|event| event.session_id != "s1") {
            assert_eq!(here.revision, there.revision);
        }
    }
    assert_eq!(mirror.incidents(), Vec::new());
    mirror.close().await;
    let registered = log.registrations().await.expect("registrations");
    assert_eq!(registered.len(), 1);
    let end = there.last().expect("entries").position.entry_id;
    assert_eq!(log.behind(0, end).await.expect("asked"), None);
    log.append(batch(600..602)).await.expect("appended");
    let behind = log.behind(0, end).await.expect("asked").expect("entries");
    assert_eq!((behind.entries, behind.all), (2, true));
    assert!(behind.age_ms < 60_000, "{behind:?}");
    assert_eq!(
        registered[0].synced.get(0),
        end,
        "everything is on stable storage"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_was_down_past_a_trim_has_a_gap_and_says_so() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url()).await;
    log.append(batch(0..10)).await.expect("appended");
    let dir = TempDir::new().expect("a directory");
    let mirror = mirror_of(&log, &dir).await;
    catch_up(&mirror, &log).await;
    let name = mirror.name().to_owned();
    mirror.close().await;

    log.append(batch(10..30)).await.expect("appended");
    let trim = TrimRequest::exact(TrimLimit::MaxLength(5));
    let report = log.trim(&trim).await.expect("trimmed");
    assert_eq!(
        report.removed, 10,
        "what the mirror has not is kept for its lease"
    );
    assert_eq!(report.held_back[0].by, format!("mirror {name}"));
    assert!(log.forget(&name).await.expect("forgotten"));
    assert_eq!(log.trim(&trim).await.expect("trimmed").removed, 15);

    let mirror = mirror_of(&log, &dir).await;
    catch_up(&mirror, &log).await;
    assert_eq!(mirrored(&mirror, 0).await, names((0..10).chain(25..30)));
    let incidents = mirror.incidents();
    assert_eq!(incidents.len(), 1);
    let IncidentKind::Gap {
        missing, certain, ..
    } = &incidents[0].kind
    else {
        panic!("{incidents:?}");
    };
    assert_eq!((*missing, *certain), (Some(15), true));
    mirror.close().await;
    let front = MirroredLog::new(Arc::clone(&log), MirrorOptions::new(dir.path()));
    let info = front.info().await.expect("info");
    assert!(
        !info.warnings.iter().all(|warning| !warning.contains("15")),
        "{:?}",
        info.warnings
    );
    front.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_that_loses_writes_is_a_divergence() {
    let master = Server::start(Flavor::Redis70, &[]);
    let port = master.port().to_string();
    let replica = Server::start(
        Flavor::Redis70,
        &["--replicaof", &format!("127.0.0.1 {port}")],
    );
    let log = open(&master.url()).await;
    log.append(batch(0..10)).await.expect("appended");
    recount_testbed::until("the replica to have it", || {
        let length = replica.command(&["XLEN", STREAM]);
        (length == Reply::Integer(10)).then_some(())
    });
    // From here on the replica hears nothing more, and the master goes on.
    replica.command(&["REPLICAOF", "NO", "ONE"]);
    log.append(batch(10..20)).await.expect("appended");
    let dir = TempDir::new().expect("a directory");
    let mirror = mirror_of(&log, &dir).await;
    catch_up(&mirror, &log).await;
    assert_eq!(mirrored(&mirror, 0).await, names(0..20));
    mirror.close().await;
    let address = recount_core::Origin::address(&*log);

    // The replica is the master now: the last ten are lost, and others came.
    let after = open(&replica.url()).await;
    after.append(batch(100..105)).await.expect("appended");
    let origin = Arc::new(At {
        log: Arc::clone(&after),
        address,
    });
    let mirror = Mirror::open(origin, MirrorOptions::new(dir.path())).await;
    let mirror = mirror.expect("the mirror opens");
    catch_up(&mirror, &after).await;
    assert_eq!(mirrored(&mirror, 0).await, names((0..10).chain(100..105)));
    let incidents = mirror.incidents();
    assert!(
        matches!(&incidents[..], [one] if matches!(one.kind, IncidentKind::Divergence { .. })),
        "{incidents:?}"
    );
    mirror.close().await;
}

/// A log under the address of another one: what a failover behind one address looks like.
struct At {
    log: Arc<RedisLog>,
    address: String,
}

#[async_trait::async_trait]
impl recount_core::Origin for At {
    fn address(&self) -> String {
        self.address.clone()
    }
    fn stream(&self) -> String {
        self.log.stream()
    }
    fn partition_names(&self) -> Vec<String> {
        self.log.partition_names()
    }
    async fn standing(
        &self,
        partition: u32,
    ) -> Result<recount_core::Standing, recount_core::ReadError> {
        self.log.standing(partition).await
    }
    async fn entries(
        &self,
        partition: u32,
        ids: recount_core::IdRange,
        limit: usize,
    ) -> Result<Vec<recount_core::Entry>, recount_core::ReadError> {
        self.log.entries(partition, ids, limit).await
    }
    async fn feed(
        &self,
        partition: u32,
        after: recount_core::EntryId,
    ) -> Result<Box<dyn recount_core::Feed>, recount_core::ReadError> {
        self.log.feed(partition, after).await
    }
    async fn register(
        &self,
        name: &str,
        synced: &Cursor,
        lease: Duration,
    ) -> Result<(), recount_core::ReadError> {
        self.log.register(name, synced, lease).await
    }
    async fn registrations(
        &self,
    ) -> Result<Vec<recount_core::Registration>, recount_core::ReadError> {
        self.log.registrations().await
    }
    async fn forget(&self, name: &str) -> Result<bool, recount_core::ReadError> {
        self.log.forget(name).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_goes_on_when_its_server_comes_back() {
    let mut server = Server::start(
        Flavor::Redis70,
        &["--appendonly", "yes", "--appendfsync", "always"],
    );
    let patient = RedisOptions {
        deadline: Duration::from_mins(1),
        ..RedisOptions::default()
    };
    let log = open_with(&server.url(), patient).await;
    log.append(batch(0..10)).await.expect("appended");
    let dir = TempDir::new().expect("a directory");
    let mirror = mirror_of(&log, &dir).await;
    catch_up(&mirror, &log).await;
    server.kill();
    server.restart();
    log.append(batch(10..20)).await.expect("appended");
    catch_up(&mirror, &log).await;
    assert_eq!(mirrored(&mirror, 0).await, names(0..20));
    assert_eq!(mirror.incidents(), Vec::new());
    mirror.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_as_long_as_the_mirror() {
    let cluster = Cluster::start(Flavor::Redis70, &[]);
    let options = RedisOptions {
        partitions: Some(6),
        ..RedisOptions::default()
    };
    let log = open_with(&cluster.url(), options).await;
    let dir = TempDir::new().expect("a directory");
    let front = MirroredLog::new(Arc::clone(&log), MirrorOptions::new(dir.path()));
    front.append(batch(0..300)).await.expect("appended");
    let of_user = async |user: &str| {
        let mut found = 0;
        for partition in 0..front.partitions() {
            let query = Query {
                range: ReadRange {
                    partition,
                    ..ReadRange::all()
                },
                filter: Filter {
                    user_id: Some(user.into()),
                    ..Filter::default()
                },
            };
            let page = front.query(&query).await.expect("found");
            assert!(
                page.entries
                    .iter()
                    .all(|found| found.position.partition == partition)
            );
            found += page.entries.len();
        }
        found
    };
    assert_eq!(of_user("u1").await, 100);
    front.append(batch(300..330)).await.expect("appended");
    assert_eq!(of_user("u1").await, 110, "what was published is read");
    let mirror = front.mirror().await.expect("the mirror");
    catch_up(&mirror, &log).await;
    // Its registration moves after its next sync.
    let trim = TrimRequest::exact(TrimLimit::MaxLength(0));
    let name = mirror.name().to_owned();
    front.forget_mirror(&name).await.expect("forgotten");
    front.trim(&trim).await.expect("trimmed");
    assert_eq!(
        of_user("u1").await,
        110,
        "the mirror has what the server has not"
    );
    let session = front
        .session(&recount_core::SessionRead::last("s3", 500))
        .await
        .expect("read");
    assert!(session.is_complete());
    assert_eq!(session.entries.len(), 47);
    front.close().await.expect("closed");
}
