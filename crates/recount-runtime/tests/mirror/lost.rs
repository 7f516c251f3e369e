//! What a reader gets of a mirror whose server lost what was mirrored.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use recount_core::{Body, Entry, EntryId, EventLog, Filter, Query, ReadRange, codec};
use recount_disk::{DiskLog, DiskOptions, streams};
use recount_runtime::{IncidentKind, Mirror, MirrorOptions, MirroredLog};

use super::fake::Fake;
use super::support::{assert_same, caught_up, event, id, mirrored, open, options};

const NAME: &str = "events:{0}";

/// Events without anything else between them.
fn events(numbers: std::ops::Range<usize>) -> Vec<Entry> {
    numbers
        .map(|n| Entry::new(id(n), codec::encode(&event(n))))
        .collect()
}

fn front(server: &Arc<Fake>, dir: &Path) -> MirroredLog {
    MirroredLog::of(server.log(0), Arc::clone(server) as _, options(dir))
}

/// The events of a user, as the mirror finds them.
async fn of_u0(log: &MirroredLog) -> Vec<String> {
    let query = Query {
        range: ReadRange::all(),
        filter: Filter {
            user_id: Some("u0".into()),
            ..Filter::default()
        },
    };
    let page = log.query(&query).await.expect("it is found");
    let name = |entry: &recount_core::Recorded| match &entry.body {
        Body::Event(event) => event.id.to_string(),
        Body::Undecodable(_) => "-".to_owned(),
    };
    page.entries.iter().map(name).collect()
}

fn even(numbers: std::ops::Range<usize>) -> Vec<String> {
    let even = numbers.filter(|n| n % 2 == 0);
    even.map(|n| format!("e{n}")).collect()
}

/// The common entry of the one divergence that is recorded.
fn common(mirror: &Mirror) -> EntryId {
    let incidents = mirror.incidents();
    match &incidents[..] {
        [one] => match one.kind {
            IncidentKind::Divergence { common, .. } => common,
            IncidentKind::Gap { .. } => panic!("a divergence: {one:?}"),
        },
        other => panic!("one incident: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_query_reads_what_is_being_rebuilt() {
    // Who is first differs from run to run.
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let server = Fake::new(1);
        server.add(0, events(0..200)).await;
        mirrored(&server, dir.path()).await;
        server.replace(0, events(0..150)).await;
        // As two commands at a time.
        let fronts = [front(&server, dir.path()), front(&server, dir.path())];
        let (first, second) = tokio::join!(of_u0(&fronts[0]), of_u0(&fronts[1]));
        assert_eq!(first, even(0..150));
        assert_eq!(second, even(0..150));
        for log in &fronts {
            assert_eq!(common(&log.mirror().await.unwrap()), id(149));
            log.close().await.unwrap();
        }
        let data = fronts[0].mirror_dir().join("data");
        assert_eq!(streams(&data).unwrap(), [NAME, "events:{0}:diverged-1"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_stream_is_noticed_though_nothing_comes() {
    for followed in [false, true] {
        println!("another process maintains it: {followed}");
        let dir = tempfile::tempdir().unwrap();
        let server = Fake::new(1);
        server.add(0, events(0..200)).await;
        let maintainer = caught_up(&server, dir.path()).await;
        if !followed {
            maintainer.close().await;
        }
        let log = front(&server, dir.path());
        assert_eq!(of_u0(&log).await, even(0..200));
        server.delete(0, Vec::new()).await;
        assert_eq!(of_u0(&log).await, even(0..0));
        let mirror = log.mirror().await.unwrap();
        assert_eq!(common(&mirror), EntryId::MIN);
        server.add(0, events(300..310)).await;
        assert_eq!(of_u0(&log).await, even(300..310));
        assert_eq!(common(&mirror), EntryId::MIN);
        log.close().await.unwrap();
        maintainer.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_deleted_and_gone_on_with_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    server.add(0, events(0..200)).await;
    let mirror = caught_up(&server, dir.path()).await;
    // To whoever waits for entries, these follow what was there.
    server.delete(0, events(300..310)).await;
    mirror.caught_up(&server.tail().await).await.unwrap();
    assert_same(&mirror, &server, 0).await;
    assert_eq!(common(&mirror), EntryId::MIN);
    mirror.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_counted_meanwhile_does_not_hide_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    server.add(0, events(0..200)).await;
    let often = MirrorOptions {
        lease: Duration::from_millis(3),
        // Until a reader asks, only the counts are renewed.
        look_every: Duration::from_hours(1),
        ..options(dir.path())
    };
    let mirror = Mirror::open(Arc::clone(&server) as _, often).await.unwrap();
    mirror.caught_up(&server.tail().await).await.unwrap();
    server.delete(0, events(300..310)).await;
    let mut progress = mirror.progress();
    let mirrored = progress.wait_for(|progress| progress[0].last == id(309));
    mirrored.await.unwrap();
    let (renewed, mut renewals) = tokio::sync::watch::channel(0);
    *server.on_register.lock() = Some(Box::new(move |_| renewed.send_modify(|times| *times += 1)));
    renewals.wait_for(|&times| times > 3).await.unwrap();
    mirror.caught_up(&server.tail().await).await.unwrap();
    assert_same(&mirror, &server, 0).await;
    assert_eq!(common(&mirror), EntryId::MIN);
    mirror.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_changes_while_it_is_connected_to_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    server.add(0, events(0..200)).await;
    mirrored(&server, dir.path()).await;
    server.add(0, events(200..210)).await;
    let lost = [events(0..190), events(300..310)].concat();
    server.replace_at_feed(lost);
    let mirror = open(&server, dir.path()).await;
    mirror.caught_up(&server.tail().await).await.unwrap();
    assert_same(&mirror, &server, 0).await;
    assert_eq!(common(&mirror), id(189));
    mirror.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_was_interrupted_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    server.add(0, events(0..200)).await;
    let mirror = caught_up(&server, dir.path()).await;
    mirror.close().await;
    let data = mirror.dir().join("data");
    let recorded = mirror.dir().join("incidents.ndjson");
    // It was recorded, and a part of it copied.
    let line = format!(
        "{{\"at\":\"2026-01-02T00:00:00Z\",\"partition\":0,\"incident\":\"divergence\",\"cause\":\"it was so\",\
         \"common\":\"{}\",\"ours\":\"{}\",\"theirs\":\"{}\",\"set_aside\":\"events:{{0}}:diverged-1\"}}\n",
        id(149),
        id(199),
        id(149),
    );
    std::fs::write(&recorded, &line).unwrap();
    let begun = DiskLog::open(&data, "events:{0}:rebuilding", DiskOptions::default());
    let begun = begun.await.unwrap();
    begun.append_with_ids(events(0..50)).await.unwrap();
    begun.close().await.unwrap();
    // Something came meanwhile.
    server
        .replace(0, [events(0..150), events(300..310)].concat())
        .await;
    let mirror = caught_up(&server, dir.path()).await;
    assert_same(&mirror, &server, 0).await;
    mirror.close().await;
    assert_eq!(std::fs::read_to_string(&recorded).unwrap(), line);
    assert_eq!(streams(&data).unwrap(), [NAME, "events:{0}:diverged-1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_took_note_of_is_warned_of_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    server.add(0, events(0..200)).await;
    mirrored(&server, dir.path()).await;
    server.replace(0, events(0..150)).await;
    mirrored(&server, dir.path()).await;
    let log = front(&server, dir.path());
    let warnings = log.info().await.unwrap().warnings;
    assert!(warnings[0].contains("the server lost"), "{warnings:?}");
    assert_eq!(log.settle().unwrap(), 1);
    assert_eq!(log.settle().unwrap(), 0);
    let info = log.info().await.unwrap();
    assert_eq!(info.warnings, Vec::<String>::new());
    let settled = ("mirror_incidents_settled".to_owned(), "1".to_owned());
    assert!(info.details.contains(&settled), "{:?}", info.details);
    assert!(log.incidents().await[0].settled);
    log.close().await.unwrap();
}
