//! Adding letters: once an entry, with its history, whatever happens in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use recount_conformance::{MemoryLog, MemoryOptions};
use recount_core::{EventLog, ReadRange, Timestamp, TrimLimit, TrimRequest};
use recount_runtime::{Access, DeadError, DeadLetters, Letter, LetterState, NewLetter};

use super::support::{
    Desk, GROUP, Meeting, Trying, attempt, dead_options, event, open_positions, options, over,
};

#[tokio::test]
async fn a_letter_says_what_happened() {
    let desk = Desk::with(&["s1"]).await;
    let new = NewLetter {
        first_delivered: Some(Timestamp::saturating_from_millis(7)),
        ..desk.letter(0).await
    };
    desk.letters().add(new.clone()).await.unwrap();

    let letter = desk.letters().get(desk.positions[0]).await.unwrap();
    let letter = letter.expect("there is a letter");
    assert_eq!(letter.state, LetterState::Open);
    assert_eq!((letter.round, letter.retries), (1, 0));
    assert_eq!(letter.session_id.as_deref(), Some("s1"));
    assert_eq!(letter.reason, new.reason);
    assert_eq!(letter.error, new.error);
    assert_eq!(letter.attempts, new.attempts);
    assert_eq!(letter.consumer, "c");
    assert_eq!(letter.delivery_count, 5);
    assert_eq!(letter.first_delivered, new.first_delivered);
    let event = letter.event().expect("the letter holds the event");
    assert_eq!(&event, new.entry.unwrap().event().unwrap());
}

#[tokio::test]
async fn the_events_of_letters_are_of_the_session_and_the_user_of_the_entry() {
    let desk = Desk::with(&["s1"]).await;
    desk.letters().add(desk.letter(0).await).await.unwrap();
    let log = MemoryLog::open(&desk.letters, dead_options());
    let page = log.read(&ReadRange::all()).await.unwrap();
    let event = page.entries[0].event().unwrap();
    assert_eq!(event.event_type.as_str(), "dead_letter.added");
    assert_eq!(event.session_id, "s1");
    assert_eq!(event.user_id.as_deref(), Some("ada"));
    assert_eq!(event.trace_id.as_deref(), Some("t1"));
    assert_eq!(event.causation_id.as_deref(), Some("e0"));
}

/// A process adds the letter and dies before it acknowledges the entry. It is delivered again, and again
/// becomes a dead letter; ids are remembered or not.
#[tokio::test]
async fn a_crash_before_the_acknowledgement_makes_no_second_letter() {
    for idempotency_window in [Duration::from_hours(1), Duration::ZERO] {
        let desk = Desk::with(&["s1", "s2"]).await;
        let started = || {
            desk.letters_with(MemoryOptions {
                idempotency_window,
                ..dead_options()
            })
        };
        started().add(desk.letter(0).await).await.unwrap();
        let again = NewLetter {
            delivery_count: 6,
            ..desk.letter(0).await
        };
        started().add(again).await.unwrap();

        let letters = started();
        assert_eq!(open_positions(&letters).await, desk.positions[..1]);
        let letter = letters.get(desk.positions[0]).await.unwrap().unwrap();
        assert_eq!(letter.attempts.len(), 1, "the same attempt is told once");
        assert_eq!(letter.delivery_count, 6);
    }
}

/// Two processes that share a group give up on one entry at the same time: neither knows of the other's letter
/// when it writes its own.
#[tokio::test]
async fn processes_that_give_up_together_make_one_letter() {
    let desk = Desk::with(&["s1"]).await;
    let log = Arc::new(Trying {
        meeting: Some(Meeting::default()),
        ..Trying::of(&desk.letters, usize::MAX)
    });
    let (one, other) = (over(Arc::clone(&log) as _), over(log));
    let (left, right) = (desk.letter(0).await, desk.letter(0).await);
    let (left, right) = tokio::join!(one.add(left), other.add(right));
    left.and(right).unwrap();
    let letter = desk.letters().get(desk.positions[0]).await.unwrap();
    assert_eq!(letter.expect("there is one").round, 1);
}

#[tokio::test]
async fn the_history_goes_on_over_rounds_of_retries() {
    let desk = Desk::with(&["s1"]).await;
    let position = desk.positions[0];
    let rounds = Letter::ATTEMPTS_MAX as u64 + 5;
    for round in 1..=rounds {
        let letters = desk.letters();
        let new = NewLetter {
            attempts: vec![attempt(round, "again")],
            ..desk.letter(0).await
        };
        letters.add(new).await.unwrap();
        let letter = letters.get(position).await.unwrap().unwrap();
        assert_eq!(u64::from(letter.round), round);
        assert_eq!(u64::from(letter.retries), round - 1);
        let retried = letters.retry(&[position], &*desk.log).await.unwrap();
        assert_eq!(retried.retried, [position]);
    }
    let letter = desk.letters().get(position).await.unwrap().unwrap();
    assert_eq!(letter.state, LetterState::Retried);
    assert_eq!(u64::from(letter.retries), rounds);
    let told: Vec<_> = letter.attempts.iter().map(|a| a.delivery_count).collect();
    assert_eq!(
        told,
        (6..=rounds).collect::<Vec<_>>(),
        "the newest are kept"
    );
}

/// The stream of letters was trimmed, but the ids that stood in it are remembered.
#[tokio::test]
async fn a_letter_is_added_where_an_earlier_one_was_trimmed_away() {
    let desk = Desk::with(&["s1"]).await;
    desk.letters().add(desk.letter(0).await).await.unwrap();
    let log = MemoryLog::open(&desk.letters, dead_options());
    log.trim(&all_but(0)).await.unwrap();
    assert_eq!(open_positions(&desk.letters()).await, []);

    let another = NewLetter {
        error: "something else".into(),
        ..desk.letter(0).await
    };
    desk.letters().add(another).await.unwrap();
    assert_eq!(open_positions(&desk.letters()).await, desk.positions);
}

#[tokio::test]
async fn letters_whose_events_are_trimmed_are_not_listed() {
    let desk = Desk::with(&["s1", "s2"]).await;
    let letters = desk.letters();
    for n in 0..2 {
        letters.add(desk.letter(n).await).await.unwrap();
    }
    assert_eq!(letters.count().await.unwrap(), 2);
    let log = MemoryLog::open(&desk.letters, dead_options());
    log.trim(&all_but(1)).await.unwrap();
    assert_eq!(letters.list(None, 9).await.unwrap().len(), 1);
    assert_eq!(letters.get(desk.positions[0]).await.unwrap(), None);
    assert_eq!(open_positions(&letters).await, desk.positions[1..]);
}

fn all_but(left: u64) -> TrimRequest {
    TrimRequest::exact(TrimLimit::MaxLength(left))
}

#[tokio::test]
async fn letters_are_listed_by_position_and_page_by_page() {
    let desk = Desk::with(&["s1", "s2", "s3"]).await;
    let letters = desk.letters();
    for n in [2, 0, 1] {
        letters.add(desk.letter(n).await).await.unwrap();
    }
    let mut seen = Vec::new();
    while let Some(letter) = letters.list(seen.last().copied(), 1).await.unwrap().pop() {
        seen.push(letter.position);
    }
    assert_eq!(seen, desk.positions);
}

/// Partitions of the stream of letters need not be those of the group's stream.
#[tokio::test]
async fn letters_stand_in_every_partition() {
    let desk = Desk::with(&["s", "ss", "sss"]).await;
    let log = Arc::new(Trying::two_partitions());
    let letters = over(Arc::clone(&log) as _);
    for n in 0..3 {
        letters.add(desk.letter(n).await).await.unwrap();
    }
    let started = over(log);
    assert_eq!(open_positions(&started).await, desk.positions);
    assert_eq!(started.discard(&desk.positions[1..2]).await.unwrap(), 1);
    let left = [desk.positions[0], desk.positions[2]];
    assert_eq!(open_positions(&letters).await, left);
}

/// What only looks creates nothing, and sees the stream once it is there.
#[tokio::test]
async fn looking_does_not_create_the_stream() {
    let desk = Desk::with(&["s1"]).await;
    let created = Arc::new(AtomicBool::new(false));
    let letters = || {
        let (created, stream) = (Arc::clone(&created), desk.letters.clone());
        DeadLetters::new(GROUP, move |access| {
            created.fetch_or(access == Access::Write, Ordering::SeqCst);
            let there = created.load(Ordering::SeqCst);
            let log = there.then(|| Arc::new(MemoryLog::open(&stream, dead_options())) as _);
            async move { Ok(log) }
        })
    };
    let looking = letters();
    assert_eq!(open_positions(&looking).await, []);
    assert_eq!(looking.get(desk.positions[0]).await.unwrap(), None);
    assert!(looking.blocked_sessions().await.unwrap().is_empty());
    assert!(!created.load(Ordering::SeqCst), "looking created it");

    letters().add(desk.letter(0).await).await.unwrap();
    assert_eq!(open_positions(&looking).await, desk.positions);
}

#[tokio::test]
async fn closed_letters_open_again_when_they_are_needed() {
    let desk = Desk::with(&["s1"]).await;
    let letters = {
        let stream = desk.letters.clone();
        DeadLetters::new(GROUP, move |_| {
            let log = Arc::new(MemoryLog::open(&stream, dead_options()));
            async move { Ok(Some(log as Arc<dyn EventLog>)) }
        })
    };
    letters.add(desk.letter(0).await).await.unwrap();
    letters.close().await.unwrap();
    assert_eq!(open_positions(&letters).await, desk.positions);
}

#[tokio::test]
async fn an_error_names_the_group_and_what_failed() {
    let letters = DeadLetters::new(GROUP, |_| async { Err("no such server".into()) });
    let error = letters.count().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "opening the dead letters of group audit: no such server"
    );
    let desk = Desk::with(&["s1"]).await;
    let letters = over(Arc::new(Trying::of(&desk.letters, 0)));
    let error = letters.add(desk.letter(0).await).await.unwrap_err();
    assert!(matches!(error, DeadError::Append { .. }), "{error}");
    assert_eq!(error.code(), "closed");
}

/// Something that is no letter stands in the stream.
#[tokio::test]
async fn what_is_no_letter_is_passed_over() {
    let desk = Desk::with(&["s1"]).await;
    let log = MemoryLog::open(&desk.letters, options());
    log.append(event(9, "s1").into()).await.unwrap();
    let letters = desk.letters();
    letters.add(desk.letter(0).await).await.unwrap();
    assert_eq!(open_positions(&letters).await, desk.positions);
}
