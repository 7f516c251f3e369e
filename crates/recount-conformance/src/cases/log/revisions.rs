//! A session's entries are numbered from 1, for good.

use recount_core::{Batch, EventLog, Outcome, TrimLimit};

use crate::Engine;
use crate::kit::{
    Setup, add, append, copy, event, events, fields, id, noise, query, read_all, revisions, trim,
    trim_everything,
};

fn appended_revisions(outcomes: &[Outcome]) -> Vec<u64> {
    outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            Outcome::Appended { revision, .. } => Some(*revision),
            _ => None,
        })
        .collect()
}

pub async fn each_session_counts_for_itself<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let batch: Vec<_> = ["s", "t", "s", "s", "t", "u"]
        .iter()
        .enumerate()
        .map(|(n, session)| event(&format!("e{n}"), session))
        .collect();
    let outcomes = append(&*log, Batch::new(batch)).await;
    let expected = [1, 1, 2, 3, 2, 1];
    assert_eq!(appended_revisions(&outcomes), expected);
    let outcomes = append(&*log, event("e6", "t")).await;
    assert_eq!(appended_revisions(&outcomes), [3]);
    let log = setup.reopen(log).await;
    assert_eq!(revisions(&read_all(&*log).await), [1, 1, 2, 3, 2, 1, 3]);
    let found = query(&*log, recount_core::Query::session("t")).await;
    assert_eq!(revisions(&found), [1, 2, 3]);
}

pub async fn duplicates_take_no_revision<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    add(&*log, events(0..2)).await;
    let outcomes = append(&*log, Batch::new(events(0..3))).await;
    assert_eq!(appended_revisions(&outcomes), [3]);
}

pub async fn trims_do_not_move_revisions<E: Engine>(setup: Setup<E>) {
    let mut log = setup.open().await;
    add(&*log, events(0..4)).await;
    trim(&*log, TrimLimit::MaxLength(2)).await;
    assert_eq!(revisions(&read_all(&*log).await), [3, 4]);
    log = setup.reopen(log).await;
    assert_eq!(revisions(&read_all(&*log).await), [3, 4]);
    trim_everything(&*log).await;
    let outcomes = append(&*log, event("e4", "s")).await;
    assert_eq!(appended_revisions(&outcomes), [5]);
    trim_everything(&*log).await;
    log = setup.reopen(log).await;
    let batch = vec![event("e5", "s"), event("n0", "new")];
    let outcomes = append(&*log, Batch::new(batch)).await;
    assert_eq!(appended_revisions(&outcomes), [6, 1]);
    assert_eq!(revisions(&read_all(&*log).await), [6, 1]);
}

pub async fn copies_are_numbered_like_other_entries<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    add(&*log, events(0..1)).await;
    let flat = recount_core::Entry {
        id: id(1, 2),
        fields: fields(&[("type", "message.added"), ("session_id", "s")]),
        revision: None,
    };
    let copies = vec![copy(id(1, 0), "c", "s"), noise(id(1, 1)), flat];
    let receipt = log.append_with_ids(copies).await;
    let outcomes = receipt.expect("the copies succeed").outcomes;
    assert_eq!(appended_revisions(&outcomes), [2, 0, 3]);
    let log = setup.reopen(log).await;
    let outcomes = append(&*log, event("e1", "s")).await;
    assert_eq!(appended_revisions(&outcomes), [4]);
    assert_eq!(revisions(&read_all(&*log).await), [1, 2, 0, 3, 4]);
}

/// A copy of an entry that had this revision where it comes from.
fn numbered(entry: recount_core::Entry, revision: u64) -> recount_core::Entry {
    recount_core::Entry {
        revision: Some(revision),
        ..entry
    }
}

pub async fn a_copy_keeps_the_revision_that_it_brings<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let copies = vec![
        numbered(copy(id(1, 0), "c0", "s"), 5),
        copy(id(1, 1), "c1", "s"),
        numbered(copy(id(1, 2), "c2", "s"), 9),
        numbered(copy(id(1, 3), "c3", "t"), 2),
    ];
    let receipt = log.append_with_ids(copies).await;
    let outcomes = receipt.expect("the copies succeed").outcomes;
    assert_eq!(appended_revisions(&outcomes), [5, 6, 9, 2]);
    let log = setup.reopen(log).await;
    let more = vec![numbered(copy(id(2, 0), "c4", "s"), 20)];
    let receipt = log.append_with_ids(more).await;
    let outcomes = receipt.expect("the copy succeeds").outcomes;
    assert_eq!(appended_revisions(&outcomes), [20]);
    let batch = vec![event("e0", "s"), event("e1", "t")];
    let outcomes = append(&*log, Batch::new(batch)).await;
    assert_eq!(appended_revisions(&outcomes), [21, 3]);
    assert_eq!(revisions(&read_all(&*log).await), [5, 6, 9, 2, 20, 21, 3]);
}

pub async fn a_copy_s_revision_never_goes_back<E: Engine>(setup: Setup<E>) {
    let mut log = setup.open().await;
    add(&*log, events(0..3)).await;
    let copies = vec![
        numbered(copy(id(1, 0), "c0", "s"), 1),
        numbered(copy(id(1, 1), "c1", "s"), 4),
        numbered(copy(id(1, 2), "c2", "s"), 7),
        numbered(copy(id(1, 3), "c3", "s"), 0),
    ];
    let receipt = log.append_with_ids(copies).await;
    let outcomes = receipt.expect("the copies succeed").outcomes;
    assert_eq!(appended_revisions(&outcomes), [4, 5, 7, 8]);
    // Not either where nothing is left of the session.
    trim_everything(&*log).await;
    log = setup.reopen(log).await;
    let more = vec![numbered(copy(id(2, 0), "c4", "s"), 3)];
    let receipt = log.append_with_ids(more).await;
    let outcomes = receipt.expect("the copy succeeds").outcomes;
    assert_eq!(appended_revisions(&outcomes), [9]);
}

pub async fn a_revision_of_what_has_no_session_is_ignored<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let receipt = log
        .append_with_ids(vec![numbered(noise(id(1, 0)), 7)])
        .await;
    let outcomes = receipt.expect("the copy succeeds").outcomes;
    assert_eq!(appended_revisions(&outcomes), [0]);
    let log = setup.reopen(log).await;
    assert_eq!(revisions(&read_all(&*log).await), [0]);
}
