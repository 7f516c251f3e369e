//! What a server refuses.

use recount_core::{AppendError, Batch, EntryId, EventLog, Outcome, ReadRange};
use recount_redis::RedisLog;
use recount_testbed::{Flavor, Reply, Server, until};

use crate::kit::{STREAM, append, event, ids, impatient, open, patient, refused, try_open, url};

#[tokio::test(flavor = "multi_thread")]
async fn redis_5_is_refused_by_name() {
    let server = Server::start(Flavor::Redis50, &[]);
    let error = refused(&server.url(), impatient()).await;
    assert!(error.contains("5.0.6"), "{error}");
    assert!(error.contains("6.0"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_type_at_the_key_is_named() {
    let server = Server::start(Flavor::Redis70, &[]);
    server.command(&["SET", STREAM, "value"]).assert_fine();
    let error = refused(&server.url(), impatient()).await;
    assert!(error.contains(STREAM), "{error}");
    assert!(error.contains("string, not a stream"), "{error}");
    assert_eq!(server.command(&["GET", STREAM]).text(), "value");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_stops_being_a_stream_is_named() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), impatient()).await;
    append(&log, "a").await.expect("it is appended");
    server.command(&["SET", STREAM, "value"]).assert_fine();
    let error = append(&log, "b").await.expect_err("no stream").to_string();
    assert!(error.contains("something else than a stream"), "{error}");
    let range = ReadRange::all();
    let error = log.read(&range).await.expect_err("no stream").to_string();
    assert!(error.contains("something else than a stream"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_type_at_a_session_s_list_is_named_before_anything_is_written() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), impatient()).await;
    let batch = |from: u64| {
        let numbers = from..from + 50;
        Batch::new(numbers.map(|n| event(&format!("e{n}"), "s")).collect())
    };
    // Their ids are to be moved with the next batch.
    log.append(batch(0)).await.expect("appended");
    let list = "{memory:events}:recount:s:s";
    server.command(&["SET", list, "value"]).assert_fine();
    let error = log.append(batch(50)).await.expect_err("no list");
    assert!(error.to_string().contains("something else"), "{error}");
    let other = open(&server.url(), impatient()).await;
    let copies = (1..50).map(|n| {
        let fields = recount_core::codec::encode(&event(&format!("c{n}"), "s"));
        recount_core::Entry::new(EntryId::new(u64::MAX, n), fields)
    });
    let error = other.append_with_ids(copies.collect()).await;
    let error = error.expect_err("no list").to_string();
    assert!(error.contains("something else"), "{error}");
    assert_eq!(server.command(&["XLEN", STREAM]), Reply::Integer(50));

    server.command(&["DEL", list]).assert_fine();
    let receipt = log.append(batch(50)).await.expect("appended");
    assert_eq!(receipt.appended(), 50, "nothing was remembered of it");
    assert_eq!(server.command(&["LLEN", list]), Reply::Integer(100));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_read_and_not_written() {
    let master = Server::start(Flavor::Redis70, &[]);
    let log = open(&master.url(), patient()).await;
    append(&log, "a").await.expect("it is appended");
    let port = master.port().to_string();
    let replica = Server::start(Flavor::Redis70, &["--replicaof", "127.0.0.1", &port]);
    until("the replica to be in step", || {
        (replica.info("master_link_status")? == "up").then_some(())
    });

    let reader = RedisLog::open_read_only(&url(&replica.url()), STREAM, impatient())
        .await
        .expect("it opens for reading");
    assert_eq!(ids(&reader).await, ["a"]);

    let error = match try_open(&replica.url(), impatient()).await {
        Ok(log) => append(&log, "b").await.expect_err("a replica").to_string(),
        Err(error) => error.to_string(),
    };
    assert!(error.contains("read-only replica"), "{error}");
    assert_eq!(ids(&log).await, ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_becomes_a_replica_is_written_to_once_it_is_one_again() {
    let other = Server::start(Flavor::Redis70, &[]);
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), impatient()).await;
    let port = other.port().to_string();
    server
        .command(&["REPLICAOF", "127.0.0.1", &port])
        .assert_fine();
    let error = append(&log, "a").await.expect_err("a replica").to_string();
    assert!(error.contains("read-only replica"), "{error}");
    server.command(&["REPLICAOF", "NO", "ONE"]).assert_fine();
    append(&log, "a").await.expect("it is appended");
    assert_eq!(ids(&log).await, ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_out_of_memory_takes_nothing_and_goes_on_later() {
    for flavor in [
        Flavor::Redis60,
        Flavor::Redis70,
        Flavor::Redis82,
        Flavor::Valkey9,
    ] {
        let server = Server::start(flavor, &["--maxmemory-policy", "noeviction"]);
        let log = open(&server.url(), impatient()).await;
        append(&log, "a").await.expect("it is appended");
        server
            .command(&["CONFIG", "SET", "maxmemory", "1"])
            .assert_fine();
        let error = append(&log, "b").await.expect_err("no memory");
        assert!(
            matches!(error, AppendError::Full { .. }),
            "{flavor:?}: {error:?}"
        );
        assert!(error.to_string().contains("maxmemory"), "{error}");
        // Reading needs none.
        assert_eq!(ids(&log).await, ["a"]);
        server
            .command(&["CONFIG", "SET", "maxmemory", "0"])
            .assert_fine();
        let outcome = append(&log, "b").await.expect("there is memory again");
        assert!(matches!(outcome, Outcome::Appended { .. }));
        assert_eq!(ids(&log).await, ["a", "b"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_is_forgotten_is_loaded_again() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), impatient()).await;
    append(&log, "a").await.expect("it is appended");
    server.command(&["SCRIPT", "FLUSH"]).assert_fine();
    append(&log, "b").await.expect("it is appended");
    assert_eq!(ids(&log).await, ["a", "b"]);
    log.close().await.expect("it closes");
}
