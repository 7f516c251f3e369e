//! Whatever waits for a server ends when the log is closed.

use std::sync::Arc;
use std::time::Duration;

use recount_core::{AppendError, Batch, Cursor, EntryId, EventLog, Origin, ReadError, ReadRange};
use recount_redis::{RedisLog, RedisOptions};
use recount_testbed::{Flavor, Server};

use crate::kit::{append, event, open, patient, wait_until};

/// Whatever ends within a test does not end at its deadline.
fn endless() -> RedisOptions {
    RedisOptions {
        deadline: Duration::from_hours(1),
        ..patient()
    }
}

async fn log_of(server: &Server) -> Arc<RedisLog> {
    open(&server.url(), endless()).await
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
    calls_end(&log).await;
    server.resume();
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_to_a_server_that_is_gone_end() {
    let mut server = Server::start(Flavor::Redis70, &[]);
    let log = log_of(&server).await;
    append(&log, "a").await.expect("it is appended");
    server.kill();
    calls_end(&log).await;
}

/// Begins one call of each kind, closes the log, and waits for them.
async fn calls_end(log: &RedisLog) {
    let batch = Batch::new(vec![event("b", "s")]);
    let range = ReadRange::all();
    let cursor = Cursor::default();
    let mut append = log.append(batch);
    let mut read = log.read(&range);
    let mut wait = log.wait(&cursor);
    let mut info = log.info();
    // Each is polled once, and has asked the server.
    tokio::select! {
        biased;
        done = &mut append => panic!("nobody answers: {done:?}"),
        done = &mut read => panic!("nobody answers: {done:?}"),
        done = &mut wait => panic!("nobody answers: {done:?}"),
        done = &mut info => panic!("nobody answers: {done:?}"),
        () = std::future::ready(()) => {}
    }
    let end = async {
        let (closed, append, read, wait, info) =
            tokio::join!(log.close(), append, read, wait, info);
        closed.expect("it closes");
        // Whether it was appended may be unknown.
        let error = append.expect_err("nobody answers");
        let known = matches!(error, AppendError::Closed | AppendError::Unavailable { .. });
        assert!(known, "{error:?}");
        assert_eq!(read.expect_err("nobody answers"), ReadError::Closed);
        assert_eq!(wait.expect_err("nobody answers"), ReadError::Closed);
        assert_eq!(info.expect_err("nobody answers"), ReadError::Closed);
    };
    tokio::time::timeout(Duration::from_mins(1), end)
        .await
        .expect("closing ends every call long before its deadline");
}
