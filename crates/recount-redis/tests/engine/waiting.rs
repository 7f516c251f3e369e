//! Waiting for what comes next: what it costs the server, and who wakes.

use std::sync::Arc;

use recount_core::{Batch, Cursor, EntryId, EventLog, ReadError};
use recount_redis::{RedisLog, RedisOptions};
use recount_testbed::{Flavor, Server};
use tokio::task::JoinHandle;

use crate::kit::{STREAM, append, event, open, wait_until};

type Waiting = JoinHandle<Result<(), ReadError>>;

fn wait(log: &Arc<RedisLog>, cursor: Cursor) -> Waiting {
    let log = Arc::clone(log);
    tokio::spawn(async move { log.wait(&cursor).await })
}

/// How often the server was given a command.
fn calls(server: &Server, command: &str) -> usize {
    let Some(said) = server.info(&format!("cmdstat_{command}")) else {
        return 0;
    };
    let calls = said
        .strip_prefix("calls=")
        .and_then(|rest| rest.split(',').next());
    calls.expect("a count").parse().expect("a number")
}

fn is_blocked(server: &Server) -> bool {
    server.info("blocked_clients").as_deref() == Some("1")
}

/// Whoever waits asks where the stream stands before, and then no more.
async fn assert_waits_quietly(server: &Server, log: &RedisLog, asked: usize) {
    wait_until("the last one to wait", || {
        (calls(server, "xinfo|stream") > asked && is_blocked(server)).then_some(())
    });
    let before = calls(server, "xinfo|stream");
    for _ in 0..100 {
        log.tail().await.expect("it answers");
    }
    let asked = calls(server, "xinfo|stream") - before;
    assert!(asked < 110, "{asked} looks, of which 100 are the test's");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_waits_beyond_the_end_does_not_wake_the_others() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), RedisOptions::default()).await;
    let first = append(&log, "a").await.expect("appended").position();
    let beyond = wait(&log, Cursor::after(EntryId::new(u64::MAX, 0)));
    wait_until("the first one to wait", || {
        is_blocked(&server).then_some(())
    });
    let asked = calls(&server, "xinfo|stream");
    let at_the_end = wait(&log, Cursor::after(first.entry_id));
    assert_waits_quietly(&server, &log, asked).await;
    append(&log, "b").await.expect("appended");
    at_the_end.await.expect("it ends").expect("it wakes");
    assert!(!beyond.is_finished());
    log.close().await.expect("closed");
    assert_eq!(beyond.await.expect("it ends"), Err(ReadError::Closed));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_where_everything_was_removed_wakes_with_the_first_entry() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), RedisOptions::default()).await;
    let first = append(&log, "a").await.expect("appended").position();
    let before = wait(&log, Cursor::after(first.entry_id));
    wait_until("the first one to wait", || {
        is_blocked(&server).then_some(())
    });
    server.command(&["FLUSHALL"]).assert_fine();
    let since = wait(&log, Cursor::start());
    wait_until("both to wait", || {
        (server.info("blocked_clients").as_deref() == Some("2")).then_some(())
    });
    server
        .command(&["XADD", STREAM, "1-1", "type", "a", "session_id", "s"])
        .assert_fine();
    since.await.expect("it ends").expect("it wakes");
    assert!(!before.is_finished());
    append(&log, "b").await.expect("appended");
    before.await.expect("it ends").expect("it wakes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_not_watched_entry_by_entry() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), RedisOptions::default()).await;
    let waiting = wait(&log, Cursor::start());
    wait_until("it to wait", || is_blocked(&server).then_some(()));
    let events = (0..500).map(|number| event(&format!("e{number}"), "s"));
    log.append(Batch::new(events.collect()))
        .await
        .expect("appended");
    waiting.await.expect("it ends").expect("it wakes");
    wait_until("the next read to block", || {
        (calls(&server, "xread") >= 1 && is_blocked(&server)).then_some(())
    });
    let reads = calls(&server, "xread");
    assert!(reads <= 2, "{reads} reads");
}
