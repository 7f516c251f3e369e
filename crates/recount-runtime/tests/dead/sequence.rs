//! Groups that keep the order: what follows a dead letter in its session.

use std::sync::Arc;

use recount_core::{EntryId, Position};
use recount_runtime::{DeadLetters, Refusal};

use super::support::{Desk, Trying, open_positions, over};

/// Four entries of a session, the first two of them dead, and one of another.
async fn desk() -> (Desk, DeadLetters) {
    let desk = Desk::with(&["s1", "s1", "s1", "s1", "s2"]).await;
    let letters = desk.letters();
    letters.add(desk.letter(0).await).await.unwrap();
    letters.add(desk.follower(1).await).await.unwrap();
    (desk, letters)
}

async fn blocked(letters: &DeadLetters, session: &str, position: Position) -> bool {
    let sessions = letters.blocked_sessions().await.unwrap();
    let blocks = sessions.blocks(session, position);
    let one = letters.is_blocked(session, position).await.unwrap();
    assert_eq!(one, blocks, "{session} {position}");
    blocks
}

#[tokio::test]
async fn what_follows_an_open_letter_in_its_session_is_blocked() {
    let (desk, letters) = desk().await;
    for (n, is_blocked) in [false, true, true, true].into_iter().enumerate() {
        let position = desk.positions[n];
        assert_eq!(blocked(&letters, "s1", position).await, is_blocked, "{n}");
    }
    assert!(!blocked(&letters, "s2", desk.positions[4]).await);
    let sessions = letters.blocked_sessions().await.unwrap();
    let sessions: Vec<_> = sessions.iter().collect();
    assert_eq!(sessions, [("s1", desk.positions[0])]);
}

/// Another process adds and closes letters.
#[tokio::test]
async fn whether_a_session_is_blocked_is_seen_at_once_by_every_process() {
    let (desk, letters) = desk().await;
    let other = desk.letters();
    assert!(blocked(&other, "s1", desk.positions[3]).await);
    letters.discard(&desk.positions[..2]).await.unwrap();
    assert!(other.blocked_sessions().await.unwrap().is_empty());
    letters.add(desk.letter(2).await).await.unwrap();
    assert!(blocked(&other, "s1", desk.positions[3]).await);
    assert_eq!(other.blocked_sessions().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_follower_is_retried_with_or_after_what_it_follows() {
    let (desk, letters) = desk().await;
    let alone = letters.retry(&desk.positions[1..2], &*desk.log).await;
    let alone = alone.unwrap();
    assert_eq!(alone.retried, []);
    let refused = [(desk.positions[1], Refusal::Follows(desk.positions[0]))];
    assert_eq!(alone.refused, refused);
    assert_eq!(desk.pending().await, []);

    let both = letters.retry(&desk.positions[..2], &*desk.log).await;
    assert_eq!(both.unwrap().retried, desk.positions[..2]);
    assert_eq!(desk.pending().await, desk.positions[..2]);
    assert!(letters.blocked_sessions().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_first_letter_of_a_session_may_be_retried_alone() {
    let (desk, letters) = desk().await;
    let first = letters.retry(&desk.positions[..1], &*desk.log).await;
    assert_eq!(first.unwrap().retried, desk.positions[..1]);
    assert_eq!(open_positions(&letters).await, desk.positions[1..2]);
    assert!(!blocked(&letters, "s1", desk.positions[0]).await);
    assert!(!blocked(&letters, "s1", desk.positions[1]).await);
    assert!(blocked(&letters, "s1", desk.positions[2]).await);
}

/// While a retry is under way, its entries may be claimed before their letters are closed.
#[tokio::test]
async fn entries_that_are_retried_together_do_not_block_each_other() {
    let (desk, _) = desk().await;
    let breaking = over(Arc::new(Trying::of(&desk.letters, 1)));
    let broken = breaking.retry(&desk.positions[..2], &*desk.log).await;
    broken.unwrap_err();
    assert_eq!(desk.pending().await, desk.positions[..2]);
    let letters = desk.letters();
    assert!(!blocked(&letters, "s1", desk.positions[0]).await);
    assert!(!blocked(&letters, "s1", desk.positions[1]).await);
    assert!(
        blocked(&letters, "s1", desk.positions[2]).await,
        "new ones wait"
    );

    // The first fails again: what follows it is blocked again.
    letters.add(desk.letter(0).await).await.unwrap();
    assert!(blocked(&letters, "s1", desk.positions[1]).await);
    assert!(!blocked(&letters, "s1", desk.positions[0]).await);
}

#[tokio::test]
async fn positions_of_other_entries_say_nothing() {
    let (desk, letters) = desk().await;
    let before = Position {
        partition: 0,
        entry_id: EntryId::new(1, 0),
    };
    assert!(!blocked(&letters, "s1", before).await);
    assert!(!blocked(&letters, "nobody", desk.positions[3]).await);
}
