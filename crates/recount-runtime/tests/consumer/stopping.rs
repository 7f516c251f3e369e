//! How consumers end.

use std::time::Duration;

use recount_core::GroupStore;

use crate::clock::pass;
use crate::support::{
    GROUP, Noting, Record, consumer, fine, hang, log_with_group, pending, publish_all, succeed,
};

#[tokio::test(start_paused = true)]
async fn handlers_at_work_finish_and_the_rest_is_given_back() {
    let log = log_with_group(1).await;
    let published = publish_all(&log, &["a", "b", "c", "a", "d", "e"]).await;
    let record = Record::default();
    let slow = Noting::new(&record, |_| {
        Box::pin(async {
            pass(Duration::from_secs(5)).await;
            Ok(())
        })
    });
    let running = consumer(&log, "w")
        .concurrency(3)
        .start(slow)
        .await
        .unwrap();
    while running.metrics().in_flight < 3 {
        pass(Duration::from_millis(1)).await;
    }
    let report = running.stop().await.unwrap();
    assert_eq!(record.handled(), published[..3]);
    assert_eq!((report.cut_off, report.metrics.given_back), (0, 3));
    assert!(report.removed);
    let left = pending(&log).await;
    assert_eq!(left.len(), 3);
    assert!(left.iter().all(|entry| entry.consumer.is_none()));
    // Again is the same.
    assert_eq!(running.stop().await.unwrap(), report);
}

#[tokio::test(start_paused = true)]
async fn handlers_that_take_too_long_are_cut_off_and_their_entries_given_back() {
    let log = log_with_group(1).await;
    let published = publish_all(&log, &["hangs", "fine"]).await;
    let record = Record::default();
    let handler = Noting::new(&record, |message| {
        if message.event().unwrap().session_id == "hangs" {
            hang()
        } else {
            succeed()
        }
    });
    let builder = consumer(&log, "w").stop_within(Duration::from_secs(2));
    let running = builder.start(handler).await.unwrap();
    record.until_handled(1).await;
    let begun = tokio::time::Instant::now();
    let report = running.stop().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(4));
    assert_eq!((report.cut_off, report.metrics.given_back), (1, 1));
    let left = pending(&log).await;
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].position, &left[0].consumer), (published[0], &None));
}

#[tokio::test(start_paused = true)]
async fn a_stopped_consumers_rest_goes_to_its_peer() {
    let log = log_with_group(1).await;
    let sessions: Vec<String> = (0..50).map(|n| format!("s{n}")).collect();
    let sessions: Vec<&str> = sessions.iter().map(String::as_str).collect();
    let published = publish_all(&log, &sessions).await;
    let record = Record::default();
    let slow = |record: &Record| {
        Noting::new(record, |_| {
            Box::pin(async {
                pass(Duration::from_millis(300)).await;
                Ok(())
            })
        })
    };
    let one = consumer(&log, "one").concurrency(2).buffer(40);
    let one = one.start(slow(&record)).await.unwrap();
    record.until_handled(1).await;
    let two = consumer(&log, "two").concurrency(2).buffer(40);
    let two = two.start(slow(&record)).await.unwrap();
    record.until_handled(10).await;
    one.stop().await.unwrap();
    record.until_handled(50).await;
    crate::support::assert_each_once(&record.handled(), &published);
    two.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_consumer_gives_nothing_back_and_handles_nothing_more() {
    let log = log_with_group(1).await;
    publish_all(&log, &["a", "b", "c"]).await;
    let record = Record::default();
    let slow = Noting::new(&record, |_| {
        Box::pin(async {
            pass(Duration::from_secs(1)).await;
            Ok(())
        })
    });
    let running = consumer(&log, "w").start(slow).await.unwrap();
    while running.metrics().in_flight < 3 {
        pass(Duration::from_millis(1)).await;
    }
    drop(running);
    pass(Duration::from_secs(10)).await;
    assert!(record.all().is_empty());
    let left = pending(&log).await;
    let owners: Vec<_> = left.iter().map(|entry| entry.consumer.as_deref()).collect();
    assert_eq!(owners, [Some("w"); 3]);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_still_owns_something_is_not_forgotten() {
    let log = log_with_group(1).await;
    publish_all(&log, &["a", "b"]).await;
    log.read_new(GROUP, "w", 2).await.unwrap();
    let record = Record::default();
    let handler = Noting::new(&record, |_| hang());
    let builder = consumer(&log, "w").stop_within(Duration::from_millis(100));
    let running = builder.start(handler).await.unwrap();
    while running.metrics().in_flight < 1 {
        pass(Duration::from_millis(1)).await;
    }
    // The second one is a suspect that was not looked at: it stays one.
    let report = running.stop().await.unwrap();
    assert!(!report.removed);
    let owners: Vec<_> = pending(&log)
        .await
        .into_iter()
        .map(|e| e.consumer)
        .collect();
    assert_eq!(owners, [None, Some("w".to_owned())]);
    let next = consumer(&log, "w").drain(true).start(fine(&record)).await;
    assert!(next.unwrap().finished().await.unwrap().removed);
}
