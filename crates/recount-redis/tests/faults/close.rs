//! Whatever waits for a server ends when the log is closed.

use std::sync::Arc;

use recount_core::{AppendError, Batch, Cursor, EntryId, EventLog, Origin, ReadError, ReadRange};
use recount_redis::RedisLog;
use recount_testbed::{Flavor, Server};

use crate::kit::{append, event, open, patient, wait_until};

async fn log_of(server: &Server) -> Arc<RedisLog> {
    open(&server.url(), patient()).await
}

fn blocked(server: &Server) {
    wait_until("somebody to wait", || {
        (server.info("blocked_clients")? == "1").then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_ends() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = log_of(&server).await;
    let waiting = tokio::spawn({
        let log = Arc::clone(&log);
        async move { log.wait(&Cursor::default()).await }
    });
    blocked(&server);
    log.close().await.expect("it closes");
    let error = waiting.await.expect("it ends").expect_err("nothing came");
    assert!(matches!(error, ReadError::Closed), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_ends_and_its_connection_with_it() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = log_of(&server).await;
    append(&log, "a").await.expect("it is appended");
    let mut feed = log.feed(0, EntryId::MIN).await.expect("a feed begins");
    let entries = feed.next(10).await.expect("there is one");
    assert_eq!(entries.len(), 1);
    let waiting = tokio::spawn(async move { feed.next(10).await });
    blocked(&server);
    log.close().await.expect("it closes");
    let error = waiting.await.expect("it ends").expect_err("nothing came");
    assert!(matches!(error, ReadError::Closed), "{error:?}");
    wait_until("the connection to close", || {
        (server.info("blocked_clients")? == "0").then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_to_a_server_that_hangs_end() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = log_of(&server).await;
    append(&log, "a").await.expect("it is appended");
    server.pause();
    let appending = tokio::spawn({
        let log = Arc::clone(&log);
        async move { log.append(Batch::new(vec![event("b", "s")])).await }
    });
    let reading = tokio::spawn({
        let log = Arc::clone(&log);
        async move { log.read(&ReadRange::all()).await }
    });
    // So that both have begun.
    tokio::task::yield_now().await;
    log.close().await.expect("it closes");
    let error = appending.await.expect("it ends").expect_err("no answer");
    assert!(matches!(error, AppendError::Closed), "{error:?}");
    let error = reading.await.expect("it ends").expect_err("no answer");
    assert!(matches!(error, ReadError::Closed), "{error:?}");
    server.resume();
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_to_a_server_that_is_gone_end() {
    let mut server = Server::start(Flavor::Redis70, &[]);
    let log = log_of(&server).await;
    server.kill();
    let appending = tokio::spawn({
        let log = Arc::clone(&log);
        async move { append(&log, "a").await }
    });
    let waiting = tokio::spawn({
        let log = Arc::clone(&log);
        async move { log.wait(&Cursor::default()).await }
    });
    tokio::task::yield_now().await;
    log.close().await.expect("it closes");
    let error = appending.await.expect("it ends").expect_err("nobody");
    assert!(matches!(error, AppendError::Closed), "{error:?}");
    let error = waiting.await.expect("it ends").expect_err("nobody");
    assert!(matches!(error, ReadError::Closed), "{error:?}");
}
