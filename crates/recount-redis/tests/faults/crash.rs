//! A server killed while it is published to.

use recount_testbed::{Flavor, Server};

use crate::kit::{Publishers, open, patient, wait_until};

/// Kills and restarts a server so many times while publishers go on. Nothing acknowledged may be missing or
/// stand twice then.
async fn crash(server: &mut Server, times: usize) {
    let log = open(&server.url(), patient()).await;
    let publishers = Publishers::start(&log, 4);
    for _ in 0..times {
        publishers.go_on(20);
        wait_until("the server to restart", || {
            server.kill();
            server.restart();
            Some(())
        });
    }
    publishers.go_on(20);
    publishers.finish().await.verify(&log).await;
}

const ALWAYS: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

#[tokio::test(flavor = "multi_thread")]
async fn with_a_sync_each_write_nothing_acknowledged_is_lost() {
    // Once each: where a crash tears the transaction that Redis is writing, Redis leaves the torn half in its
    // file, and brings it back with the start after the next. Valkey removes it.
    for flavor in [Flavor::Redis60, Flavor::Redis70, Flavor::Redis82] {
        crash(&mut Server::start(flavor, &ALWAYS), 1).await;
    }
    crash(&mut Server::start(Flavor::Valkey9, &ALWAYS), 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_sync_each_second_only_the_newest_may_be_lost() {
    one_loss(&["--appendonly", "yes", "--appendfsync", "everysec"], 40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_keeps_nothing_begins_again() {
    one_loss(&[], 20).await;
}

/// What a server that is killed after `batches` lost was lost in one stretch.
async fn one_loss(args: &[&str], batches: usize) {
    let mut server = Server::start(Flavor::Redis70, args);
    let log = open(&server.url(), patient()).await;
    let publishers = Publishers::start(&log, 4);
    publishers.go_on(batches);
    wait_until("the server to restart", || {
        server.kill();
        server.restart();
        Some(())
    });
    publishers.go_on(20);
    publishers.finish().await.verify_one_loss(&log).await;
}
