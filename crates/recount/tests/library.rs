//! The handle over the reference engine: it stands on the contract of a log, not on one engine.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use recount::{
    EntryId, Event, EventType, Filter, Limits, Outcome, Query, ReadError, ReadRange, Recorded,
    Recount, Skipped, StartFrom, SystemClock, TrimLimit, TrimRequest,
};
use recount_conformance::{MemoryLog, MemoryOptions, MemoryStream};

fn recount() -> Recount {
    let options = MemoryOptions {
        clock: Arc::new(SystemClock),
        limits: Limits::default(),
        idempotency_window: Duration::from_mins(1),
    };
    Recount::over(Arc::new(MemoryLog::open(&MemoryStream::default(), options)))
}

fn event(id: usize, session: &str) -> Event {
    Event::builder(EventType::MessageAdded, session)
        .id(id.to_string())
        .build()
        .unwrap()
}

fn id(recorded: &Recorded) -> usize {
    recorded.event().unwrap().id.as_str().parse().unwrap()
}

async fn with_events(count: usize) -> Recount {
    let recount = recount();
    let events = (0..count).map(|n| event(n, if n % 3 == 0 { "a" } else { "b" }));
    let receipt = recount.record_all(events).await.unwrap();
    assert_eq!(receipt.appended(), count);
    recount
}

#[tokio::test]
async fn recording_twice_is_noticed() {
    let recount = recount();
    let first = recount.record(event(1, "a")).await.unwrap();
    assert!(matches!(first, Outcome::Appended { revision: 1, .. }));
    let again = recount.record(event(1, "a")).await.unwrap();
    assert_eq!(
        again,
        Outcome::Duplicate {
            position: first.position()
        }
    );
}

#[tokio::test]
async fn an_answer_is_walked_across_pages_in_both_directions() {
    let recount = with_events(3_500).await;
    let query = Query {
        range: ReadRange::all(),
        filter: Filter::default(),
    };
    let all = recount.events(query.clone()).collect().await.unwrap();
    assert!(all.iter().map(id).eq(0..3_500));

    let backward = Query {
        range: query.range.clone().backward(),
        ..query.clone()
    };
    let mut events = recount.events(backward).limit(2_001);
    let mut walked = Vec::new();
    while let Some(recorded) = events.next().await.unwrap() {
        walked.push(id(&recorded));
    }
    assert!(walked.into_iter().eq((1_499..3_500).rev()));

    let small_pages = Query {
        range: query.range.limit(7),
        filter: Filter::default(),
    };
    let mut events = recount.events(small_pages);
    assert_eq!(events.next().await.unwrap().as_ref().map(id), Some(0));
    let rest = events.next_page().await.unwrap().unwrap();
    assert!(rest.iter().map(id).eq(1..7));
    let next = events.next_page().await.unwrap().unwrap();
    assert!(next.iter().map(id).eq(7..14));

    let session = recount.session("a").events().collect().await.unwrap();
    assert!(session.iter().map(id).eq((0..3_500).step_by(3)));
    let none = recount
        .session("nobody")
        .events()
        .next_page()
        .await
        .unwrap();
    assert_eq!(none, None);
}

#[tokio::test]
async fn a_tail_shows_what_is_there_and_then_what_comes() {
    let recount = with_events(2_500).await;
    let third = recount
        .session("a")
        .events()
        .limit(2)
        .collect()
        .await
        .unwrap()[1]
        .position;
    let mut tail = recount
        .tail(StartFrom::After(third.entry_id))
        .await
        .unwrap();
    for n in 4..2_500 {
        assert_eq!(id(&tail.next().await.unwrap()), n);
    }
    recount.record(event(2_500, "a")).await.unwrap();
    assert_eq!(id(&tail.next().await.unwrap()), 2_500);
}

#[tokio::test]
async fn a_tail_passes_over_what_it_does_not_want_and_then_waits() {
    let recount = with_events(10).await;
    let only_a = Filter {
        session_id: Some("a".into()),
        ..Filter::default()
    };
    let mut tail = recount.tail(StartFrom::End).await.unwrap().filter(only_a);
    recount.record(event(10, "b")).await.unwrap();
    // If it took the unwanted event for news again and again, this poll would never return.
    assert!(poll(&mut pin!(tail.next())).is_pending());
    // The dropped future lost nothing.
    recount.record(event(11, "a")).await.unwrap();
    assert_eq!(id(&tail.next().await.unwrap()), 11);
}

#[tokio::test]
async fn a_tail_ends_its_wait_only_once_it_showed_what_is_there() {
    let recount = with_events(3_500).await;
    let mut tail = recount.tail(StartFrom::After(EntryId::MIN)).await.unwrap();
    let mut shown = Vec::new();
    while let Some(recorded) = tail.next_within(Duration::ZERO).await.unwrap() {
        shown.push(id(&recorded));
    }
    assert!(shown.into_iter().eq(0..3_500));
    recount.record(event(3_500, "a")).await.unwrap();
    let next = tail.next_within(Duration::ZERO).await.unwrap();
    assert_eq!(next.as_ref().map(id), Some(3_500));
}

#[tokio::test]
async fn a_tail_that_waits_is_woken() {
    let recount = recount();
    let mut tail = recount.tail(StartFrom::End).await.unwrap();
    let follower = tokio::spawn(async move { id(&tail.next().await.unwrap()) });
    tokio::task::yield_now().await;
    recount.record(event(7, "a")).await.unwrap();
    assert_eq!(follower.await.unwrap(), 7);
}

#[tokio::test]
async fn a_closed_log_ends_the_tail_with_an_error() {
    let recount = recount();
    let mut tail = recount.tail(StartFrom::End).await.unwrap();
    recount.close().await.unwrap();
    assert_eq!(tail.next().await, Err(ReadError::Closed));
}

/// Leaves the newest `count`.
async fn keep(recount: &Recount, count: u64) {
    let request = TrimRequest::exact(TrimLimit::MaxLength(count));
    recount.trim(&request).await.unwrap();
}

fn everything(range: ReadRange) -> Query {
    Query {
        range,
        filter: Filter::default(),
    }
}

#[tokio::test]
async fn a_walk_that_a_trim_overtakes_ends_with_an_error() {
    // What the walk goes on with, by number, and what is left then.
    for (backward, goes_on, left) in [
        (false, 10, 5_u8),
        (false, 10, 0),
        (true, 14, 3),
        (true, 14, 0),
    ] {
        let recount = with_events(25).await;
        let all = recount.events(everything(ReadRange::all())).collect().await;
        let ids: Vec<_> = all
            .unwrap()
            .iter()
            .map(|entry| entry.position.entry_id)
            .collect();
        let range = ReadRange::all().limit(10);
        let range = if backward { range.backward() } else { range };
        let mut events = recount.events(everything(range));
        assert_eq!(events.next_page().await.unwrap().unwrap().len(), 10);
        keep(&recount, left.into()).await;
        let trimmed = ReadError::Trimmed {
            from: ids[goes_on],
            first: (left > 0).then(|| ids[25 - usize::from(left)]),
        };
        // Asked again, it does not go on as if nothing had been.
        for _ in 0..2 {
            assert_eq!(events.next_page().await, Err(trimmed.clone()));
        }
        assert_eq!(trimmed.code(), "trimmed");
    }
}

#[tokio::test]
async fn a_walk_ahead_of_a_trim_goes_on() {
    let recount = with_events(25).await;
    let mut events = recount.events(everything(ReadRange::all().limit(10)));
    assert_eq!(events.next_page().await.unwrap().unwrap().len(), 10);
    keep(&recount, 15).await;
    let rest = events.collect().await.unwrap();
    assert!(rest.iter().map(id).eq(10..25));
}

#[tokio::test]
async fn a_tail_that_a_trim_overtakes_goes_on_and_says_so() {
    let recount = with_events(2_500).await;
    let all = recount.events(everything(ReadRange::all())).collect().await;
    let at: Vec<_> = all
        .unwrap()
        .iter()
        .map(|entry| entry.position.entry_id)
        .collect();
    let mut tail = recount.tail(StartFrom::After(EntryId::MIN)).await.unwrap();
    for n in 0..1_000 {
        assert_eq!(id(&tail.next().await.unwrap()), n);
    }
    assert_eq!(tail.skipped(), None);
    keep(&recount, 100).await;
    assert_eq!(id(&tail.next().await.unwrap()), 2_400);
    let skipped = tail.skipped().unwrap();
    assert_eq!(skipped.after.next(), Some(at[1_000]));
    assert_eq!(skipped.before, at[2_400]);
    assert_eq!(tail.skipped(), None);
    for n in 2_401..2_500 {
        assert_eq!(id(&tail.next().await.unwrap()), n);
    }

    // The same at the end of what was there, with nothing left at all.
    let gone = recount.record(event(2_500, "a")).await.unwrap().position();
    keep(&recount, 0).await;
    assert!(poll(&mut pin!(tail.next())).is_pending());
    let whole = Skipped {
        partition: 0,
        after: at[2_499],
        before: gone.entry_id.next().unwrap(),
    };
    assert_eq!(tail.skipped(), Some(whole));
}

#[tokio::test]
async fn a_tail_misses_nothing_where_a_trim_stays_behind_it() {
    let recount = with_events(10).await;
    keep(&recount, 5).await;
    // What was gone before it began was not missed.
    let mut tail = recount.tail(StartFrom::After(EntryId::MIN)).await.unwrap();
    for n in 5..10 {
        assert_eq!(id(&tail.next().await.unwrap()), n);
    }
    let waiting = async {
        let mut next = pin!(tail.next());
        assert!(poll(&mut next).is_pending());
        keep(&recount, 0).await;
        recount.record(event(10, "a")).await.unwrap();
        id(&next.await.unwrap())
    };
    assert_eq!(waiting.await, 10);
    assert_eq!(tail.skipped(), None);
}

fn poll<F: Future>(future: &mut std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
}
