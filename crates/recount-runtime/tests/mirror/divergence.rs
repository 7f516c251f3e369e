//! Servers that lost what was mirrored.

use recount_core::{Entry, EntryId, EventLog};
use recount_disk::{DiskLog, DiskOptions, rename_stream, streams};
use recount_runtime::{IncidentKind, Mirror};

use super::fake::Fake;
use super::support::{assert_same, caught_up, entries, held, held_by, id, options, others};

/// The one divergence that was recorded: its cause, the last common entry, the server's last.
fn divergence(mirror: &Mirror) -> (String, EntryId, EntryId) {
    let incidents = mirror.incidents();
    let [incident] = &incidents[..] else {
        panic!("one incident: {incidents:?}");
    };
    match &incident.kind {
        IncidentKind::Divergence {
            cause,
            common,
            ours,
            theirs,
            set_aside,
        } => {
            assert_eq!(*ours, id(199));
            assert_eq!(set_aside.as_deref(), Some("events:{0}:diverged-1"));
            (cause.clone(), *common, *theirs)
        }
        gap @ IncidentKind::Gap { .. } => panic!("a divergence: {gap:?}"),
    }
}

/// What was set aside.
async fn set_aside(mirror: &Mirror) -> Vec<Entry> {
    let name = "events:{0}:diverged-1";
    let log = DiskLog::open(mirror.dir().join("data"), name, DiskOptions::default()).await;
    let log = log.expect("what was set aside opens");
    held(&log).await
}

/// Mirrors 200 entries, lets the server become another one, and returns what is mirrored of that;
/// once with the mirror at work, once with it closed meanwhile.
async fn after(changed: impl Fn() -> Vec<Entry>, check: impl AsyncFn(&Mirror, &Fake)) {
    for running in [true, false] {
        println!("the mirror is running: {running}");
        let dir = tempfile::tempdir().unwrap();
        let server = Fake::new(1);
        server.add(0, entries(0..200)).await;
        let mut mirror = caught_up(&server, dir.path()).await;
        let all = held_by(&mirror, 0).await;
        if !running {
            mirror.close().await;
        }
        server.replace(0, changed()).await;
        if !running {
            mirror = super::support::open(&server, dir.path()).await;
        }
        let mut status = mirror.progress();
        status
            .wait_for(|_| !mirror.incidents().is_empty() && mirror.log(0).is_some())
            .await
            .unwrap();
        server.add(0, entries(1_000..1_001)).await;
        mirror.caught_up(&server.tail().await).await.unwrap();
        check(&mirror, &server).await;
        assert_eq!(set_aside(&mirror).await, all);
        mirror.close().await;
        let names = streams(&mirror.dir().join("data")).unwrap();
        assert_eq!(names, ["events:{0}", "events:{0}:diverged-1"]);
        // What is left registered is what the new one has.
        assert_eq!(server.registered().pop().unwrap(), server.tail().await);
        // It is kept, and all is well from then on.
        let mirror = caught_up(&server, dir.path()).await;
        assert_eq!(mirror.incidents().len(), 1);
        check(&mirror, &server).await;
        mirror.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_id_below_ours() {
    after(
        || entries(0..150),
        async |mirror: &Mirror, server: &Fake| {
            let (cause, common, theirs) = divergence(mirror);
            assert!(cause.contains("below the mirror's"), "{cause}");
            assert_eq!((common, theirs), (id(149), id(149)));
            assert_same(mirror, server, 0).await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_content_under_a_known_id() {
    after(
        || [entries(0..190), others(190..250)].concat(),
        async |mirror: &Mirror, server: &Fake| {
            let (cause, common, theirs) = divergence(mirror);
            assert!(cause.contains("other content"), "{cause}");
            assert_eq!((common, theirs), (id(189), id(249)));
            assert_same(mirror, server, 0).await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_issued_again_below_our_tail() {
    let again = || {
        let mut all = entries(0..195);
        // Between two that the mirror has.
        all.push(Entry::new(
            EntryId::new(id(197).ms, 5),
            others(0..1).remove(0).fields,
        ));
        all.extend(others(300..310));
        all
    };
    after(again, async |mirror: &Mirror, server: &Fake| {
        let (_, common, theirs) = divergence(mirror);
        assert_eq!((common, theirs), (id(194), id(309)));
        assert_same(mirror, server, 0).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_end_that_was_gone_on_from() {
    after(
        || [entries(0..180), others(500..510)].concat(),
        async |mirror: &Mirror, server: &Fake| {
            let (cause, common, _) = divergence(mirror);
            assert!(cause.contains("no longer there"), "{cause}");
            assert_eq!(common, id(179));
            assert_same(mirror, server, 0).await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_common_entry_is_found_far_back() {
    after(
        || [entries(0..7), others(7..200)].concat(),
        async |mirror: &Mirror, server: &Fake| {
            assert_eq!(divergence(mirror).1, id(6));
            assert_same(mirror, server, 0).await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lost_everything() {
    after(Vec::new, async |mirror: &Mirror, server: &Fake| {
        assert_eq!(divergence(mirror).1, EntryId::MIN);
        assert_same(mirror, server, 0).await;
    })
    .await;
    after(
        || others(300..400),
        async |mirror: &Mirror, server: &Fake| {
            assert_eq!(divergence(mirror).1, EntryId::MIN);
            assert_same(mirror, server, 0).await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_trimmed_before_is_common() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    server.add(0, entries(0..200)).await;
    let mirror = caught_up(&server, dir.path()).await;
    // The failover's server had trimmed as well, and lost the end.
    let mut left = entries(150..180);
    left.extend(others(300..305));
    server.replace(0, left).await;
    server.add(0, others(305..310)).await;
    // One more than it holds: it did trim.
    server.remove(0, id(151)).await;
    server.cut();
    mirror.caught_up(&server.tail().await).await.unwrap();
    mirror
        .progress()
        .wait_for(|progress| progress[0].last == id(309) && progress[0].mirrored == 190)
        .await
        .unwrap();
    assert_eq!(divergence(&mirror).1, id(179));
    let held = held_by(&mirror, 0).await;
    let ids: Vec<_> = held.iter().map(|entry| entry.id).collect();
    let expected: Vec<_> = (0..180).chain(300..310).map(id).collect();
    assert_eq!(ids, expected);
    mirror.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_goes_over_to_the_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    server.add(0, entries(0..200)).await;
    let mirror = caught_up(&server, dir.path()).await;
    let follower = Mirror::open(server.clone() as _, options(dir.path()));
    let follower = follower.await.unwrap();
    assert!(!follower.is_maintainer());
    assert_same(&follower, &server, 0).await;
    server
        .replace(0, [entries(0..100), others(100..300)].concat())
        .await;
    follower
        .progress()
        .wait_for(|progress| progress[0].last == id(299))
        .await
        .unwrap();
    assert_eq!(divergence(&follower).1, id(99));
    assert_same(&follower, &server, 0).await;
    follower.close().await;
    mirror.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_the_middle_of_it_is_gone_on_from() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    server.add(0, entries(0..200)).await;
    let mirror = caught_up(&server, dir.path()).await;
    let data = mirror.dir().join("data");
    let all = held_by(&mirror, 0).await;
    mirror.close().await;
    // Between the two renames.
    rename_stream(&data, "events:{0}", "events:{0}:rebuilding").unwrap();
    let before = server.fed();
    let mirror = caught_up(&server, dir.path()).await;
    assert_eq!(held_by(&mirror, 0).await, all);
    assert_eq!(server.fed(), before, "nothing is mirrored again");
    mirror.close().await;
    // While the copy was made.
    let left = DiskLog::open(&data, "events:{0}:rebuilding", DiskOptions::default());
    let left = left.await.unwrap();
    left.append_with_ids(others(0..5)).await.unwrap();
    left.close().await.unwrap();
    server.replace(0, entries(0..150)).await;
    let mirror = super::support::open(&server, dir.path()).await;
    let mut progress = mirror.progress();
    let gone_over = progress.wait_for(|progress| progress[0].mirrored == 150);
    gone_over.await.unwrap();
    assert_same(&mirror, &server, 0).await;
    assert_eq!(set_aside(&mirror).await, all);
    mirror.close().await;
    let names = streams(&data).unwrap();
    assert!(
        names.contains(&"events:{0}:leftover-1".to_owned()),
        "{names:?}"
    );
}
