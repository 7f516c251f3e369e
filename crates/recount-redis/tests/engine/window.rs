//! The idempotency window: its bounds, and what there is without one.

use std::sync::Arc;
use std::time::Duration;

use recount_core::{
    AppendError, Batch, Cursor, Entry, EntryId, EventLog, ManualClock, Origin as _, Outcome,
    ReadRange, SessionRead, TrimLimit, TrimRequest,
};
use recount_redis::{RedisLog, RedisOptions};
use recount_testbed::{Flavor, Server};

use crate::kit::{STREAM, append, event, open, url};

fn batch(numbers: std::ops::Range<usize>) -> Batch {
    let events = numbers.map(|number| event(&format!("e{number}"), "s"));
    Batch::new(events.collect())
}

async fn detail(log: &RedisLog, name: &str) -> String {
    let info = log.info().await.expect("info");
    let found = info.details.iter().find(|(key, _)| key == name);
    found
        .unwrap_or_else(|| panic!("no {name} in {:?}", info.details))
        .1
        .clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn more_ids_than_may_be_remembered_shorten_the_window() {
    let server = Server::start(Flavor::Redis70, &[]);
    let options = RedisOptions {
        idempotency_ids_max: 90,
        ..RedisOptions::default()
    };
    let log = open(&server.url(), options).await;
    for from in (0..300).step_by(10) {
        log.append(batch(from..from + 10)).await.expect("appended");
    }
    // A slot holds a third; two full ones and the one in use are kept.
    let remembered: u64 = detail(&log, "window_ids").await.parse().expect("a number");
    assert!((60..=99).contains(&remembered), "{remembered} ids");
    let newest = log.append(batch(240..300)).await.expect("appended");
    assert_eq!(newest.duplicates(), 60);
    let oldest = log.append(batch(0..10)).await.expect("appended");
    assert_eq!(oldest.appended(), 10, "they were forgotten");
    log.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_go_once_all_their_ids_are_forgotten() {
    let server = Server::start(Flavor::Redis70, &[]);
    let clock = Arc::new(ManualClock::at(1_700_000_000_000));
    let options = RedisOptions {
        idempotency_window: Duration::from_secs(100),
        clock: Some(Arc::clone(&clock) as _),
        ..RedisOptions::default()
    };
    let log = open(&server.url(), options).await;
    for round in 0..20 {
        log.append(batch(round * 10..round * 10 + 10))
            .await
            .expect("appended");
        let again = log.append(batch(round * 10..round * 10 + 10)).await;
        assert_eq!(again.expect("appended").duplicates(), 10);
        clock.advance(30_000);
    }
    let remembered: u64 = detail(&log, "window_ids").await.parse().expect("a number");
    assert!(remembered <= 60, "{remembered} ids of 200 are remembered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_may_be_as_long_as_can_be_said() {
    let server = Server::start(Flavor::Redis70, &[]);
    let options = RedisOptions {
        idempotency_window: Duration::MAX,
        ..RedisOptions::default()
    };
    let log = open(&server.url(), options).await;
    let receipt = log.append(batch(0..3)).await.expect("appended");
    assert_eq!(receipt.appended(), 3);
    let again = log.append(batch(0..3)).await.expect("appended");
    assert_eq!(again.duplicates(), 3);
    log.register("laptop", &Cursor::start(), Duration::MAX)
        .await
        .expect("registered");
    let registered = log.registrations().await.expect("they are listed");
    assert_eq!(registered.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn info_tells_since_when_ids_are_held_that_are_still_there() {
    let server = Server::start(Flavor::Redis70, &[]);
    let clock = Arc::new(ManualClock::at(1_700_000_000_000));
    let options = RedisOptions {
        clock: Some(Arc::clone(&clock) as _),
        ..RedisOptions::default()
    };
    let log = open(&server.url(), options).await;
    log.append(batch(0..3)).await.expect("appended");
    clock.advance(3_600_000);
    log.append(batch(3..6)).await.expect("appended");
    assert_eq!(detail(&log, "window_since_ms").await, "1700000000000");
    // As when its time is over.
    server.command(&["DEL", "{memory:events}:recount:ids:0"]);
    assert_eq!(detail(&log, "window_since_ms").await, "1700003600000");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_window_everything_is_appended_as_it_comes() {
    let server = Server::start(Flavor::Redis70, &[]);
    let options = RedisOptions {
        idempotency_window: Duration::ZERO,
        ..RedisOptions::default()
    };
    let log = open(&server.url(), options).await;
    for _ in 0..2 {
        let receipt = log.append(batch(0..3)).await.expect("appended");
        assert_eq!(receipt.appended(), 3);
        let revisions = receipt.outcomes.iter().map(|outcome| match outcome {
            Outcome::Appended { revision, .. } => *revision,
            other => panic!("{other:?}"),
        });
        assert!(revisions.eq([0, 0, 0]));
    }
    let page = log.read(&ReadRange::all()).await.expect("read");
    assert_eq!(page.entries.len(), 6);
    for conditional in [batch(0..1).strict(), batch(0..1).expecting(0)] {
        let error = log.append(conditional).await.expect_err("refused");
        assert!(error.to_string().contains("idempotency window"), "{error}");
    }
    let query = recount_core::Query::session("s");
    let found = log.query(&query).await.expect("found by searching");
    assert_eq!(found.entries.len(), 6);
    let session = log
        .session(&SessionRead::last("s", 10))
        .await
        .expect("read");
    assert_eq!(session.unindexed, 6);
    assert!(!session.is_complete());
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_go_on_where_somebody_removed_the_stream() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), RedisOptions::default()).await;
    let first = append(&log, "a").await.expect("appended").position();
    assert_eq!(
        server.command(&["DEL", STREAM]),
        recount_testbed::Reply::Integer(1)
    );
    let again = append(&log, "a").await.expect("still remembered");
    assert_eq!(again, Outcome::Duplicate { position: first });
    let next = append(&log, "b").await.expect("appended").position();
    assert!(next.entry_id > first.entry_id);
    let session = log
        .session(&SessionRead::last("s", 10))
        .await
        .expect("read");
    assert_eq!((session.revision, session.retained_from), (2, Some(2)));
    assert!(!session.is_complete());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_a_later_format_is_refused() {
    let server = Server::start(Flavor::Redis70, &[]);
    server.command(&["HSET", "{memory:events}:recount:meta", "format", "2"]);
    let opened = RedisLog::open(&url(&server.url()), STREAM, RedisOptions::default()).await;
    let error = opened.expect_err("refused").to_string();
    assert!(error.contains("format 2"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn trims_stop_at_groups_and_mirrors() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), RedisOptions::default()).await;
    let receipt = log.append(batch(0..10)).await.expect("appended");
    let at = |place: usize| receipt.outcomes[place].position().entry_id;
    let five = at(5).to_string();
    server.command(&["XGROUP", "CREATE", STREAM, "audit", &five]);
    let everything = TrimRequest::exact(TrimLimit::MaxLength(0));
    let report = log.trim(&everything).await.expect("trimmed");
    assert_eq!((report.removed, report.first), (6, Some(at(6))));
    assert_eq!(report.held_back[0].by, "group audit");
    server.command(&[
        "XREADGROUP",
        "GROUP",
        "audit",
        "c",
        "COUNT",
        "2",
        "STREAMS",
        STREAM,
        ">",
    ]);
    server.command(&["XACK", STREAM, "audit", &at(6).to_string()]);
    let report = log.trim(&everything).await.expect("trimmed");
    assert_eq!(
        (report.removed, report.first),
        (1, Some(at(7))),
        "entry 7 is pending"
    );
    server.command(&["XGROUP", "DESTROY", STREAM, "audit"]);

    let lease = Duration::from_mins(1);
    log.register("laptop", &Cursor::after(at(7)), lease)
        .await
        .expect("registered");
    let report = log.trim(&everything).await.expect("trimmed");
    assert_eq!((report.removed, report.first), (1, Some(at(8))));
    assert_eq!(report.held_back[0].by, "mirror laptop");
    log.register("laptop", &Cursor::after(at(7)), Duration::ZERO)
        .await
        .expect("registered");
    let report = log.trim(&everything).await.expect("trimmed");
    assert_eq!(
        (report.removed, report.first),
        (2, None),
        "its lease is over"
    );
    assert!(log.forget("laptop").await.expect("forgotten"));
    assert!(!log.forget("laptop").await.expect("nobody there"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_entry_there_can_be_is_trimmed_like_others() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), RedisOptions::default()).await;
    let fields = recount_core::codec::encode(&event("a", "s"));
    let entries = [EntryId::new(5, 0), EntryId::MAX].map(|id| Entry::new(id, fields.clone()));
    log.append_with_ids(entries.to_vec()).await.expect("copied");
    server
        .command(&["XGROUP", "CREATE", STREAM, "audit", "$"])
        .assert_fine();
    let lease = Duration::from_mins(1);
    log.register("laptop", &Cursor::after(EntryId::MAX), lease)
        .await
        .expect("registered");
    let everything = TrimRequest::exact(TrimLimit::MaxLength(0));
    let report = log.trim(&everything).await.expect("trimmed");
    assert_eq!((report.removed, report.first), (2, None));
    assert_eq!(report.held_back, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_memory_says_so() {
    let server = Server::start(
        Flavor::Redis70,
        &["--maxmemory", "3mb", "--maxmemory-policy", "noeviction"],
    );
    let log = open(&server.url(), RedisOptions::default()).await;
    let big = || {
        let text = format!(r#"{{"text":"{}"}}"#, "x".repeat(100_000));
        let mut event = event(recount_core::EventId::generate().as_str(), "s");
        event.data = recount_core::JsonObject::parse(text).expect("data");
        event
    };
    let mut appended = 0;
    let error = loop {
        match log.append(big().into()).await {
            Ok(_) => appended += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, AppendError::Full { .. }), "{error}");
    assert!(error.to_string().contains("maxmemory"), "{error}");
    let page = log.read(&ReadRange::all()).await.expect("read");
    assert_eq!(
        page.entries.len(),
        appended,
        "nothing was lost or half done"
    );
}
