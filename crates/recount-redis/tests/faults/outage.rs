//! Servers that are down, come back, or are not ready.

use recount_core::{AppendError, EventLog, Outcome, ReadError, ReadRange};
use recount_testbed::{Flavor, Server};

use crate::kit::{append, ids, impatient, open, patient, refused, wait_until};

/// A server that has what it acknowledged when it starts again.
const SYNCED: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_at_the_start_is_named() {
    let mut server = Server::start(Flavor::Redis70, &[]);
    let port = server.port();
    server.kill();
    let error = refused(&server.url(), impatient()).await;
    assert!(error.contains(&format!("127.0.0.1:{port}")), "{error}");
    assert!(error.contains("running"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_does_not_exist_is_named() {
    let error = refused("redis://no-such-host.invalid:6379", impatient()).await;
    assert!(error.contains("no-such-host.invalid"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_fail_at_their_deadline_and_work_once_the_server_is_back() {
    let mut server = Server::start(Flavor::Redis70, &SYNCED);
    let log = open(&server.url(), impatient()).await;
    append(&log, "a").await.expect("it is appended");
    server.kill();

    let error = append(&log, "b").await.expect_err("nobody is there");
    assert!(
        matches!(error, AppendError::Unavailable { .. }),
        "{error:?}"
    );
    let place = format!("127.0.0.1:{}", server.port());
    assert!(error.to_string().contains(&place), "{error}");
    let error = log.read(&ReadRange::all()).await.expect_err("nobody");
    assert!(matches!(error, ReadError::Unavailable { .. }), "{error:?}");

    server.restart();
    let outcome = append(&log, "b").await.expect("the server is back");
    assert!(matches!(outcome, Outcome::Appended { .. }));
    assert_eq!(ids(&log).await, ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_that_hung_took_after_all_is_not_appended_again() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), impatient()).await;
    append(&log, "a").await.expect("it is appended");
    server.pause();
    let error = append(&log, "b").await.expect_err("no answer");
    assert!(
        matches!(error, AppendError::Unavailable { .. }),
        "{error:?}"
    );
    server.resume();
    append(&log, "b").await.expect("the server goes on");
    assert_eq!(ids(&log).await, ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_outlasts_a_restart_within_its_deadline() {
    let mut server = Server::start(Flavor::Redis70, &SYNCED);
    let log = open(&server.url(), patient()).await;
    append(&log, "a").await.expect("it is appended");
    server.kill();
    let waiting = tokio::spawn({
        let log = log.clone();
        async move { append(&log, "b").await }
    });
    server.restart();
    let outcome = waiting.await.expect("it ends").expect("it is appended");
    assert!(matches!(outcome, Outcome::Appended { .. }));
    assert_eq!(ids(&log).await, ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_outlasts_a_restart() {
    let mut server = Server::start(Flavor::Redis70, &SYNCED);
    let log = open(&server.url(), patient()).await;
    append(&log, "a").await.expect("it is appended");
    let cursor = log.tail().await.expect("the log has an end");
    let waiting = tokio::spawn({
        let log = log.clone();
        async move { log.wait(&cursor).await }
    });
    wait_until("somebody to wait", || {
        (server.info("blocked_clients")? == "1").then_some(())
    });
    server.kill();
    server.restart();
    append(&log, "b").await.expect("it is appended");
    waiting.await.expect("it ends").expect("something came");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_loading_is_waited_for() {
    // Each key takes long to load, until it is told otherwise.
    let slow = ["--key-load-delay", "20000", "--rdbcompression", "no"];
    let eager = ["--loading-process-events-interval-bytes", "1024"];
    let mut server = Server::start(Flavor::Redis70, &[&slow[..], &eager].concat());
    let log = open(&server.url(), patient()).await;
    append(&log, "a").await.expect("it is appended");
    let fill = "for i = 1, 2000 do redis.call('SET', 'k' .. i, string.rep('x', 2000)) end";
    server.command(&["EVAL", fill, "0"]).assert_fine();
    server.command(&["SAVE"]).assert_fine();
    server.kill();
    server.launch();
    wait_until("the server to be loading", || {
        let mut client = recount_testbed::Client::connect(server.port()).ok()?;
        let answer = client.try_command(&["GET", "k1"]).ok()?;
        answer.error()?.starts_with("LOADING").then_some(())
    });
    let asked = || -> u64 {
        let errors = server.info("errorstat_LOADING").expect("it was asked");
        errors
            .trim_start_matches("count=")
            .parse()
            .expect("a count")
    };
    let before = asked();
    let waiting = tokio::spawn({
        let log = log.clone();
        async move { append(&log, "b").await }
    });
    wait_until("the log to be told", || (asked() > before).then_some(()));
    assert!(!waiting.is_finished());
    server
        .command(&["CONFIG", "SET", "key-load-delay", "0"])
        .assert_fine();
    waiting.await.expect("it ends").expect("it is appended");
    assert_eq!(ids(&log).await, ["a", "b"]);
}
