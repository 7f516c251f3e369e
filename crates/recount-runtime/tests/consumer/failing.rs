//! Handlers that fail, panic, or are slow.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use recount_core::{Entry, EntryId, EventLog};
use recount_runtime::{HandlerError, Reason};

use crate::clock::pass;
use crate::support::{
    Act, Dice, Noting, Record, assert_each_once, consumer, fail, fine, letters, log_with_group,
    pending, publish, publish_all, succeed, until_acknowledged,
};

#[tokio::test(start_paused = true)]
async fn sessions_keep_their_order_whatever_handlers_do() {
    for seed in 0..20 {
        let log = log_with_group(1).await;
        let mut dice = Dice::new(seed);
        let names: Vec<String> = (0..300).map(|_| format!("s{}", dice.below(12))).collect();
        let sessions: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut expected: HashMap<&str, Vec<_>> = HashMap::new();
        for (session, position) in sessions.iter().zip(publish_all(&log, &sessions).await) {
            expected.entry(session).or_default().push(position);
        }
        let record = Record::default();
        let dice = Mutex::new(dice);
        let handler = Noting::new(&record, move |_| {
            let (wait, fate) = {
                let mut dice = dice.lock();
                (dice.below(40), dice.below(10))
            };
            Box::pin(async move {
                if wait > 10 {
                    pass(Duration::from_millis(wait)).await;
                }
                assert!(fate > 0, "as the dice fell");
                match fate {
                    1 | 2 => Err(HandlerError::Retry("as the dice fell".into())),
                    _ => Ok(()),
                }
            })
        });
        let running = consumer(&log, "w").concurrency(16).buffer(64).drain(true);
        let report = running.start(handler).await.unwrap().finished().await;
        assert!(report.unwrap().metrics.panicked > 0);
        for (session, handled) in record.by_session() {
            assert_eq!(
                handled, expected[&*session],
                "seed {seed}, session {session}"
            );
        }
        assert_eq!(record.handled().len(), 300, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_fails_every_third_time_handles_everything() {
    let log = log_with_group(1).await;
    let names: Vec<String> = (0..120).map(|n| format!("s{}", n % 7)).collect();
    let sessions: Vec<&str> = names.iter().map(String::as_str).collect();
    let published = publish_all(&log, &sessions).await;
    let record = Record::default();
    let calls = AtomicUsize::new(0);
    let handler = Noting::new(&record, move |_| {
        match calls.fetch_add(1, Ordering::SeqCst) % 3 {
            2 => fail("the third time"),
            _ => succeed(),
        }
    });
    let place = letters();
    let running = consumer(&log, "w").dead_letters(place).drain(true);
    let report = running.start(handler).await.unwrap().finished().await;
    let metrics = report.unwrap().metrics;
    assert_each_once(&record.handled(), &published);
    assert_eq!((metrics.handled, metrics.dead), (120, 0));
    assert!(metrics.retried >= 59, "{}", metrics.retried);
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_and_holds_up_its_session_only() {
    let log = log_with_group(1).await;
    let published = publish_all(&log, &["a", "a", "b"]).await;
    let record = Record::default();
    let first = published[0];
    let handler = Noting::new(&record, move |message| {
        if message.position == first && message.delivery_count < 4 {
            fail("not yet")
        } else {
            succeed()
        }
    });
    let begun = tokio::time::Instant::now();
    let running = consumer(&log, "w")
        .concurrency(1)
        .start(handler)
        .await
        .unwrap();
    record.until_handled(1).await;
    assert_eq!(record.handled(), [published[2]]);
    assert!(begun.elapsed() < Duration::from_millis(50));
    record.until_handled(3).await;
    assert_eq!(record.handled()[1..], published[..2]);
    // Half of 100, 200 and 400 ms at least.
    assert!(begun.elapsed() >= Duration::from_millis(350));
    let counts: Vec<_> = record
        .all()
        .into_iter()
        .filter(|seen| seen.position == first)
        .map(|seen| seen.delivery_count)
        .collect();
    assert_eq!(counts, [1, 2, 3, 4]);
    assert_eq!(running.stop().await.unwrap().metrics.retried, 3);
}

/// Fails or panics for sessions called so.
fn by_session(session: &str) -> Act {
    let session = session.to_owned();
    Box::pin(async move {
        match &*session {
            "fails" => Err(HandlerError::Retry("no good".into())),
            "hopeless" => Err(HandlerError::dead("never any good")),
            "panics" => panic!("at the wrong time"),
            _ => Ok(()),
        }
    })
}

#[tokio::test(start_paused = true)]
async fn what_keeps_failing_becomes_a_dead_letter_with_its_history() {
    let log = log_with_group(1).await;
    let sessions = ["fails", "fine", "hopeless", "panics", "fails"];
    let published = publish_all(&log, &sessions).await;
    let undecodable = Entry::new(
        EntryId::new(u64::MAX / 2, 0),
        vec![("what".into(), "ever".into())],
    );
    log.append_with_ids(vec![undecodable]).await.unwrap();
    let (record, letters) = (Record::default(), letters());
    let handler = Noting::new(&record, |message| {
        by_session(
            &message
                .event()
                .expect("undecodable ones are kept away")
                .session_id,
        )
    });
    let builder = consumer(&log, "w").dead_letters(letters.clone());
    let running = builder.max_deliveries(3).drain(true).start(handler).await;
    let report = running.unwrap().finished().await.unwrap();
    let open = letters.list(None, 10).await.unwrap();
    let told: Vec<_> = open
        .iter()
        .map(|letter| (letter.reason, letter.attempts.len(), letter.delivery_count))
        .collect();
    assert_eq!(
        told,
        [
            (Reason::MaxDeliveries, 3, 3),
            (Reason::Handler, 1, 1),
            (Reason::Panic, 3, 3),
            (Reason::MaxDeliveries, 3, 3),
            (Reason::Undecodable, 0, 1),
        ]
    );
    assert_eq!(open[0].position, published[0]);
    assert_eq!(open[0].error, "no good");
    assert_eq!(open[0].consumer, "w");
    assert!(open[0].first_delivered.is_some());
    assert_eq!(open[2].error, "the handler panicked: at the wrong time");
    let counts: Vec<_> = open[2].attempts.iter().map(|a| a.delivery_count).collect();
    assert_eq!(counts, [1, 2, 3]);
    assert_eq!(record.handled(), [published[1]]);
    assert!(pending(&log).await.is_empty());
    let metrics = report.metrics;
    assert_eq!((metrics.dead, metrics.acked, metrics.handled), (5, 6, 1));
    assert_eq!((metrics.panicked, metrics.undecodable), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn in_sequence_later_entries_follow_until_the_first_is_retried() {
    let log = log_with_group(1).await;
    let published = publish_all(&log, &["a", "a", "b"]).await;
    let (record, letters) = (Record::default(), letters());
    let broken = Arc::new(Mutex::new(true));
    let breaks = Arc::clone(&broken);
    let handler = Noting::new(&record, move |message| {
        let first = message.event().unwrap().session_id == "a" && *breaks.lock();
        if first { fail("broken") } else { succeed() }
    });
    let builder = consumer(&log, "w").dead_letters(letters.clone());
    let builder = builder.max_deliveries(1).in_sequence(true);
    let running = builder.start(handler).await.unwrap();
    until_acknowledged(&log).await;
    let later = publish(&log, "a").await;
    while running.metrics().acked < 4 {
        pass(Duration::from_millis(10)).await;
    }
    let reasons: Vec<_> = letters
        .list(None, 10)
        .await
        .unwrap()
        .iter()
        .map(|letter| (letter.position, letter.reason))
        .collect();
    assert_eq!(
        reasons,
        [
            (published[0], Reason::MaxDeliveries),
            (published[1], Reason::InSequence),
            (later, Reason::InSequence),
        ]
    );
    assert_eq!(record.handled(), [published[2]]);
    *broken.lock() = false;
    let all = [published[0], published[1], later];
    let retried = letters.retry(&all, &*log).await.unwrap();
    assert_eq!(retried.retried, all);
    record.until_handled(4).await;
    let after = publish(&log, "a").await;
    record.until_handled(5).await;
    let of_a = &record.by_session()["a"];
    assert_eq!(*of_a, [all[0], all[1], all[2], after]);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_dead_letters_entries_are_tried_until_they_succeed() {
    let log = log_with_group(1).await;
    publish(&log, "a").await;
    let record = Record::default();
    let handler = Noting::new(&record, |message| {
        if message.delivery_count < 40 {
            Box::pin(async { Err(HandlerError::dead("hopeless")) })
        } else {
            succeed()
        }
    });
    let running = consumer(&log, "w").max_deliveries(3).start(handler).await;
    let running = running.unwrap();
    record.until_handled(1).await;
    assert_eq!(record.all().len(), 40);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn undecodable_entries_are_handed_out_on_request() {
    let log = log_with_group(1).await;
    let fields = vec![("what".into(), "ever".into())];
    let entry = Entry::new(EntryId::new(u64::MAX / 2, 0), fields);
    log.append_with_ids(vec![entry]).await.unwrap();
    let record = Record::default();
    let builder = consumer(&log, "w").dead_letters(letters());
    let running = builder.hand_undecodable(true).drain(true);
    let running = running.start(fine(&record)).await.unwrap();
    assert_eq!(running.finished().await.unwrap().metrics.handled, 1);
}
