//! Retrying and discarding.

use std::sync::Arc;

use recount_core::{
    ClaimRequest, Cursor, EventLog, GroupStart, GroupStore, TrimLimit, TrimRequest,
};
use recount_runtime::{DeadError, LetterState, NewLetter, Refusal};

use parking_lot::Mutex;

use super::fast::Fast;
use super::support::{Desk, GROUP, Trying, attempt, open_positions, over};

#[tokio::test]
async fn a_retry_hands_the_entries_to_the_group_again_in_order() {
    let desk = Desk::with(&["s1", "s2", "s1"]).await;
    let letters = desk.letters();
    for n in [2, 0, 1] {
        letters.add(desk.letter(n).await).await.unwrap();
    }
    let chosen = [desk.positions[2], desk.positions[0], desk.positions[2]];
    let retried = letters.retry(&chosen, &*desk.log).await.unwrap();
    assert_eq!(retried.retried, [desk.positions[0], desk.positions[2]]);
    assert_eq!(retried.refused, []);
    assert_eq!(open_positions(&letters).await, [desk.positions[1]]);

    let request = ClaimRequest {
        consumer: "d".into(),
        min_idle_ms: 60_000,
    };
    let from = Cursor::start();
    let claim = desk.log.auto_claim(GROUP, &request, &from, 9);
    let deliveries = claim.await.unwrap().deliveries;
    let got: Vec<_> = deliveries.iter().map(|d| d.position).collect();
    assert_eq!(got, retried.retried);
    assert!(deliveries.iter().all(|d| d.delivery_count == 1));
}

#[tokio::test]
async fn a_letter_that_is_not_open_is_refused_and_nothing_done() {
    let desk = Desk::with(&["s1", "s2"]).await;
    let letters = desk.letters();
    letters.add(desk.letter(0).await).await.unwrap();
    let error = letters
        .retry(&desk.positions, &*desk.log)
        .await
        .unwrap_err();
    assert!(matches!(error, DeadError::NotOpen { .. }), "{error}");
    let error = letters.discard(&desk.positions).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "group audit has no open dead letter of entry {}: nothing was done; list the open ones",
            desk.positions[1]
        )
    );
    assert_eq!(open_positions(&letters).await, desk.positions[..1]);
    assert_eq!(desk.pending().await, []);
}

#[tokio::test]
async fn a_retry_before_the_group_acknowledged_the_entry_is_refused() {
    let desk = Desk::with(&["s1"]).await;
    let letters = desk.letters();
    letters.add(desk.letter(0).await).await.unwrap();
    // The consumer that wrote the letter has not come to acknowledge its entry.
    desk.log
        .set_position("audit", &GroupStart::Start)
        .await
        .unwrap();
    let taken = desk.log.read_new("audit", "slow", 1).await.unwrap();
    assert_eq!(taken[0].position, desk.positions[0]);
    let retried = letters.retry(&desk.positions, &*desk.log).await.unwrap();
    assert_eq!(retried.retried, []);
    let refused = [(desk.positions[0], Refusal::NotAcknowledged)];
    assert_eq!(retried.refused, refused);
    assert_eq!(open_positions(&letters).await, desk.positions);

    let acked = desk.log.ack("audit", &desk.positions).await.unwrap();
    assert_eq!(acked, 1);
    let retried = letters.retry(&desk.positions, &*desk.log).await.unwrap();
    assert_eq!(retried.retried, desk.positions);
    assert_eq!(desk.pending().await, desk.positions);
}

#[tokio::test]
async fn a_retry_of_a_trimmed_entry_is_refused_with_what_to_do() {
    let desk = Desk::with(&["s1", "s2"]).await;
    let letters = desk.letters();
    for n in 0..2 {
        letters.add(desk.letter(n).await).await.unwrap();
    }
    let trim = TrimRequest::exact(TrimLimit::MaxLength(1));
    desk.log.trim(&trim).await.unwrap();
    let retried = letters.retry(&desk.positions, &*desk.log).await.unwrap();
    assert_eq!(retried.retried, desk.positions[1..]);
    assert_eq!(retried.refused, [(desk.positions[0], Refusal::Trimmed)]);
    let words = retried.refused[0].1.to_string();
    assert!(words.contains("publish the event"), "{words}");
    assert_eq!(open_positions(&letters).await, desk.positions[..1]);
    let letter = letters.get(desk.positions[0]).await.unwrap().unwrap();
    assert!(letter.event().is_some(), "the letter has the event still");
}

/// The consumer died between adding the letter and acknowledging the entry.
#[tokio::test]
async fn an_entry_that_is_pending_still_is_in_the_groups_hands() {
    let desk = Desk::with(&["s1"]).await;
    desk.log.requeue(GROUP, &desk.positions).await.unwrap();
    let letters = desk.letters();
    letters.add(desk.letter(0).await).await.unwrap();
    let retried = letters.retry(&desk.positions, &*desk.log).await.unwrap();
    assert_eq!(retried.retried, desk.positions);
    assert_eq!(desk.pending().await, desk.positions);
}

/// The group was set back meanwhile, and will be delivered the entry anyway.
#[tokio::test]
async fn an_entry_that_is_to_be_delivered_again_is_in_the_groups_hands() {
    let desk = Desk::with(&["s1"]).await;
    let letters = desk.letters();
    letters.add(desk.letter(0).await).await.unwrap();
    let back = desk.log.set_position(GROUP, &GroupStart::Start);
    back.await.unwrap();
    let retried = letters.retry(&desk.positions, &*desk.log).await.unwrap();
    assert_eq!(retried.retried, desk.positions);
}

#[tokio::test]
async fn a_retry_for_a_group_that_is_gone_leaves_the_letters_open() {
    let desk = Desk::with(&["s1"]).await;
    let letters = desk.letters();
    letters.add(desk.letter(0).await).await.unwrap();
    desk.log.destroy(GROUP).await.unwrap();
    let error = letters
        .retry(&desk.positions, &*desk.log)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "no_group");
    assert_eq!(open_positions(&letters).await, desk.positions);
}

/// The process dies after each of the steps of a retry in turn; doing it again is harmless.
#[tokio::test]
async fn a_retry_that_broke_off_can_be_done_again() {
    for appends in 0..=2 {
        let desk = Desk::with(&["s1", "s2"]).await;
        for n in 0..2 {
            desk.letters().add(desk.letter(n).await).await.unwrap();
        }
        let breaking = over(Arc::new(Trying::of(&desk.letters, appends)));
        let broken = breaking.retry(&desk.positions, &*desk.log).await;
        assert_eq!(broken.is_ok(), appends == 2);
        let pending = if appends == 0 {
            &[][..]
        } else {
            &desk.positions
        };
        assert_eq!(desk.pending().await, pending, "{appends}");
        if appends < 2 {
            assert_eq!(open_positions(&desk.letters()).await, desk.positions);
            // One of them was handled before somebody tried again.
            desk.log.ack(GROUP, &desk.positions[..1]).await.unwrap();
            let letters = desk.letters();
            let again = letters.retry(&desk.positions, &*desk.log).await.unwrap();
            assert_eq!(again.retried, desk.positions);
        }
        assert_eq!(desk.pending().await, desk.positions);
        let letters = desk.letters();
        assert_eq!(open_positions(&letters).await, []);
        let letter = letters.get(desk.positions[0]).await.unwrap().unwrap();
        assert_eq!((letter.state, letter.retries), (LetterState::Retried, 1));
    }
}

/// A consumer is so fast that an entry fails again before its letter is closed.
#[tokio::test]
async fn an_entry_that_fails_again_during_a_retry_has_an_open_letter_afterwards() {
    let desk = Desk::with(&["s1"]).await;
    desk.letters().add(desk.letter(0).await).await.unwrap();
    let again = NewLetter {
        attempts: vec![attempt(9, "still closed")],
        ..desk.letter(0).await
    };
    let fast = Fast {
        log: Arc::clone(&desk.log),
        letters: desk.letters(),
        again: Mutex::new(Some(again)),
    };
    let letters = desk.letters();
    let retried = letters.retry(&desk.positions, &fast).await.unwrap();
    assert_eq!(retried.retried, desk.positions);
    assert_eq!(desk.pending().await, []);
    assert_eq!(open_positions(&letters).await, desk.positions);
    let letter = letters.get(desk.positions[0]).await.unwrap().unwrap();
    assert_eq!((letter.round, letter.retries), (2, 1));
    assert_eq!(letter.attempts.len(), 2);
}

#[tokio::test]
async fn discarded_letters_are_closed_and_told_of_still() {
    let desk = Desk::with(&["s1", "s2"]).await;
    let letters = desk.letters();
    for n in 0..2 {
        letters.add(desk.letter(n).await).await.unwrap();
    }
    assert_eq!(letters.discard(&desk.positions[..1]).await.unwrap(), 1);
    assert_eq!(open_positions(&desk.letters()).await, desk.positions[1..]);
    assert_eq!(desk.pending().await, []);
    let letter = desk
        .letters()
        .get(desk.positions[0])
        .await
        .unwrap()
        .unwrap();
    assert_eq!(letter.state, LetterState::Discarded);
    assert!(letter.event().is_some());
}

/// A group that was set back gives up on an entry whose letter was discarded: nobody has decided on that.
#[tokio::test]
async fn an_entry_that_dies_after_its_letter_was_discarded_has_an_open_letter() {
    let desk = Desk::with(&["s1"]).await;
    let letters = desk.letters();
    letters.add(desk.letter(0).await).await.unwrap();
    letters.discard(&desk.positions).await.unwrap();
    letters.add(desk.letter(0).await).await.unwrap();
    assert_eq!(open_positions(&letters).await, desk.positions);
    assert_eq!(letters.discard(&desk.positions).await.unwrap(), 1);
    assert_eq!(open_positions(&desk.letters()).await, []);
}
