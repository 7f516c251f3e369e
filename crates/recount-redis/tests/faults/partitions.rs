//! A stream in several partitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use recount_core::{AppendError, Batch, EventLog, Origin, SessionRead};
use recount_redis::{RedisOptions, streams};
use recount_testbed::{Cluster, Flavor, Server};

use crate::kit::{event, everything, open, patient, refused, url};

fn of(partitions: u32) -> RedisOptions {
    RedisOptions {
        partitions: Some(partitions),
        ..patient()
    }
}

/// A session that belongs to a partition.
fn session_of(log: &impl EventLog, partition: u32) -> String {
    (0..1_000)
        .map(|number| format!("session-{number}"))
        .find(|session| log.partition_of(session) == partition)
        .expect("every partition has sessions")
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_spread_evenly_and_sessions_are_kept_whole() {
    let cluster = Cluster::start(Flavor::Valkey9, &[]);
    let log = open(&cluster.url(), of(6)).await;
    let mut masters = BTreeMap::new();
    for name in log.partition_names() {
        *masters
            .entry(cluster.master_of(cluster.slot_of(&name)))
            .or_insert(0) += 1;
    }
    assert_eq!(masters.len(), 3);
    assert!(masters.values().all(|count| *count == 2), "two on each");

    let events: Vec<_> = (0..600)
        .map(|number| event(&format!("e{number}"), &format!("session-{}", number % 100)))
        .collect();
    for batch in events.chunks(150) {
        let receipt = log.append(Batch::new(batch.to_vec())).await;
        assert_eq!(receipt.expect("it is appended").appended(), 150);
    }
    let mut held = BTreeMap::new();
    for recorded in everything(&log).await {
        let event = recorded.event().expect("an event");
        assert_eq!(
            recorded.position.partition,
            log.partition_of(&event.session_id)
        );
        *held.entry(recorded.position.partition).or_insert(0) += 1;
    }
    assert_eq!(held.len(), 6, "every partition has some");
    assert_eq!(held.values().sum::<usize>(), 600);
    for number in 0..100 {
        let read = SessionRead::last(format!("session-{number}"), 10);
        let page = log.session(&read).await.expect("it is read");
        assert!(page.is_complete());
        let found: Vec<_> = page
            .entries
            .iter()
            .map(|recorded| recorded.event().expect("an event").id.as_str().to_owned())
            .collect();
        let expected: Vec<_> = (0..6)
            .map(|round| format!("e{}", number + 100 * round))
            .collect();
        assert_eq!(found, expected);
    }
    let listed = streams(&url(&cluster.url()), &patient()).await;
    assert_eq!(listed.expect("they are listed"), [crate::kit::STREAM]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_is_kept_and_changed_only_while_there_is_nothing() {
    let server = Server::start(Flavor::Redis60, &[]);
    let log = open(&server.url(), of(4)).await;
    assert_eq!(log.partitions(), 4);
    let log = open(&server.url(), of(3)).await;
    let names = log.partition_names();
    assert_eq!(names.len(), 3);
    let session = session_of(&*log, 2);
    log.append(event("a", &session).into())
        .await
        .expect("it is appended");

    let error = refused(&server.url(), of(4)).await;
    assert!(error.contains("export"), "{error}");
    let error = refused(&server.url(), of(1)).await;
    assert!(error.contains("export"), "{error}");
    let again = open(&server.url(), patient()).await;
    assert_eq!(again.partition_names(), names);
    assert_eq!(everything(&again).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_with_data_and_no_partitions_gets_none() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), patient()).await;
    log.append(event("a", "s").into())
        .await
        .expect("it is appended");
    let error = refused(&server.url(), of(2)).await;
    assert!(error.contains("export"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_ends_with_an_entry_in_any_partition() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), of(3)).await;
    for partition in 0..3 {
        let cursor = log.tail().await.expect("the log has an end");
        let waiting = tokio::spawn({
            let log = Arc::clone(&log);
            async move { log.wait(&cursor).await }
        });
        crate::kit::wait_until("a wait in every partition", || {
            (server.info("blocked_clients")? == "3").then_some(())
        });
        let session = session_of(&*log, partition);
        let id = format!("e{partition}");
        log.append(event(&id, &session).into())
            .await
            .expect("it is appended");
        waiting.await.expect("it ends").expect("something came");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_in_one_partition_refuses_a_strict_batch_in_all() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), of(3)).await;
    let sessions: Vec<String> = (0..3).map(|number| session_of(&*log, number)).collect();
    log.append(event("taken", &sessions[2]).into())
        .await
        .expect("it is appended");
    let mut other = event("taken", &sessions[2]);
    other.version = 7;
    let events = vec![event("a", &sessions[0]), event("b", &sessions[1]), other];
    let error = log.append(Batch::new(events.clone()).strict()).await;
    let error = error.expect_err("it conflicts");
    assert!(
        matches!(error, AppendError::Conflict { index: 2, .. }),
        "{error:?}"
    );
    assert_eq!(everything(&log).await.len(), 1);
    let receipt = log
        .append(Batch::new(events))
        .await
        .expect("it is appended");
    assert_eq!((receipt.appended(), receipt.conflicts()), (2, 1));
}
