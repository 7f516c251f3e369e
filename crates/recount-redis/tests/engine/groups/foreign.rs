//! Other programs in the same group, and with groups of their own.

use recount_core::{
    Cursor, EventLog, GroupError, GroupStart, GroupStore, HeldUp, TrimLimit, TrimRequest,
};
use recount_redis::RedisOptions;
use recount_testbed::{Reply, Server};

use super::{FLAVORS, GROUP, claiming, filled, group, id, pending, positions, read, words};
use crate::kit::{STREAM, open};

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_shared_with_plain_commands() {
    for flavor in FLAVORS {
        let server = Server::start(flavor, &[]);
        let log = open(&server.url(), RedisOptions::default()).await;
        let all = filled(&log, 6).await;
        assert_eq!(read(&log, "ours", 2).await, all[..2], "{flavor:?}");
        let theirs = "XREADGROUP GROUP audit theirs COUNT 2 STREAMS memory:events >";
        server.command(&words(theirs)).assert_fine();
        assert_eq!(read(&log, "ours", 9).await, all[4..], "{flavor:?}");
        let owners = pending(&log).await.into_iter().map(|one| one.consumer);
        let owners: Vec<_> = owners.map(|name| name.expect("owned")).collect();
        assert_eq!(owners, ["ours", "ours", "theirs", "theirs", "ours", "ours"]);

        // Each takes over what the other left, and finishes it.
        let claimed = log.claim(GROUP, &claiming("ours", 0), &all[2..3]).await;
        let claimed = claimed.expect("claimed");
        assert_eq!((claimed.len(), claimed[0].delivery_count), (1, 2));
        assert!(claimed[0].entry.is_some());
        let first = id(all[0]).to_string();
        let take = ["XCLAIM", STREAM, GROUP, "theirs", "0", &first];
        assert_eq!(server.command(&take).list().len(), 1);
        let acked = server.command(&["XACK", STREAM, GROUP, &first]);
        assert_eq!(acked, Reply::Integer(1));
        assert_eq!(log.ack(GROUP, &all).await, Ok(5), "{flavor:?}");
        assert_eq!(pending(&log).await, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_and_acknowledging_a_batch_costs_two_commands() {
    for flavor in FLAVORS {
        let server = Server::start(flavor, &[]);
        let log = open(&server.url(), RedisOptions::default()).await;
        filled(&log, 1_000).await;
        server.command(&["CONFIG", "RESETSTAT"]).assert_fine();
        for _ in 0..10 {
            let batch = read(&log, "a", 100).await;
            assert_eq!(log.ack(GROUP, &batch).await, Ok(100));
        }
        for command in ["xreadgroup", "xack"] {
            let calls = server.info(&format!("cmdstat_{command}"));
            let calls = calls.expect("it was called");
            assert!(calls.starts_with("calls=10,"), "{flavor:?}: {calls}");
        }
        assert_eq!(server.info("cmdstat_evalsha"), None, "{flavor:?}");
        assert_eq!(server.info("cmdstat_xpending"), None, "{flavor:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_back_is_shown_to_nobody_and_had_by_all() {
    for flavor in FLAVORS {
        let server = Server::start(flavor, &[]);
        let log = open(&server.url(), RedisOptions::default()).await;
        let all = filled(&log, 3).await;
        read(&log, "a", 3).await;
        assert_eq!(log.nack(GROUP, "a", &all[..2], 0).await, Ok(2));
        assert_eq!(log.nack(GROUP, "a", &all[2..], 3_600_000).await, Ok(1));
        let consumers = log.consumers(GROUP).await.expect("listed");
        assert_eq!(consumers.len(), 1);
        assert_eq!((consumers[0].name.as_str(), consumers[0].pending), ("a", 0));
        assert_eq!(group(&log).await.consumers, 1);
        assert_eq!(log.delete_consumer(GROUP, "a", None).await, Ok(0));
        assert_eq!(group(&log).await.consumers, 0);
        let idle = group(&log).await.idle_ms;
        assert!(idle.is_some_and(|ms| ms < 60_000), "{flavor:?}: {idle:?}");

        // Another program finds it as some consumer's.
        let first = id(all[0]).to_string();
        let theirs = ["XCLAIM", STREAM, GROUP, "theirs", "0", &first];
        assert_eq!(server.command(&theirs).list().len(), 1);
        let start = Cursor::start();
        let claim = log
            .auto_claim(GROUP, &claiming("b", 3_600_000), &start, 9)
            .await;
        let claim = claim.expect("claimed");
        assert_eq!(positions(&claim.deliveries), all[1..2], "{flavor:?}");
        assert_eq!(claim.next, None);

        let reserved = log.read_new(GROUP, "recount:given-back", 1).await;
        let reserved = reserved.expect_err("no consumer may be called so");
        assert!(
            reserved.to_string().contains("choose another"),
            "{reserved}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_reads_nothing_is_known_and_calls() {
    for flavor in FLAVORS {
        let server = Server::start(flavor, &[]);
        let log = open(&server.url(), RedisOptions::default()).await;
        filled(&log, 0).await;
        assert_eq!(group(&log).await.idle_ms, None, "nobody ever called");
        assert_eq!(read(&log, "idler", 10).await, []);
        let info = group(&log).await;
        assert_eq!(info.consumers, 1, "{flavor:?}");
        assert!(info.idle_ms.is_some_and(|ms| ms < 60_000), "{flavor:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_whose_name_is_no_text_is_passed_over_and_keeps_what_it_needs() {
    for flavor in FLAVORS {
        let server = Server::start(flavor, &[]);
        let log = open(&server.url(), RedisOptions::default()).await;
        let all = filled(&log, 4).await;
        let second = id(all[1]).to_string();
        let script = format!(
            "redis.call('XGROUP', 'CREATE', KEYS[1], '\\255\\254', '{second}')
             return redis.call('XREADGROUP', 'GROUP', 'audit', 'x\\255', 'COUNT', 1, 'STREAMS', KEYS[1], '>')"
        );
        server
            .command(&["EVAL", &script, "1", STREAM])
            .assert_fine();
        let names = log.groups().await.expect("listed").into_iter();
        let names: Vec<_> = names.map(|info| info.name).collect();
        assert_eq!(names, [GROUP], "{flavor:?}");
        let owner = pending(&log).await[0].consumer.clone();
        assert_eq!(owner.as_deref(), Some("x\u{fffd}"));
        assert_eq!(log.destroy(GROUP).await, Ok(true));
        let info = log.info().await.expect("info");
        assert_eq!(info.partitions[0].held_back[0].from, id(all[2]));
        let request = TrimRequest::exact(TrimLimit::MaxLength(0));
        let report = log.trim(&request).await.expect("trimmed");
        assert_eq!(report.removed, 2, "{flavor:?}");
        assert_eq!(report.held_back[0].by, "group \u{fffd}\u{fffd}");
        let expiring = TrimRequest {
            held_up: HeldUp::ExpireGroupsAfter(0),
            ..request
        };
        assert_eq!(log.trim(&expiring).await.expect("trimmed").removed, 0);
        let forced = TrimRequest {
            held_up: HeldUp::Force,
            ..request
        };
        let report = log.trim(&forced).await.expect("trimmed");
        assert_eq!((report.removed, report.lost[0].entries), (2, 2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_gone_from_the_middle_holds_nothing_back_and_is_delivered_empty() {
    for flavor in FLAVORS {
        let server = Server::start(flavor, &[]);
        let log = open(&server.url(), RedisOptions::default()).await;
        let all = filled(&log, 6).await;
        assert_eq!(read(&log, "a", 5).await.len(), 5);
        assert_eq!(log.ack(GROUP, &all[..2]).await, Ok(2));
        for gone in [2, 3] {
            server.command(&["XDEL", STREAM, &id(all[gone]).to_string()]);
        }
        let request = TrimRequest::exact(TrimLimit::MaxLength(0));
        let report = log.trim(&request).await.expect("trimmed");
        assert_eq!((report.removed, report.first), (2, Some(id(all[4]))));

        assert_eq!(log.touch(GROUP, "a", &all).await.as_deref(), Ok(&all[2..5]));
        assert_eq!(log.nack(GROUP, "a", &all[2..4], 0).await, Ok(0));
        let claimed = log.claim(GROUP, &claiming("b", 0), &all).await;
        let claimed = claimed.expect("claimed");
        assert_eq!(positions(&claimed), all[2..5], "{flavor:?}");
        let bodies: Vec<_> = claimed.iter().map(|one| one.entry.is_some()).collect();
        assert_eq!(bodies, [false, false, true]);
        assert_eq!(log.ack(GROUP, &all[2..3]).await, Ok(1), "{flavor:?}");

        // The rest goes on, and what is gone goes with its consumer.
        assert_eq!(log.delete_consumer(GROUP, "a", Some("b")).await, Ok(0));
        let left: Vec<_> = pending(&log).await.iter().map(|one| one.position).collect();
        assert_eq!(left, all[4..5], "{flavor:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn times_of_what_was_acknowledged_meanwhile_are_swept_out() {
    let server = Server::start(recount_testbed::Flavor::Redis60, &[]);
    let log = open(&server.url(), RedisOptions::default()).await;
    let due = |server: &Server| {
        let key = "{memory:events}:recount:due:audit";
        server.command(&["HLEN", key]).integer()
    };
    let mut all = filled(&log, 1_000).await;
    all.extend(super::numbered(&log, 1_000..1_100, 1).await);
    assert_eq!(read(&log, "a", 2_000).await.len(), 1_100);
    assert_eq!(log.nack(GROUP, "a", &all[..1_000], 60_000).await, Ok(1_000));
    assert_eq!(log.ack(GROUP, &all[..1_000]).await, Ok(1_000));
    assert_eq!(due(&server), 1_000);
    assert_eq!(log.nack(GROUP, "a", &all[1_000..], 60_000).await, Ok(100));
    assert_eq!(due(&server), 100);
    // What is left is due still.
    let claimed = log.claim(GROUP, &claiming("b", 0), &all[1_000..]).await;
    assert_eq!(claimed, Ok(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_not_there_has_no_groups_until_one_is_made() {
    for flavor in FLAVORS {
        let server = Server::start(flavor, &[]);
        let log = open(&server.url(), RedisOptions::default()).await;
        assert_eq!(log.groups().await, Ok(Vec::new()), "{flavor:?}");
        let missing = GroupError::NoGroup {
            group: GROUP.into(),
            stream: STREAM.into(),
        };
        assert_eq!(log.read_new(GROUP, "a", 1).await, Err(missing.clone()));
        assert_eq!(log.pending(GROUP).await, Err(missing.clone()));
        assert_eq!(log.consumers(GROUP).await, Err(missing.clone()));
        let moved = log.set_position(GROUP, &GroupStart::End).await;
        assert_eq!(moved, Err(missing.clone()));
        assert_eq!(log.ack(GROUP, &[]).await, Err(missing));
        assert_eq!(log.destroy(GROUP).await, Ok(false));
        log.create(GROUP, &GroupStart::End).await.expect("created");
        let all = super::numbered(&log, 0..2, 1).await;
        assert_eq!(read(&log, "a", 9).await, all, "{flavor:?}");
    }
}
