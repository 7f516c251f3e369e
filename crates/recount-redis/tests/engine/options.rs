//! Retention, waiting for replicas, and what an acknowledgement is said to be worth.

use std::time::Duration;

use recount_core::{
    AppendError, Batch, Durability, EventLog, GroupStart, GroupStore, HeldUp, MaxLength, Retention,
};
use recount_redis::{RedisOptions, WaitAof};
use recount_testbed::{Flavor, Server};

use crate::kit::{append, event, everything, open, try_open, wait_until};

fn batch(numbers: std::ops::Range<usize>) -> Batch {
    let events = numbers.map(|number| event(&format!("e{number}"), "s"));
    Batch::new(events.collect())
}

fn keeping(entries: u64, exact: bool) -> RedisOptions {
    RedisOptions {
        retention: Retention {
            max_length: Some(MaxLength { entries, exact }),
            ..Retention::default()
        },
        ..RedisOptions::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_is_kept_exactly_or_about() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), keeping(10, true)).await;
    for from in (0..40).step_by(4) {
        log.append(batch(from..from + 4)).await.expect("appended");
        assert!(everything(&log).await.len() <= 10);
    }
    log.close().await.expect("closed");

    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), keeping(2_000, false)).await;
    for from in (0..10_000).step_by(1_000) {
        log.append(batch(from..from + 1_000))
            .await
            .expect("appended");
    }
    wait_until("the stream to be trimmed", || {
        let length = server.command(&["XLEN", crate::kit::STREAM]);
        let recount_testbed::Reply::Integer(length) = length else {
            panic!("{length:?}");
        };
        assert!(length >= 2_000, "never below what is kept");
        (length <= 3_000).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_is_kept_from_a_group_that_lags_or_not() {
    for (held_up, kept) in [(HeldUp::Block, 40), (HeldUp::Force, 10)] {
        let server = Server::start(Flavor::Redis70, &[]);
        let mut options = keeping(10, true);
        options.retention.held_up = held_up;
        let log = open(&server.url(), options).await;
        let created = log.create("audit", &GroupStart::Start).await;
        created.expect("created");
        for from in (0..40).step_by(4) {
            log.append(batch(from..from + 4)).await.expect("appended");
        }
        assert_eq!(everything(&log).await.len(), kept);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_asked_for_and_missing_is_told() {
    let server = Server::start(Flavor::Redis70, &[]);
    let options = RedisOptions {
        wait_replicas: 1,
        wait_timeout: Duration::from_millis(50),
        ..RedisOptions::default()
    };
    let log = open(&server.url(), options.clone()).await;
    for _ in 0..2 {
        // The second time nothing is appended, and it is not confirmed all the same.
        let error = append(&log, "a").await.expect_err("not confirmed");
        assert!(matches!(&error, AppendError::Unconfirmed { .. }), "{error}");
        assert!(error.to_string().contains("0 of 1 replicas"), "{error}");
    }
    assert_eq!(everything(&log).await.len(), 1, "it was appended");

    let port = server.port().to_string();
    let replica = Server::start(
        Flavor::Redis70,
        &["--replicaof", &format!("127.0.0.1 {port}")],
    );
    wait_until("the replica to be in touch", || {
        append_sync(&server, "1").then_some(())
    });
    log.close().await.expect("closed");
    let patient = RedisOptions {
        wait_timeout: Duration::from_mins(1),
        ..options
    };
    let log = open(&server.url(), patient).await;
    let receipt = log.append(event("b", "s").into()).await.expect("confirmed");
    assert_eq!(receipt.durability, Durability::Replicated { replicas: 1 });
    drop(replica);
}

/// Whether a replica answers a `WAIT`.
fn append_sync(server: &Server, replicas: &str) -> bool {
    server.command(&["SET", "probe", "1"]);
    let waited = server.command(&["WAIT", replicas, "100"]);
    waited == recount_testbed::Reply::Integer(1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_is_waited_for_where_the_server_can() {
    let options = RedisOptions {
        wait_aof: Some(WaitAof {
            local: true,
            replicas: 0,
        }),
        ..RedisOptions::default()
    };
    let old = Server::start(Flavor::Redis70, &[]);
    let error = try_open(&old.url(), options.clone())
        .await
        .expect_err("too old");
    assert!(error.to_string().contains("WAITAOF"), "{error}");
    for flavor in [Flavor::Redis82, Flavor::Valkey9] {
        let server = Server::start(flavor, &["--appendonly", "yes"]);
        let log = open(&server.url(), options.clone()).await;
        let receipt = log.append(batch(0..3)).await.expect("synced");
        assert_eq!(receipt.durability, Durability::Synced);
        log.append(batch(0..3))
            .await
            .expect("synced, though nothing is new");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn info_says_what_an_acknowledgement_is_worth() {
    for (args, durability, says) in [
        (
            vec!["--appendonly", "yes", "--appendfsync", "always"],
            Durability::Synced,
            "always",
        ),
        (
            vec!["--appendonly", "yes"],
            Durability::Accepted,
            "everysec",
        ),
        (vec!["--save", ""], Durability::Accepted, "loses everything"),
    ] {
        let server = Server::start(Flavor::Redis70, &args);
        let log = open(&server.url(), RedisOptions::default()).await;
        let info = log.info().await.expect("info");
        assert_eq!(info.durability, durability);
        assert!(
            info.durability_note.contains(says),
            "{}",
            info.durability_note
        );
        let receipt = log.append(batch(0..1)).await.expect("appended");
        assert_eq!(receipt.durability, durability);
        let warned = info
            .warnings
            .iter()
            .any(|warning| warning.contains("restart"));
        assert_eq!(warned, args.contains(&"--save"));
    }
}
