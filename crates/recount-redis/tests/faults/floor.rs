//! Nothing that somebody needs is trimmed, whoever else trims.

use std::time::Duration;

use recount_core::{
    Cursor, EntryId, EventLog, GroupStart, GroupStore, HeldBack, HeldUp, Lost, Origin, Position,
    SessionRead, TrimLimit, TrimReport, TrimRequest,
};
use recount_redis::RedisLog;
use recount_testbed::{Flavor, Server};

use crate::kit::{STREAM, append, ids, open, patient};

const FLAVORS: [Flavor; 5] = [
    Flavor::Redis60,
    Flavor::Redis62,
    Flavor::Redis70,
    Flavor::Redis82,
    Flavor::Valkey9,
];

/// Appends ten events and returns their ids.
async fn ten(log: &RedisLog) -> Vec<EntryId> {
    let mut entries = Vec::new();
    for number in 0..10 {
        let outcome = append(log, &format!("e{number}")).await;
        entries.push(outcome.expect("it is appended").position().entry_id);
    }
    entries
}

async fn trim_to(log: &RedisLog, length: u64) -> TrimReport {
    let request = TrimRequest::exact(TrimLimit::MaxLength(length));
    log.trim(&request).await.expect("it is trimmed")
}

/// Who holds a trim back, and the number of the first entry that each needs.
fn held<'a>(held_back: &'a [HeldBack], entries: &[EntryId]) -> Vec<(&'a str, usize)> {
    let first = |held: &HeldBack| entries.iter().position(|entry| *entry >= held.from);
    let needed = |held: &'a HeldBack| (held.by.as_str(), first(held).expect("an entry"));
    held_back.iter().map(needed).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_keeps_what_it_was_not_given_and_what_it_did_not_acknowledge() {
    for flavor in FLAVORS {
        let server = Server::start(flavor, &[]);
        let log = open(&server.url(), patient()).await;
        let entries = ten(&log).await;
        let names: Vec<String> = entries.iter().map(ToString::to_string).collect();
        let tell = |words: &str| {
            let words: Vec<&str> = words.split(' ').collect();
            server.command(&words).assert_fine();
        };
        tell("XGROUP CREATE memory:events audit 0");
        tell("XREADGROUP GROUP audit one COUNT 6 STREAMS memory:events >");
        for name in &names[..4] {
            tell(&format!("XACK memory:events audit {name}"));
        }
        let report = trim_to(&log, 1).await;
        assert_eq!(report.removed, 4, "{flavor:?}");
        assert_eq!(held(&report.held_back, &entries), [("group audit", 4)]);
        assert_eq!(report.first, Some(entries[4]));

        for name in &names[4..6] {
            tell(&format!("XACK memory:events audit {name}"));
        }
        let report = trim_to(&log, 1).await;
        assert_eq!(report.removed, 2, "{flavor:?}");
        assert_eq!(held(&report.held_back, &entries), [("group audit", 6)]);

        tell("XGROUP DESTROY memory:events audit");
        let report = trim_to(&log, 1).await;
        assert_eq!(
            (report.removed, report.held_back),
            (3, vec![]),
            "{flavor:?}"
        );
        assert_eq!(ids(&log).await, ["e9"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_nobody_calls_any_more_expires_and_a_mirror_does_not() {
    for flavor in FLAVORS {
        let server = Server::start(flavor, &[]);
        let log = open(&server.url(), patient()).await;
        let entries = ten(&log).await;
        for group in ["old", "never"] {
            let created = log.create(group, &GroupStart::Start).await;
            created.expect("it is created");
        }
        log.read_new("old", "one", 4).await.expect("it is read");
        let expiring = async |ms| {
            let request = TrimRequest {
                held_up: HeldUp::ExpireGroupsAfter(ms),
                ..TrimRequest::exact(TrimLimit::MaxLength(2))
            };
            log.trim(&request).await.expect("it is trimmed")
        };
        loop {
            let groups = log.groups().await.expect("they are listed");
            // Time passes with every look.
            if groups[1].idle_ms > Some(0) {
                break;
            }
        }
        let report = expiring(0).await;
        assert_eq!((report.removed, report.lost.len()), (0, 0), "{flavor:?}");
        assert_eq!(held(&report.held_back, &entries), [("group never", 0)]);
        assert_eq!(log.destroy("never").await, Ok(true));
        assert_eq!(expiring(3_600_000).await.removed, 0, "{flavor:?}");

        let synced = Cursor::after(entries[5]);
        let hour = Duration::from_hours(1);
        let registered = log.register("laptop", &synced, hour).await;
        registered.expect("it registers");
        let report = expiring(0).await;
        assert_eq!(report.removed, 6, "{flavor:?}");
        assert_eq!(held(&report.held_back, &entries), [("mirror laptop", 6)]);
        let lost = Lost {
            by: "group old".into(),
            entries: 6,
        };
        assert_eq!(report.lost, [lost], "{flavor:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_keeps_what_it_did_not_sync_while_its_lease_lasts() {
    let server = Server::start(Flavor::Redis60, &[]);
    let log = open(&server.url(), patient()).await;
    let entries = ten(&log).await;
    let synced = |entry: usize| -> Cursor {
        let position = Position {
            partition: 0,
            entry_id: entries[entry],
        };
        [position].into_iter().collect()
    };
    let hour = Duration::from_hours(1);
    log.register("laptop", &synced(2), hour)
        .await
        .expect("it registers");
    let report = trim_to(&log, 0).await;
    assert_eq!(report.removed, 3);
    assert_eq!(held(&report.held_back, &entries), [("mirror laptop", 3)]);

    log.register("laptop", &synced(4), hour)
        .await
        .expect("it registers");
    let info = log.info().await.expect("the log says what it is");
    let held_back = &info.partitions[0].held_back;
    assert_eq!(held(held_back, &entries), [("mirror laptop", 5)]);
    assert_eq!(trim_to(&log, 0).await.removed, 2);

    // A lease that is over holds nothing back, and is still listed.
    log.register("laptop", &synced(4), Duration::ZERO)
        .await
        .expect("it registers");
    let known = log.registrations().await.expect("they are listed");
    assert_eq!(known.len(), 1);
    assert_eq!(
        (known[0].name.as_str(), known[0].lease_left_ms),
        ("laptop", 0)
    );
    assert_eq!(trim_to(&log, 2).await.removed, 3);

    log.register("laptop", &synced(4), hour)
        .await
        .expect("it registers");
    assert_eq!(trim_to(&log, 0).await.removed, 0);
    assert!(log.forget("laptop").await.expect("it is forgotten"));
    assert!(!log.forget("laptop").await.expect("it is not there"));
    assert_eq!(trim_to(&log, 0).await.removed, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_somebody_else_trimmed_is_not_complete() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), patient()).await;
    ten(&log).await;
    let read = SessionRead::last("s", 100);
    assert!(log.session(&read).await.expect("it is read").is_complete());
    server
        .command(&["XTRIM", STREAM, "MAXLEN", "4"])
        .assert_fine();
    let page = log.session(&read).await.expect("it is read");
    assert_eq!((page.revision, page.retained_from), (10, Some(7)));
    assert_eq!(page.entries.len(), 4);
    assert!(!page.is_complete());
    // Also where fewer are asked for than are kept.
    let page = log
        .session(&SessionRead::last("s", 2))
        .await
        .expect("it is read");
    assert_eq!((page.entries.len(), page.retained_from), (2, Some(7)));
    append(&log, "more").await.expect("it is appended");
    let page = log.session(&read).await.expect("it is read");
    assert_eq!((page.revision, page.retained_from), (11, Some(7)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_somebody_removed_begins_again_above_its_last_id() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), patient()).await;
    let last = *ten(&log).await.last().expect("there are ten");
    server.command(&["DEL", STREAM]).assert_fine();
    assert_eq!(ids(&log).await, Vec::<String>::new());
    let outcome = append(&log, "more").await.expect("it is appended");
    assert!(outcome.position().entry_id > last);
    // What was acknowledged as a session's tenth is not counted again.
    let page = log
        .session(&SessionRead::last("s", 9))
        .await
        .expect("it is read");
    assert_eq!((page.revision, page.retained_from), (11, Some(11)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_emptied_is_written_to_anew() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), patient()).await;
    ten(&log).await;
    server.command(&["FLUSHALL"]).assert_fine();
    let outcome = append(&log, "e0").await.expect("it is appended");
    assert!(
        matches!(outcome, recount_core::Outcome::Appended { revision: 1, .. }),
        "{outcome:?}"
    );
    assert_eq!(ids(&log).await, ["e0"]);
}

/// Redis 6.2.5 keeps times within a node of a stream in too few bits for that, and removes the wrong entries.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_spans_months_is_trimmed_exactly() {
    for flavor in FLAVORS {
        let server = Server::start(flavor, &[]);
        for (number, id) in ["1600000000000-9", "1700000000000-0", "1700000000000-1"]
            .iter()
            .enumerate()
        {
            let id_of_event = format!("e{number}");
            let fields = ["id", &id_of_event, "type", "a.b", "session_id", "s"];
            let words = [&["XADD", STREAM, id], &fields[..]].concat();
            server.command(&words).assert_fine();
        }
        let log = open(&server.url(), patient()).await;
        let report = trim_to(&log, 1).await;
        assert_eq!(report.removed, 2, "{flavor:?}");
        assert_eq!(ids(&log).await, ["e2"], "{flavor:?}");
    }
}
