//! Waiting: at once if there is something, until there is something otherwise.

use std::sync::Arc;

use recount_core::{Cursor, EntryId, EventLog, Position, ReadError, TrimLimit};
use tokio::task::JoinHandle;

use crate::Engine;
use crate::kit::{
    Setup, add, add_one, at, copy, event, events, id, read_all, trim, trim_everything,
};

/// Starts to wait, in a task of its own.
fn waiting<L: EventLog>(log: &Arc<L>, cursor: Cursor) -> JoinHandle<Result<(), ReadError>> {
    let log = Arc::clone(log);
    tokio::spawn(async move { log.wait(&cursor).await })
}

/// Lets the waiting tasks run, and asserts that they go on waiting.
///
/// A wait that ends although it must not may still slip through here; it cannot be told from one
/// that is slow. What follows in the cases catches it.
async fn assert_waiting<L: EventLog>(log: &Arc<L>, task: &JoinHandle<Result<(), ReadError>>) {
    for _ in 0..20 {
        tokio::task::yield_now().await;
        read_all(&**log).await;
    }
    assert!(!task.is_finished(), "there is nothing after the cursor");
}

async fn ends(task: JoinHandle<Result<(), ReadError>>) -> Result<(), ReadError> {
    task.await.expect("the wait does not panic")
}

pub async fn it_returns_at_once_if_there_is_something<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let ids = add(&*log, events(0..3)).await;
    let cursors = [
        Cursor::start(),
        Cursor::after(EntryId::MIN),
        Cursor::after(ids[0]),
        Cursor::after(ids[1]),
        Cursor::after(EntryId::new(ids[2].ms - 1, 0)),
    ];
    for cursor in cursors {
        assert_eq!(log.wait(&cursor).await, Ok(()), "{cursor:?}");
    }
    let log = setup.reopen(log).await;
    assert_eq!(log.wait(&Cursor::after(ids[1])).await, Ok(()));
}

pub async fn an_append_ends_the_wait<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let first = waiting(&log, Cursor::start());
    assert_waiting(&log, &first).await;
    let id = add_one(&*log, event("e0", "s")).await;
    assert_eq!(ends(first).await, Ok(()));

    let second = waiting(&log, Cursor::after(id));
    assert_waiting(&log, &second).await;
    add_one(&*log, event("e1", "s")).await;
    assert_eq!(ends(second).await, Ok(()));
}

pub async fn a_copy_ends_the_wait<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let task = waiting(&log, Cursor::start());
    assert_waiting(&log, &task).await;
    let receipt = log.append_with_ids(vec![copy(id(0, 0), "c", "s")]).await;
    receipt.expect("the copy succeeds");
    assert_eq!(ends(task).await, Ok(()));
}

pub async fn what_is_visible_when_the_wait_ends_can_be_read<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let reader = {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            let mut cursor = Cursor::start();
            let mut seen = Vec::new();
            while seen.len() < 200 {
                log.wait(&cursor).await.expect("the wait succeeds");
                let after = recount_core::IdRange::after(cursor.get(0));
                let page = log.read(&recount_core::ReadRange::new(after)).await;
                let page = page.expect("the read succeeds");
                assert!(!page.entries.is_empty(), "a wait ends for an entry");
                for entry in page.entries {
                    cursor.advance(entry.position);
                    seen.push(entry.position.entry_id);
                }
            }
            seen
        })
    };
    let mut sent = Vec::new();
    for n in 0..200 {
        sent.extend(add(&*log, events(n..n + 1)).await);
        if n % 3 == 0 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(reader.await.expect("the reader ends"), sent);
}

pub async fn refused_and_repeated_events_do_not_end_it<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let last = add_one(&*log, event("e", "s")).await;
    let task = waiting(&log, Cursor::after(last));
    crate::kit::append(&*log, event("e", "s")).await;
    crate::kit::append(&*log, event("e", "other")).await;
    crate::kit::append(&*log, recount_core::Batch::default()).await;
    assert_waiting(&log, &task).await;
    add_one(&*log, event("new", "s")).await;
    assert_eq!(ends(task).await, Ok(()));
}

pub async fn trimmed_entries_do_not_count<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let ids = add(&*log, events(0..4)).await;
    trim(&*log, TrimLimit::MaxLength(1)).await;
    assert_eq!(log.wait(&Cursor::after(ids[1])).await, Ok(()));
    trim_everything(&*log).await;
    let task = waiting(&log, Cursor::after(ids[1]));
    assert_waiting(&log, &task).await;
    add(&*log, events(4..5)).await;
    assert_eq!(ends(task).await, Ok(()));
}

pub async fn a_cursor_ahead_of_the_tail_waits_for_what_lies_after_it<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let task = waiting(&log, Cursor::after(id(100, 5)));
    add(&*log, events(0..1)).await;
    let copies = vec![copy(id(100, 4), "c4", "s"), copy(id(100, 5), "c5", "s")];
    let receipt = log.append_with_ids(copies).await;
    receipt.expect("the copies succeed");
    assert_waiting(&log, &task).await;
    let receipt = log.append_with_ids(vec![copy(id(100, 6), "c6", "s")]).await;
    receipt.expect("the copy succeeds");
    assert_eq!(ends(task).await, Ok(()));
}

pub async fn a_cursor_may_name_partitions_there_are_none_of<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let foreign = Position {
        partition: 77,
        entry_id: id(0, 0),
    };
    let first = add_one(&*log, event("e0", "s")).await;
    let task = waiting(&log, [at(first), foreign].into_iter().collect());
    assert_waiting(&log, &task).await;
    add_one(&*log, event("e1", "s")).await;
    assert_eq!(ends(task).await, Ok(()));
}

pub async fn one_append_ends_every_wait<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let tasks: Vec<_> = (0..100).map(|_| waiting(&log, Cursor::start())).collect();
    assert_waiting(&log, &tasks[99]).await;
    add_one(&*log, event("e", "s")).await;
    for task in tasks {
        assert_eq!(ends(task).await, Ok(()));
    }
}

pub async fn a_wait_that_is_dropped_harms_nobody<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let task = waiting(&log, Cursor::start());
    for _ in 0..10 {
        let dropped = waiting(&log, Cursor::start());
        tokio::task::yield_now().await;
        dropped.abort();
        assert!(dropped.await.is_err());
    }
    add_one(&*log, event("e", "s")).await;
    assert_eq!(ends(task).await, Ok(()));
}

pub async fn closing_ends_every_wait<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let last = add_one(&*log, event("e", "s")).await;
    let tasks: Vec<_> = (0..10)
        .map(|_| waiting(&log, Cursor::after(last)))
        .collect();
    assert_waiting(&log, &tasks[9]).await;
    log.close().await.expect("closing succeeds");
    for task in tasks {
        assert_eq!(ends(task).await, Err(ReadError::Closed));
    }
}
