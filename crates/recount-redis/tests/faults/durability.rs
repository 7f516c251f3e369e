//! What an acknowledgement promises is what the server keeps.

use recount_core::{AppendError, Durability, EventLog, Receipt};
use recount_redis::{RedisLog, RedisOptions, WaitAof};
use recount_testbed::{Flavor, Server, until};

use crate::kit::{event, ids, open, patient, refused};

async fn receipt(log: &RedisLog, id: &str) -> Result<Receipt, AppendError> {
    log.append(event(id, "s").into()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_sync_is_stated_as_it_is() {
    let memory = ["--appendonly", "no"];
    let second = ["--appendonly", "yes", "--appendfsync", "everysec"];
    let system = ["--appendonly", "yes", "--appendfsync", "no"];
    let always = ["--appendonly", "yes", "--appendfsync", "always"];
    for (args, durability, warns) in [
        (&memory[..], Durability::Accepted, true),
        // While a sync is under way, the server puts writes off for up to two seconds, and answers.
        (&second[..], Durability::Accepted, false),
        (&system[..], Durability::Written, false),
        (&always[..], Durability::Synced, false),
    ] {
        let server = Server::start(Flavor::Redis70, args);
        let log = open(&server.url(), patient()).await;
        let told = receipt(&log, "a").await.expect("it is appended");
        let info = log.info().await.expect("the log says what it is");
        assert_eq!(told.durability, durability, "{args:?}");
        assert_eq!(info.durability, durability, "{args:?}");
        let warned = info.warnings.iter().any(|words| words.contains("restart"));
        assert_eq!(warned, warns, "{args:?}: {:?}", info.warnings);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn eviction_is_warned_of() {
    let server = Server::start(Flavor::Redis70, &["--maxmemory-policy", "allkeys-lru"]);
    server
        .command(&["CONFIG", "SET", "maxmemory", "100mb"])
        .assert_fine();
    let log = open(&server.url(), patient()).await;
    let info = log.info().await.expect("the log says what it is");
    let warned = |info: &recount_core::LogInfo| {
        info.warnings
            .iter()
            .any(|words| words.contains("allkeys-lru"))
    };
    assert!(warned(&info), "{:?}", info.warnings);
    server
        .command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"])
        .assert_fine();
    let log = open(&server.url(), patient()).await;
    let info = log.info().await.expect("the log says what it is");
    assert!(!warned(&info), "{:?}", info.warnings);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_replica_is_not_confirmed_and_a_present_one_is() {
    let master = Server::start(Flavor::Redis70, &[]);
    let options = RedisOptions {
        wait_replicas: 1,
        wait_timeout: std::time::Duration::from_millis(50),
        ..patient()
    };
    let log = open(&master.url(), options.clone()).await;
    let error = receipt(&log, "a").await.expect_err("there is no replica");
    assert!(
        matches!(error, AppendError::Unconfirmed { .. }),
        "{error:?}"
    );
    // It is there all the same, as the error says.
    assert_eq!(ids(&log).await, ["a"]);

    let port = master.port().to_string();
    let replica = Server::start(Flavor::Redis70, &["--replicaof", "127.0.0.1", &port]);
    until("the replica to be in step", || {
        (replica.info("master_link_status")? == "up").then_some(())
    });
    let options = RedisOptions {
        wait_timeout: std::time::Duration::from_secs(30),
        ..options
    };
    let log = open(&master.url(), options).await;
    let told = receipt(&log, "b").await.expect("it is confirmed");
    assert_eq!(told.durability, Durability::Replicated { replicas: 1 });
    // A duplicate is confirmed as well: the first attempt was not.
    let told = receipt(&log, "a").await.expect("it is confirmed");
    assert_eq!(told.duplicates(), 1);
    let entries = replica.command(&["XLEN", crate::kit::STREAM]).integer();
    assert_eq!(entries, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_is_waited_for_where_the_server_can() {
    let options = RedisOptions {
        wait_aof: Some(WaitAof {
            local: true,
            replicas: 0,
        }),
        wait_timeout: std::time::Duration::from_secs(30),
        ..patient()
    };
    for flavor in [Flavor::Redis82, Flavor::Valkey9] {
        let server = Server::start(flavor, &["--appendonly", "yes"]);
        let log = open(&server.url(), options.clone()).await;
        let told = receipt(&log, "a").await.expect("it is synced");
        assert_eq!(told.durability, Durability::Synced, "{flavor:?}");
    }
    // Redis 7.0 has no WAITAOF.
    let server = Server::start(Flavor::Redis70, &["--appendonly", "yes"]);
    let error = refused(&server.url(), options).await;
    assert!(error.contains("7.2"), "{error}");
}
