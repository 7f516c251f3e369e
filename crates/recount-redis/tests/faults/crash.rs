//! A server killed while it is published to.

use recount_testbed::{Flavor, Server};

use crate::kit::{Publishers, open, patient, wait_until};

/// Kills and restarts a server three times while publishers go on.
async fn crash(
    server: &mut Server,
) -> (
    crate::kit::Acknowledged,
    std::sync::Arc<recount_redis::RedisLog>,
) {
    let log = open(&server.url(), patient()).await;
    let publishers = Publishers::start(&log, 4);
    for _ in 0..3 {
        publishers.go_on(20);
        wait_until("the server to restart", || {
            server.kill();
            server.restart();
            Some(())
        });
    }
    publishers.go_on(20);
    (publishers.finish().await, log)
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_sync_each_write_nothing_acknowledged_is_lost() {
    for flavor in [Flavor::Redis60, Flavor::Redis82, Flavor::Valkey9] {
        let args = ["--appendonly", "yes", "--appendfsync", "always"];
        let mut server = Server::start(flavor, &args);
        let (acknowledged, log) = crash(&mut server).await;
        acknowledged.verify(&log).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_sync_each_second_only_the_newest_may_be_lost() {
    let args = ["--appendonly", "yes", "--appendfsync", "everysec"];
    let mut server = Server::start(Flavor::Redis70, &args);
    let log = open(&server.url(), patient()).await;
    let publishers = Publishers::start(&log, 4);
    publishers.go_on(40);
    wait_until("the server to restart", || {
        server.kill();
        server.restart();
        Some(())
    });
    publishers.go_on(20);
    publishers.finish().await.verify_one_loss(&log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_keeps_nothing_begins_again() {
    let mut server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), patient()).await;
    let publishers = Publishers::start(&log, 4);
    publishers.go_on(20);
    wait_until("the server to restart", || {
        server.kill();
        server.restart();
        Some(())
    });
    publishers.go_on(20);
    publishers.finish().await.verify_one_loss(&log).await;
}
