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
