//! A second handle on the same stream.

use std::sync::Arc;

use recount_core::{AppendError, Cursor, EventLog, Query, TrimError, TrimLimit, TrimRequest};

use crate::Engine;
use crate::kit::{
    Setup, add, add_one, all_ids, copy, event, events, id, ids, partition, query, trim,
};

pub async fn it_sees_every_acknowledged_append<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let mut expected = add(&*log, events(0..3)).await;
    let follower = setup.follow().await;
    assert_eq!(all_ids(&*follower).await, expected);
    for n in 3..20 {
        expected.extend(add(&*log, events(n..n + 1)).await);
        assert_eq!(all_ids(&*follower).await, expected);
        let found = query(&*follower, Query::session("s")).await;
        assert_eq!(ids(&found), expected);
        let tail = follower.tail().await.expect("the tail is known");
        assert_eq!(tail.get(0), expected[n]);
    }
    let mut seen = partition(&*follower).await;
    seen.held_back.clear();
    assert_eq!(seen, partition(&*log).await);
}

pub async fn its_wait_ends_with_an_append<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let last = add_one(&*log, event("e0", "s")).await;
    let follower = setup.follow().await;
    for n in 1..10 {
        let task = {
            let follower = Arc::clone(&follower);
            let cursor = follower.tail().await.expect("the tail is known");
            tokio::spawn(async move { follower.wait(&cursor).await })
        };
        tokio::task::yield_now().await;
        add(&*log, events(n..n + 1)).await;
        assert_eq!(task.await.expect("the wait does not panic"), Ok(()));
    }
    assert_eq!(follower.wait(&Cursor::after(last)).await, Ok(()));
}

pub async fn it_sees_trims<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let all = add(&*log, events(0..6)).await;
    let follower = setup.follow().await;
    assert_eq!(all_ids(&*follower).await, all);
    trim(&*log, TrimLimit::MaxLength(2)).await;
    assert_eq!(all_ids(&*follower).await, all[4..]);
    let found = query(&*follower, Query::session("s")).await;
    assert_eq!(ids(&found), all[4..]);
    trim(&*log, TrimLimit::MaxLength(0)).await;
    assert_eq!(all_ids(&*follower).await, []);
}

/// Either a second handle writes properly, or it says that it only reads.
pub async fn it_writes_properly_or_not_at_all<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let mut expected = add(&*log, events(0..2)).await;
    let follower = setup.follow().await;
    match follower.append(event("f", "s").into()).await {
        Ok(receipt) => {
            expected.push(receipt.outcomes[0].position().entry_id);
            let again = crate::kit::append(&*log, event("f", "s")).await;
            assert_eq!(again[0].position().entry_id, expected[2]);
        }
        Err(error) => {
            assert!(matches!(error, AppendError::ReadOnly { .. }), "{error:?}");
            let entries = vec![copy(id(9, 0), "c", "s")];
            let copied = follower.append_with_ids(entries).await;
            assert!(
                matches!(copied, Err(AppendError::ReadOnly { .. })),
                "{copied:?}"
            );
            let request = TrimRequest::exact(TrimLimit::MaxLength(0));
            let trimmed = follower.trim(&request).await;
            assert!(
                matches!(trimmed, Err(TrimError::ReadOnly { .. })),
                "{trimmed:?}"
            );
        }
    }
    assert_eq!(all_ids(&*log).await, expected);
}

pub async fn it_tells_what_a_trim_would_remove<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let all = add(&*log, events(0..5)).await;
    let follower = setup.follow().await;
    let mut request = TrimRequest::exact(TrimLimit::MaxLength(2));
    request.dry_run = true;
    let report = follower.trim(&request).await.expect("a dry run succeeds");
    assert_eq!((report.removed, report.first), (3, Some(all[3])));
    assert_eq!(all_ids(&*follower).await, all);
    assert_eq!(all_ids(&*log).await, all);
}

pub async fn it_closes_by_itself<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    add(&*log, events(0..2)).await;
    let follower = setup.follow().await;
    follower.close().await.expect("closing succeeds");
    assert!(follower.info().await.is_err());
    add(&*log, events(2..3)).await;
    assert_eq!(all_ids(&*log).await.len(), 3);
}

pub async fn it_goes_on_under_the_next_writer<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let mut expected = add(&*log, events(0..2)).await;
    let follower = setup.follow().await;
    assert_eq!(all_ids(&*follower).await, expected);
    let log = setup.reopen(log).await;
    assert_eq!(all_ids(&*follower).await, expected);
    let task = {
        let follower = Arc::clone(&follower);
        let cursor = Cursor::after(expected[1]);
        tokio::spawn(async move { follower.wait(&cursor).await })
    };
    expected.extend(add(&*log, events(2..4)).await);
    assert_eq!(task.await.expect("the wait does not panic"), Ok(()));
    assert_eq!(all_ids(&*follower).await, expected);
}
