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
        filter: Filter::default(),
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

/// Two sessions that were recorded one after the other and happened at the same time; in the first,
/// something was recorded late.
async fn two_sessions() -> Recount {
    let recount = Recount::over(memory());
    let events = vec![
        event("a1", "a", 1_000),
        event("a3", "a", 3_000),
        event("a2", "a", 2_000),
        event("a5", "a", 5_000),
        event("c0", "c", 0),
        event("b2", "b", 2_500),
        event("b3", "b", 3_000),
        event("b9", "b", 9_000),
    ];
    recount.append(Batch::new(events)).await.unwrap();
    recount
}

#[tokio::test(start_paused = true)]
async fn sessions_side_by_side_come_as_they_happened_each_in_its_own_order() {
    let recount = two_sessions().await;
    let replay = recount.replay_sessions(["b", "a", "b"]).await.unwrap();
    let merged = [
        ("a1", 0),
        ("b2", 1_500),
        ("a3", 2_000),
        ("a2", 2_000),
        ("b3", 2_000),
        ("a5", 4_000),
        ("b9", 8_000),
    ];
    assert_eq!(delivered(replay).await, told(&merged));
    let none = recount.replay_sessions(Vec::<String>::new()).await.unwrap();
    assert_eq!(delivered(none).await, told(&[]));
    let one_user = Query {
        filter: Filter {
            session_id: Some("c".into()),
            ..Filter::default()
        },
        ..everything()
    };
    let replay = recount.replay(one_user).await.unwrap();
    let replay = replay.side_by_side(["b"]).pace(Pace::Fast);
    assert_eq!(
        delivered(replay).await,
        told(&[("b2", 0), ("b3", 0), ("b9", 0)])
    );
}

#[tokio::test(start_paused = true)]
async fn only_what_happened_within_and_what_is_asked_for_is_replayed() {
    let recount = two_sessions().await;
    let at = |ms| Some(Timestamp::from_millis(ms).unwrap());
    let replay = || async { recount.replay(everything()).await.unwrap().pace(Pace::Fast) };
    let within = replay().await.happened(at(2_500), at(5_000));
    assert_eq!(
        delivered(within).await,
        told(&[("a3", 0), ("b2", 0), ("b3", 0)])
    );
    let late = replay().await.happened(at(5_000), None);
    assert_eq!(delivered(late).await, told(&[("a5", 0), ("b9", 0)]));
    let only = replay()
        .await
        .only(|recorded| recorded.event().unwrap().id.as_str().ends_with('3'));
    assert_eq!(delivered(only).await, told(&[("a3", 0), ("b3", 0)]));
    // The pace is that of what is delivered.
    let sessions = recount.replay_sessions(["a", "b"]).await.unwrap();
    let within = sessions.happened(at(3_000), None);
    assert_eq!(
        delivered(within).await,
        told(&[("a3", 0), ("b3", 0), ("a5", 2_000), ("b9", 6_000)])
    );
}

#[tokio::test(start_paused = true)]
async fn a_replay_goes_on_wherever_it_was_left() {
    /// The ids of the next `max` events.
    async fn ids(replay: &mut Replay, max: usize) -> Vec<String> {
        let mut ids = Vec::new();
        while ids.len() < max {
            let batch = replay.next_batch(max - ids.len()).await.unwrap();
            if batch.is_empty() {
                break;
            }
            let id = |recorded: &Recorded| recorded.event().unwrap().id.to_string();
            ids.extend(batch.iter().map(id));
        }
        ids
    }
    let recount = two_sessions().await;
    for side_by_side in [false, true] {
        let begin = async || {
            let replay = if side_by_side {
                recount.replay_sessions(["a", "b", "c"]).await
            } else {
                recount.replay(everything()).await
            };
            replay.unwrap().pace(Pace::Fast)
        };
        let whole = ids(&mut begin().await, usize::MAX).await;
        assert!(whole.len() >= 8, "{whole:?}");
        let end = begin().await.end().clone();
        let later = format!("later{side_by_side}");
        recount.record(event(&later, "a", 10_000)).await.unwrap();
        for cut in 0..=whole.len() {
            let mut first = begin().await;
            let mut all = ids(&mut first, cut).await;
            assert_eq!(all.len(), cut);
            let mark = first.mark();
            assert_eq!(mark.is_some(), cut > 0);
            drop(first);
            let mut rest = begin().await.up_to(end.clone());
            if let Some(mark) = mark {
                rest = rest.after(mark);
                assert_eq!(rest.mark(), Some(mark));
            }
            all.extend(ids(&mut rest, usize::MAX).await);
            assert_eq!(all, whole, "cut at {cut}");
        }
        // With nothing said about the end, what came since is replayed too.
        let now = ids(&mut begin().await, usize::MAX).await;
        assert!(now.contains(&later), "{now:?}");
    }
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
