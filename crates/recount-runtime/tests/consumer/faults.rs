//! A store that fails: nothing is lost, and nothing that was handled is handled again.

use recount_core::{EventLog, GroupStart, GroupStore};

use crate::clock::pass;
use crate::support::{
    Call, Fault, GROUP, Record, assert_each_once, consumer, fine, letters, log_with_group, pending,
    publish, publish_all, until_acknowledged,
};

#[tokio::test(start_paused = true)]
async fn calls_that_fail_are_made_again() {
    for fault in [Fault::Unavailable, Fault::AnswerLost, Fault::Full] {
        for call in [Call::ReadNew, Call::Ack, Call::Claim, Call::Touch] {
            let log = log_with_group(2).await;
            let published = publish_all(&log, &["a", "b", "c", "a", "b", "c"]).await;
            // Some are given back, so that there is something to claim.
            let read = log.part(0).read_new(GROUP, "gone", 2).await.unwrap();
            let read: Vec<_> = read.iter().map(|delivery| delivery.position).collect();
            log.part(0).nack(GROUP, "gone", &read, 0).await.unwrap();
            let record = Record::default();
            log.fail(call, fault, 3);
            let running = consumer(&log, "w").start(fine(&record)).await.unwrap();
            record.until_handled(6).await;
            until_acknowledged(&log).await;
            let report = running.stop().await.unwrap();
            assert_each_once(&record.handled(), &published);
            assert!(report.removed, "{call:?} {fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_lost_answer_brought_is_handled_in_order() {
    let log = log_with_group(1).await;
    let published = publish_all(&log, &["a", "b", "a", "b"]).await;
    log.fail(Call::ReadNew, Fault::AnswerLost, 1);
    let record = Record::default();
    let running = consumer(&log, "w").start(fine(&record)).await.unwrap();
    record.until_handled(4).await;
    let sessions = record.by_session();
    assert_eq!(sessions["a"], [published[0], published[2]]);
    assert_eq!(sessions["b"], [published[1], published[3]]);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_while_acknowledging_handles_nothing_twice() {
    let log = log_with_group(1).await;
    let published = publish_all(&log, &["a", "b", "c"]).await;
    let record = Record::default();
    log.fail(Call::Ack, Fault::Full, 50);
    let running = consumer(&log, "w").start(fine(&record)).await.unwrap();
    record.until_handled(3).await;
    // Long enough for anybody to claim what is not kept.
    let other = consumer(&log, "other").start(fine(&record)).await.unwrap();
    until_acknowledged(&log).await;
    assert_each_once(&record.handled(), &published);
    assert_eq!(running.stop().await.unwrap().metrics.failed_calls, 50);
    other.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stopped_for_good_ends_the_consumer() {
    let log = log_with_group(1).await;
    publish(&log, "a").await;
    log.fail(Call::Ack, Fault::Stopped, 1);
    let record = Record::default();
    let running = consumer(&log, "w").start(fine(&record)).await.unwrap();
    let error = running.finished().await.unwrap_err();
    assert_eq!(error.code(), "stopped");
}

#[tokio::test(start_paused = true)]
async fn a_group_that_was_deleted_is_created_again_where_it_was() {
    let log = log_with_group(2).await;
    let record = Record::default();
    let mut published = publish_all(&log, &["a", "b", "c", "d"]).await;
    let running = consumer(&log, "w").start(fine(&record)).await.unwrap();
    record.until_handled(4).await;
    until_acknowledged(&log).await;
    assert!(log.destroy(GROUP).await.unwrap());
    published.push(publish(&log, "a").await);
    published.push(publish(&log, "b").await);
    record.until_handled(6).await;
    until_acknowledged(&log).await;
    let report = running.stop().await.unwrap();
    assert_each_once(&record.handled(), &published);
    assert!(report.metrics.recreated > 0);
    assert_eq!(report.metrics.buffered, 0);
    let groups = log.groups().await.unwrap();
    assert_eq!(groups[0].lag(), 0);
    assert_eq!(groups[0].last_delivered, log.tail().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn entries_at_work_when_the_group_is_deleted_are_not_handled_twice() {
    let log = log_with_group(1).await;
    let published = publish_all(&log, &["a", "b", "a", "c"]).await;
    let record = Record::default();
    let slow = crate::support::Noting::new(&record, |_| {
        Box::pin(async {
            pass(std::time::Duration::from_secs(30)).await;
            Ok(())
        })
    });
    let running = consumer(&log, "w").start(slow).await.unwrap();
    while running.metrics().in_flight < 3 {
        pass(std::time::Duration::from_millis(1)).await;
    }
    assert!(log.destroy(GROUP).await.unwrap());
    record.until_handled(4).await;
    until_acknowledged(&log).await;
    assert_each_once(&record.handled(), &published);
    let report = running.stop().await.unwrap();
    assert_eq!(report.metrics.recreated, 1);
    assert!(pending(&log).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_position_that_was_moved_back_is_noticed_by_an_idle_consumer() {
    let log = log_with_group(1).await;
    publish_all(&log, &["a", "b"]).await;
    let record = Record::default();
    let running = consumer(&log, "w").start(fine(&record)).await.unwrap();
    record.until_handled(2).await;
    until_acknowledged(&log).await;
    let start = GroupStart::Start;
    log.set_position(GROUP, &start).await.unwrap();
    record.until_handled(4).await;
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_cannot_be_written_is_written_later() {
    let log = log_with_group(1).await;
    publish(&log, "a").await;
    let record = Record::default();
    let broken = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(5));
    let inner = letters();
    let fails = std::sync::Arc::clone(&broken);
    let opened: std::sync::Arc<dyn EventLog> = std::sync::Arc::new(crate::support::TestLog::new(1));
    let letters = recount_runtime::DeadLetters::new(GROUP, move |_| {
        let opened = std::sync::Arc::clone(&opened);
        let left = fails.load(std::sync::atomic::Ordering::SeqCst);
        fails.store(left.saturating_sub(1), std::sync::atomic::Ordering::SeqCst);
        async move {
            match left {
                0 => Ok(Some(opened)),
                _ => Err("not now".into()),
            }
        }
    });
    drop(inner);
    let handler = crate::support::Noting::new(&record, |_| crate::support::fail("no good"));
    let builder = consumer(&log, "w").dead_letters(letters.clone());
    let running = builder.max_deliveries(1).drain(true).start(handler).await;
    let report = running.unwrap().finished().await.unwrap();
    assert_eq!((report.metrics.dead, report.metrics.failed_calls), (1, 5));
    assert_eq!(letters.count().await.unwrap(), 1);
    assert_eq!(record.all().len(), 1);
}
