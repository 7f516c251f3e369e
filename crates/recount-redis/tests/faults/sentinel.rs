//! A master that Sentinels replace.

use recount_redis::RedisOptions;
use recount_testbed::{Flavor, Sentinel};

use crate::kit::{Publishers, append, ids, impatient, open, patient, refused, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn publishing_goes_on_with_the_new_master() {
    let mut sentinel = Sentinel::start(Flavor::Redis70, 3, &[]);
    let options = RedisOptions {
        wait_replicas: 1,
        ..patient()
    };
    let log = open(&sentinel.url(), options).await;
    let publishers = Publishers::start(&log, 4);
    publishers.go_on(20);
    let killed = wait_until("a failover", || Some(sentinel.fail_over()));
    // It comes back as the replica that the new master needs to be confirmed.
    sentinel.restart(killed);
    publishers.go_on(20);
    publishers.finish().await.verify(&log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_master_is_found_although_a_sentinel_is_down() {
    let sentinel = Sentinel::start(Flavor::Redis62, 1, &[]);
    let nobody = "127.0.0.1:1";
    let url = sentinel
        .url()
        .replace("redis-sentinel://", &format!("redis-sentinel://{nobody},"));
    let log = open(&url, patient()).await;
    append(&log, "a").await.expect("it is appended");
    assert_eq!(ids(&log).await, ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_no_sentinel_knows_is_named() {
    let sentinel = Sentinel::start(Flavor::Valkey9, 1, &[]);
    let url = sentinel.url().replace("/recount", "/payments");
    let error = refused(&url, impatient()).await;
    assert!(error.contains("payments"), "{error}");
}
