//! Appends on the condition that a session is at a revision.

use recount_core::{AppendError, Batch, Event, EventLog, Outcome};

use crate::Engine;
use crate::kit::{Setup, add, append, copy, event, events, id, partition, trim_everything};

async fn refused(log: &impl EventLog, events: Vec<Event>, expected: u64) -> AppendError {
    let before = partition(log).await;
    let refused = log.append(Batch::new(events).expecting(expected)).await;
    assert_eq!(partition(log).await, before, "nothing was appended");
    refused.expect_err("the batch is refused")
}

fn mismatch(session: &str, expected: u64, actual: u64) -> AppendError {
    AppendError::RevisionMismatch {
        session_id: session.into(),
        expected,
        actual,
    }
}

pub async fn a_new_session_is_at_zero<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    assert_eq!(refused(&*log, events(0..1), 1).await, mismatch("s", 1, 0));
    append(&*log, Batch::new(events(0..1)).expecting(0)).await;
    assert_eq!(refused(&*log, events(1..2), 0).await, mismatch("s", 0, 1));
}

pub async fn the_expected_revision_appends_and_any_other_refuses<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    add(&*log, vec![event("t0", "t")]).await;
    append(&*log, Batch::new(events(0..3)).expecting(0)).await;
    for wrong in [0, 2, 4, u64::MAX] {
        let error = refused(&*log, events(3..5), wrong).await;
        assert_eq!(error, mismatch("s", wrong, 3));
    }
    let log = setup.reopen(log).await;
    let outcomes = append(&*log, Batch::new(events(3..5)).expecting(3)).await;
    assert!(matches!(outcomes[1], Outcome::Appended { revision: 5, .. }));
}

pub async fn duplicates_are_resolved_first<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    append(&*log, Batch::new(events(0..2)).expecting(0)).await;
    let outcomes = append(&*log, Batch::new(events(0..2)).expecting(0)).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Outcome::Duplicate { .. })),
        "a batch of nothing but duplicates succeeds at any revision: {outcomes:?}"
    );
    // With something new in it the condition holds.
    let error = refused(&*log, events(0..3), 0).await;
    assert_eq!(error, mismatch("s", 0, 2));
    let outcomes = append(&*log, Batch::new(events(0..3)).expecting(2)).await;
    assert!(matches!(outcomes[2], Outcome::Appended { revision: 3, .. }));
}

pub async fn a_conflict_is_no_duplicate<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    add(&*log, vec![event("e", "s"), event("other", "t")]).await;
    let conflicting = vec![event("other", "s")];
    let error = refused(&*log, conflicting.clone(), 7).await;
    assert_eq!(error, mismatch("s", 7, 1));
    let outcomes = append(&*log, Batch::new(conflicting.clone()).expecting(1)).await;
    assert!(matches!(outcomes[..], [Outcome::Conflict { .. }]));
    let strict = Batch::new(conflicting).expecting(7).strict();
    let error = log.append(strict).await.expect_err("the batch is refused");
    assert_eq!(error.code(), "conflict", "conflicts come before revisions");
}

pub async fn the_batch_must_be_of_one_session<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let batch = vec![event("a", "s"), event("b", "s"), event("c", "t")];
    let error = refused(&*log, batch, 0).await;
    let expected = AppendError::SeveralSessions {
        first: "s".into(),
        second: "t".into(),
    };
    assert_eq!(error, expected);
}

pub async fn the_revision_outlives_trims_and_restarts<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    add(&*log, events(0..3)).await;
    trim_everything(&*log).await;
    let error = refused(&*log, events(3..4), 0).await;
    assert_eq!(error, mismatch("s", 0, 3));
    let log = setup.reopen(log).await;
    let error = refused(&*log, events(3..4), 0).await;
    assert_eq!(error, mismatch("s", 0, 3));
    append(&*log, Batch::new(events(3..4)).expecting(3)).await;
}

pub async fn copies_count<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let given = log.append_with_ids(vec![copy(id(0, 0), "c", "s")]).await;
    given.expect("the copy succeeds");
    append(&*log, Batch::new(events(0..1)).expecting(1)).await;
}
