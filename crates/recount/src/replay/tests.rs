use std::sync::Arc;
use std::time::Duration;

use recount_conformance::{MemoryLog, MemoryOptions, MemoryStream};
use recount_core::{
    Batch, Event, EventType, JsonObject, Limits, Query, ReadRange, Schema, SystemClock, Timestamp,
    Upcasters,
};
use tokio::time::Instant;

use super::*;

fn event(id: &str, session: &str, happened_ms: i64) -> Event {
    Event::builder(EventType::MessageAdded, session)
        .id(id)
        .timestamp(Timestamp::from_millis(happened_ms).unwrap())
        .data(JsonObject::parse(r#"{"n":1}"#).unwrap())
        .build()
        .unwrap()
}

fn memory() -> Arc<dyn recount_core::EventLog> {
    let options = MemoryOptions {
        clock: Arc::new(SystemClock),
        limits: Limits::default(),
        idempotency_window: Duration::from_hours(1),
    };
    Arc::new(MemoryLog::open(&MemoryStream::default(), options))
}

fn everything() -> Query {
    Query {
        range: ReadRange::all(),
        filter: recount_core::Filter::default(),
    }
}

async fn recorded() -> Recount {
    let recount = Recount::over(memory());
    let events = vec![
        event("a", "s1", 1_000),
        event("b", "s2", 3_000),
        event("c", "s1", 3_000),
        event("d", "s1", 63_000),
    ];
    recount.append(Batch::new(events)).await.unwrap();
    recount
}

/// Who is delivered after how many milliseconds.
async fn delivered(replay: Replay) -> Vec<(String, u128)> {
    let began = Instant::now();
    let mut all = Vec::new();
    let counted = replay
        .run(async |recorded| {
            let event = recorded.event().unwrap();
            assert!(event.replayed, "{} is not marked", event.id);
            all.push((event.id.to_string(), began.elapsed().as_millis()));
            Ok::<(), ()>(())
        })
        .await;
    assert_eq!(counted.unwrap() as usize, all.len());
    all
}

fn told(expected: &[(&str, u128)]) -> Vec<(String, u128)> {
    let owned = expected.iter().map(|&(id, ms)| (id.to_owned(), ms));
    owned.collect()
}

#[tokio::test(start_paused = true)]
async fn events_come_at_their_pace_and_marked() {
    let recount = recorded().await;
    let replay = || async { recount.replay(everything()).await.unwrap() };
    let at_once = [("a", 0), ("b", 0), ("c", 0), ("d", 0)];
    assert_eq!(
        delivered(replay().await.pace(Pace::Fast)).await,
        told(&at_once)
    );
    let happened = [("a", 0), ("b", 2_000), ("c", 2_000), ("d", 62_000)];
    assert_eq!(delivered(replay().await).await, told(&happened));
    let tenfold = [("a", 0), ("b", 200), ("c", 200), ("d", 6_200)];
    assert_eq!(
        delivered(replay().await.pace(Pace::Times(10.0))).await,
        told(&tenfold)
    );
    let capped = [("a", 0), ("b", 2_000), ("c", 2_000), ("d", 5_000)];
    let gap = Duration::from_secs(3);
    assert_eq!(delivered(replay().await.gap_max(gap)).await, told(&capped));
    // What is stored is not marked.
    let stored = recount.events(everything()).collect().await.unwrap();
    assert!(
        stored
            .iter()
            .all(|recorded| !recorded.event().unwrap().replayed)
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_recorded_meanwhile_is_not_replayed() {
    let recount = recorded().await;
    let replay = recount.replay(Query::session("s1")).await.unwrap();
    recount.record(event("e", "s1", 64_000)).await.unwrap();
    let expected = [("a", 0), ("c", 2_000), ("d", 62_000)];
    assert_eq!(delivered(replay).await, told(&expected));
}

#[tokio::test(start_paused = true)]
async fn a_batch_holds_what_is_due_and_a_dropped_call_loses_nothing() {
    let recount = recorded().await;
    let mut replay = recount.replay(everything()).await.unwrap();
    let ids = |batch: Vec<Recorded>| -> Vec<String> {
        let id = |recorded: &Recorded| recorded.event().unwrap().id.to_string();
        batch.iter().map(id).collect()
    };
    assert_eq!(ids(replay.next_batch(10).await.unwrap()), ["a"]);
    let dropped = tokio::time::timeout(Duration::from_millis(1), replay.next_batch(10)).await;
    assert!(dropped.is_err());
    assert_eq!(ids(replay.next_batch(10).await.unwrap()), ["b", "c"]);
    assert_eq!(ids(replay.next_batch(10).await.unwrap()), ["d"]);
    assert!(replay.next_batch(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_failing_handler_ends_it_and_names_the_entry() {
    let recount = recorded().await;
    let replay = recount.replay(everything()).await.unwrap().pace(Pace::Fast);
    let result = replay
        .run(
            async |recorded| match recorded.event().unwrap().id.as_str() {
                "b" => Err("no"),
                _ => Ok(()),
            },
        )
        .await;
    let error = result.unwrap_err().to_string();
    assert!(
        error.starts_with("the handler failed at entry ") && error.ends_with(": no"),
        "{error}"
    );
}

#[tokio::test]
async fn every_way_of_reading_sees_the_newest_version_and_raw_the_stored_one() {
    let upcasters = Upcasters::builder()
        .step(EventType::MessageAdded, 1, |mut data| {
            data.insert("lifted".into(), true.into());
            Ok(data)
        })
        .build()
        .unwrap();
    let recount = Recount::opened(memory(), upcasters, None);
    let mut tail = recount.tail(recount_core::StartFrom::End).await.unwrap();
    recount.record(event("a", "s1", 1_000)).await.unwrap();
    let lifted = r#"{"lifted":true,"n":1}"#;
    let check = |recorded: &Recorded, way: &str| {
        let event = recorded.event().unwrap();
        assert_eq!(
            event.data.to_map(),
            JsonObject::parse(lifted).unwrap().to_map(),
            "{way}"
        );
        assert_eq!(event.version, 2, "{way}");
        assert_eq!(recorded.schema, Schema::Upcast { from: 1 }, "{way}");
    };
    check(&tail.next().await.unwrap(), "tail");
    check(
        &recount.events(everything()).collect().await.unwrap()[0],
        "range",
    );
    check(
        &recount.session("s1").events().collect().await.unwrap()[0],
        "query",
    );
    let mut replay = recount.replay(everything()).await.unwrap();
    check(&replay.next().await.unwrap().unwrap(), "replay");
    let stored = recount.raw().events(everything()).collect().await.unwrap();
    assert_eq!(stored[0].event().unwrap().data.as_str(), r#"{"n":1}"#);
    assert_eq!(stored[0].schema, Schema::AsStored);
    // Published again as it was stored, it is the same event.
    let again = recount.record(event("a", "s1", 1_000)).await.unwrap();
    assert!(
        matches!(again, recount_core::Outcome::Duplicate { .. }),
        "{again:?}"
    );
}
