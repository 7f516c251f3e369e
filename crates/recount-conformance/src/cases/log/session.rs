//! One session, read for itself.

use recount_core::{Entry, EventLog, SessionPage, SessionRead, TrimLimit};

use crate::Engine;
use crate::kit::{
    Setup, add, add_one, building, copy, data, event, event_ids, events, finish, id, noise,
    revisions, trim, trim_everything,
};

async fn session(log: &impl EventLog, name: &str, last: usize) -> SessionPage {
    let read = SessionRead::last(name, last);
    log.session(&read).await.expect("the session is read")
}

/// The event ids of the newest entries, the revision, and from where on the session is kept.
async fn seen(log: &impl EventLog, last: usize) -> (Vec<String>, u64, Option<u64>) {
    let page = session(log, "s", last).await;
    let ids = event_ids(&page.entries);
    let ids = ids.into_iter().map(String::from).collect();
    (ids, page.revision, page.retained_from)
}

fn names(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|n| format!("e{n}")).collect()
}

pub async fn the_newest_entries_in_order<E: Engine>(setup: Setup<E>) {
    let mut log = setup.open().await;
    for n in 0..10 {
        add(&*log, events(n..n + 1)).await;
        add_one(&*log, event(&format!("t{n}"), "t")).await;
        setup.clock().advance(10);
    }
    for _ in 0..2 {
        assert_eq!(seen(&*log, 3).await, (names(7..10), 10, Some(1)));
        assert_eq!(seen(&*log, 10).await, (names(0..10), 10, Some(1)));
        assert_eq!(seen(&*log, usize::MAX).await, (names(0..10), 10, Some(1)));
        assert_eq!(seen(&*log, 0).await, (names(0..0), 10, Some(1)));
        let page = session(&*log, "s", 4).await;
        assert_eq!(revisions(&page.entries), [7, 8, 9, 10]);
        assert!(page.is_complete());
        log = setup.reopen(log).await;
    }
}

pub async fn a_session_that_does_not_exist_is_complete<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let page = session(&*log, "s", 10).await;
    assert_eq!(page, SessionPage::default());
    add_one(&*log, event("e", "other")).await;
    let page = session(&*log, "s", 10).await;
    assert_eq!(page, SessionPage::default());
    assert!(page.is_complete());
}

pub async fn it_tells_from_where_a_trimmed_session_is_kept<E: Engine>(setup: Setup<E>) {
    let mut log = setup.open().await;
    add_one(&*log, event("t0", "t")).await;
    add(&*log, events(0..4)).await;
    // What is trimmed of other sessions takes nothing from this one.
    trim(&*log, TrimLimit::MaxLength(4)).await;
    assert_eq!(seen(&*log, 2).await, (names(2..4), 4, Some(1)));
    trim(&*log, TrimLimit::MaxLength(3)).await;
    for _ in 0..2 {
        assert_eq!(seen(&*log, 10).await, (names(1..4), 4, Some(2)));
        assert!(!session(&*log, "s", 10).await.is_complete());
        log = setup.reopen(log).await;
    }
    add(&*log, events(4..5)).await;
    assert_eq!(seen(&*log, 2).await, (names(3..5), 5, Some(2)));
}

pub async fn a_session_that_was_trimmed_whole_keeps_its_revision<E: Engine>(setup: Setup<E>) {
    let mut log = setup.open().await;
    add(&*log, events(0..4)).await;
    add_one(&*log, event("t0", "t")).await;
    trim(&*log, TrimLimit::MaxLength(1)).await;
    let nothing = (names(0..0), 4, None);
    assert_eq!(seen(&*log, 10).await, nothing);
    trim_everything(&*log).await;
    for _ in 0..2 {
        assert_eq!(seen(&*log, 10).await, nothing);
        assert!(!session(&*log, "s", 10).await.is_complete());
        assert_eq!(session(&*log, "t", 10).await.revision, 1);
        log = setup.reopen(log).await;
    }
    add(&*log, events(4..5)).await;
    assert_eq!(seen(&*log, 10).await, (names(4..5), 5, Some(5)));
}

pub async fn a_copy_that_skips_revisions_is_not_complete<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let third = Entry {
        revision: Some(3),
        ..copy(id(1, 1), "e0", "s")
    };
    let receipt = log.append_with_ids(vec![noise(id(1, 0)), third]).await;
    receipt.expect("the copies succeed");
    let log = setup.reopen(log).await;
    assert_eq!(seen(&*log, 10).await, (names(0..1), 3, Some(3)));
}

pub async fn a_heavy_session_ends_early<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    // Twenty times nearly a megabyte: more than a page may weigh.
    let heavy = format!(r#"{{"text":"{}"}}"#, "x".repeat(1_000_000));
    for n in 0..20 {
        let event = building(&format!("e{n}"), "s").data(data(&heavy));
        add_one(&*log, finish(event)).await;
    }
    let (ids, revision, retained_from) = seen(&*log, 20).await;
    assert!(ids.len() < 20, "{} entries", ids.len());
    assert_eq!(ids, names(20 - ids.len()..20));
    assert_eq!((revision, retained_from), (20, Some(1)));
}

pub async fn a_follower_reads_the_same<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let follower = setup.follow().await;
    add(&*log, events(0..4)).await;
    assert_eq!(seen(&*follower, 2).await, (names(2..4), 4, Some(1)));
    trim(&*log, TrimLimit::MaxLength(2)).await;
    assert_eq!(seen(&*follower, 9).await, (names(2..4), 4, Some(3)));
}
