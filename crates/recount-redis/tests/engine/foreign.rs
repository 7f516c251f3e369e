//! Entries of other programs, and entries that other programs removed.

use recount_core::{Batch, EventLog, Filter, Query, ReadRange, SessionRead};
use recount_redis::{RedisLog, RedisOptions};
use recount_testbed::{Flavor, Server};

use crate::kit::{STREAM, event, open};

async fn numbered(log: &RedisLog, count: usize) -> Vec<String> {
    let events = (0..count).map(|number| event(&format!("e{number}"), "s"));
    let receipt = log.append(Batch::new(events.collect())).await;
    let receipt = receipt.expect("appended");
    let ids = receipt.outcomes.iter();
    ids.map(|outcome| outcome.position().entry_id.to_string())
        .collect()
}

async fn warned(log: &RedisLog, of: &str) -> bool {
    let info = log.info().await.expect("info");
    info.warnings.iter().any(|warning| warning.contains(of))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_add_is_found_and_said() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), RedisOptions::default()).await;
    numbered(&log, 3).await;
    assert!(!warned(&log, "other programs").await);
    let mut nothing = Query::session("s");
    nothing.range.limit = 0;
    let page = log.query(&nothing).await.expect("found");
    assert_eq!(page, recount_core::Page::default());
    server.command(&[
        "XADD",
        STREAM,
        "*",
        "type",
        "tool.called",
        "session_id",
        "s",
        "timestamp",
        "1700000000",
        "tool",
        "search",
        "tokens",
        "7",
    ]);
    let found = log.query(&Query::session("s")).await.expect("found");
    assert_eq!(
        found.entries.len(),
        4,
        "a stream with others' entries is searched"
    );
    let foreign = &found.entries[3];
    assert_eq!(foreign.revision, 0);
    let event = foreign.event().expect("an event");
    assert_eq!(event.timestamp.as_millis(), 1_700_000_000_000);
    assert_eq!(event.data.as_str(), r#"{"tokens":7,"tool":"search"}"#);

    let page = log.session(&SessionRead::last("s", 9)).await.expect("read");
    assert_eq!((page.entries.len(), page.unindexed), (3, 1));
    assert!(!page.is_complete());
    assert!(warned(&log, "1 entries were added by other programs").await);
    let request = recount_core::TrimRequest::exact(recount_core::TrimLimit::MaxLength(0));
    assert_eq!(log.trim(&request).await.expect("trimmed").removed, 4);
    assert!(!warned(&log, "other programs").await, "it is gone");
    numbered(&log, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_removed_makes_a_session_incomplete() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), RedisOptions::default()).await;
    let ids = numbered(&log, 10).await;
    let read = async |last| {
        let page = log
            .session(&SessionRead::last("s", last))
            .await
            .expect("read");
        (page.entries.len(), page.revision, page.retained_from)
    };
    assert_eq!(read(10).await, (10, 10, Some(1)));
    server.command(&["XDEL", STREAM, &ids[4]]);
    assert_eq!(
        read(10).await,
        (9, 10, Some(6)),
        "an entry is missing in the middle"
    );
    server.command(&["XTRIM", STREAM, "MAXLEN", "3"]);
    assert_eq!(read(10).await, (3, 10, Some(8)));
    assert_eq!(read(2).await, (2, 10, Some(8)));
    assert_eq!(read(0).await, (0, 10, Some(8)));
    let next = log
        .append(event("next", "s").into())
        .await
        .expect("appended");
    assert_eq!(next.appended(), 1);
    assert_eq!(read(10).await, (4, 11, Some(8)));
}

#[tokio::test(flavor = "multi_thread")]
async fn long_sessions_are_paged_in_both_directions() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), RedisOptions::default()).await;
    for part in 0..6 {
        let events = (0..2_000).map(|number| {
            let session = if number % 2 == 0 { "long" } else { "other" };
            event(&format!("{part}-{number}"), session)
        });
        log.append(Batch::new(events.collect()))
            .await
            .expect("appended");
    }
    let all = log.read(&ReadRange::all()).await.expect("read");
    let middle = all.entries[5_000].position.entry_id;
    for backward in [false, true] {
        let mut query = Query {
            range: ReadRange::new(recount_core::IdRange::after(middle)).limit(700),
            filter: Filter {
                session_id: Some("long".into()),
                ..Filter::default()
            },
        };
        if backward {
            query.range = query.range.backward();
        }
        let mut revisions = Vec::new();
        loop {
            let page = log.query(&query).await.expect("found");
            assert!(page.entries.len() <= 700);
            revisions.extend(page.entries.iter().map(|recorded| recorded.revision));
            match page.next {
                Some(next) => query.range = query.range.continued(next),
                None => break,
            }
        }
        if backward {
            revisions.reverse();
        }
        assert!(
            revisions.iter().copied().eq(2_502..=6_000),
            "{} entries",
            revisions.len()
        );
    }
}
