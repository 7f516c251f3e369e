//! Closing.

use recount_core::{
    AppendError, Batch, Cursor, EventLog, Query, ReadError, ReadRange, TrimError, TrimLimit,
    TrimRequest,
};

use crate::Engine;
use crate::kit::{Setup, add, all_ids, copy, event, events, id};

pub async fn later_calls_fail<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    add(&*log, events(0..2)).await;
    log.close().await.expect("closing succeeds");

    let appended = log.append(event("late", "s").into()).await;
    assert_eq!(appended, Err(AppendError::Closed));
    let copied = log.append_with_ids(vec![copy(id(9, 0), "c", "s")]).await;
    assert_eq!(copied, Err(AppendError::Closed));
    let read = log.read(&ReadRange::all()).await;
    assert_eq!(read, Err(ReadError::Closed));
    let queried = log.query(&Query::session("s")).await;
    assert_eq!(queried, Err(ReadError::Closed));
    let waited = log.wait(&Cursor::start()).await;
    assert_eq!(waited, Err(ReadError::Closed));
    assert_eq!(log.tail().await, Err(ReadError::Closed));
    assert_eq!(log.info().await, Err(ReadError::Closed));
    let request = TrimRequest::exact(TrimLimit::MaxLength(0));
    assert_eq!(log.trim(&request).await, Err(TrimError::Closed));

    drop(log);
    assert_eq!(all_ids(&*setup.open().await).await, [id(0, 0), id(0, 1)]);
}

pub async fn closing_again_does_nothing<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    for _ in 0..3 {
        assert_eq!(log.close().await, Ok(()));
    }
}

pub async fn what_is_under_way_is_finished_or_refused<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let tasks: Vec<_> = (0..32)
        .map(|n| {
            let log = std::sync::Arc::clone(&log);
            tokio::spawn(async move { log.append(Batch::new(events(n..n + 1))).await })
        })
        .collect();
    tokio::task::yield_now().await;
    log.close().await.expect("closing succeeds");
    let mut acknowledged = Vec::new();
    for task in tasks {
        match task.await.expect("the append does not panic") {
            Ok(receipt) => acknowledged.push(receipt.outcomes[0].position().entry_id),
            Err(error) => assert_eq!(error, AppendError::Closed),
        }
    }
    drop(log);
    acknowledged.sort();
    let log = setup.open().await;
    assert_eq!(all_ids(&*log).await, acknowledged);
}
