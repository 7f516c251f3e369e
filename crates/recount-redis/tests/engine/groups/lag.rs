//! The lag, where entries were removed behind the group's back.

use recount_core::{Cursor, EntryId, GroupStart, GroupStore, Position};
use recount_redis::{RedisLog, RedisOptions};
use recount_testbed::Server;

use super::{FLAVORS, GROUP, filled, group, id, numbered, read};
use crate::kit::{STREAM, open};

/// How many entries lie after the group's cursor, counted one by one.
async fn counted(log: &RedisLog, server: &Server) -> u64 {
    let cursor = group(log).await.last_delivered.get(0);
    let from = cursor.next().unwrap_or(EntryId::MAX).to_string();
    let all = server.command(&["XRANGE", STREAM, &from, "+"]);
    all.list().len() as u64
}

async fn assert_right(log: &RedisLog, server: &Server, when: &str) {
    // Twice: what was counted is remembered.
    for _ in 0..2 {
        let lag = group(log).await.lags;
        assert_eq!(lag, [(0, counted(log, server).await)], "{when}");
    }
}

fn delete(server: &Server, gone: &[Position]) {
    for position in gone {
        server.command(&["XDEL", STREAM, &id(*position).to_string()]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_right_whatever_others_remove() {
    for flavor in FLAVORS {
        let server = Server::start(flavor, &[]);
        let log = open(&server.url(), RedisOptions::default()).await;
        let all = filled(&log, 3_000).await;
        let right = async |when: &str| {
            assert_right(&log, &server, &format!("{flavor:?}, {when}")).await;
        };
        right("nothing was read").await;
        read(&log, "a", 100).await;
        right("a hundred were read").await;
        delete(&server, &all[50..60]);
        right("read ones were deleted").await;
        delete(&server, &all[150..160]);
        right("unread ones were deleted").await;
        read(&log, "a", 200).await;
        right("it read past them").await;
        server.command(&["XTRIM", STREAM, "MAXLEN", "2500"]);
        right("it was trimmed past the group").await;
        read(&log, "a", 300).await;
        right("it read on after the trim").await;
        numbered(&log, 3_000..3_100, 1).await;
        right("more came").await;
        delete(&server, &all[2_000..2_003]);
        right("more were deleted").await;
        server.command(&["XTRIM", STREAM, "MAXLEN", "1800"]);
        read(&log, "a", 1_000).await;
        server.command(&["XTRIM", STREAM, "MAXLEN", "700"]);
        right("it is in the middle").await;
        read(&log, "a", 10_000).await;
        right("everything was read").await;
        let middle = GroupStart::After(Cursor::after(id(all[2_900])));
        log.set_position(GROUP, &middle).await.expect("moved");
        right("it was moved back").await;
        let last = server.command(&["XREVRANGE", STREAM, "+", "-", "COUNT", "1"]);
        let last = last.list().remove(0).list()[0].text();
        server.command(&["XDEL", STREAM, &last]);
        right("the last one was deleted").await;
        server.command(&["XTRIM", STREAM, "MAXLEN", "0"]);
        right("nothing is left").await;
    }
}
