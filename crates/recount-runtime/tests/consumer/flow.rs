//! Plain consuming: everything is handled once, acknowledged, and counted.

use std::sync::Arc;
use std::time::Duration;

use recount_core::{EventLog, GroupStart, GroupStore, HeldUp, TrimLimit, TrimRequest};
use recount_runtime::{Consumer, ConsumerError};

use crate::clock::pass;
use crate::support::{
    Call, GROUP, Noting, Record, TestLog, assert_each_once, consumer, fine, log_with_group,
    pending, publish, publish_all, succeed, until_acknowledged,
};

#[tokio::test(start_paused = true)]
async fn everything_is_handled_once_and_acknowledged() {
    let log = log_with_group(1).await;
    let before = publish_all(&log, &["a", "b", "a", "c"]).await;
    let record = Record::default();
    let running = consumer(&log, "w").start(fine(&record)).await.unwrap();
    record.until_handled(4).await;
    let mut published = before;
    published.push(publish(&log, "d").await);
    record.until_handled(5).await;
    until_acknowledged(&log).await;
    assert_eq!(running.lag().await.unwrap(), 0);
    let report = running.stop().await.unwrap();
    assert_each_once(&record.handled(), &published);
    let metrics = &report.metrics;
    assert_eq!(
        (metrics.delivered, metrics.handled, metrics.acked),
        (5, 5, 5)
    );
    assert_eq!((metrics.in_flight, metrics.buffered), (0, 0));
    assert_eq!(metrics.latency.count, 5);
    assert!(report.removed);
    assert!(log.consumers(GROUP).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn draining_ends_by_itself() {
    let log = log_with_group(3).await;
    let sessions: Vec<String> = (0..600).map(|n| format!("s{}", n % 50)).collect();
    let sessions: Vec<&str> = sessions.iter().map(String::as_str).collect();
    let published = publish_all(&log, &sessions).await;
    let record = Record::default();
    let running = consumer(&log, "w").drain(true).start(fine(&record));
    let report = running.await.unwrap().finished().await.unwrap();
    assert_each_once(&record.handled(), &published);
    assert_eq!(report.metrics.acked, 600);
    assert!(pending(&log).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn no_more_is_read_ahead_than_the_buffer_holds() {
    let log = log_with_group(1).await;
    let sessions: Vec<String> = (0..100).map(|n| format!("s{n}")).collect();
    let sessions: Vec<&str> = sessions.iter().map(String::as_str).collect();
    publish_all(&log, &sessions).await;
    let record = Record::default();
    let log_seen = Arc::clone(&log);
    let handler = Noting::new(&record, move |_| {
        let log = Arc::clone(&log_seen);
        Box::pin(async move {
            // Others get their chance to read more than they should.
            pass(Duration::from_secs(1)).await;
            let held = pending(&log).await.len();
            assert!(held <= 10, "{held}");
            Ok(())
        })
    });
    let running = consumer(&log, "w").concurrency(4).buffer(10).drain(true);
    let report = running.start(handler).await.unwrap().finished().await;
    assert_eq!(report.unwrap().metrics.panicked, 0);
    assert_eq!(record.handled().len(), 100);
}

#[tokio::test(start_paused = true)]
async fn calls_run_side_by_side_up_to_the_concurrency() {
    let log = log_with_group(1).await;
    let sessions: Vec<String> = (0..12).map(|n| format!("s{n}")).collect();
    let sessions: Vec<&str> = sessions.iter().map(String::as_str).collect();
    publish_all(&log, &sessions).await;
    let record = Record::default();
    let together = Arc::new(tokio::sync::Barrier::new(4));
    let handler = Noting::new(&record, move |_| {
        let together = Arc::clone(&together);
        // Passes only if four are here at a time.
        Box::pin(async move {
            together.wait().await;
            Ok(())
        })
    });
    let running = consumer(&log, "w").concurrency(4).start(handler).await;
    let running = running.unwrap();
    record
        .until(|_| {
            assert!(running.metrics().in_flight <= 4);
            record.handled().len() == 12
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_missing_group_is_an_error_or_is_created() {
    let log = Arc::new(TestLog::new(2));
    publish(&log, "a").await;
    let record = Record::default();
    let refused = consumer(&log, "w").start(fine(&record)).await;
    let error = refused.err().expect("there is no group");
    assert_eq!(error.code(), "no_group");
    let started = consumer(&log, "w").create_from(GroupStart::End);
    let running = started.start(fine(&record)).await.unwrap();
    let position = publish(&log, "b").await;
    record.until_handled(1).await;
    assert_eq!(record.handled(), [position]);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_group_with_nothing_to_do_for_a_day_goes_on_as_before() {
    let log = log_with_group(1).await;
    let record = Record::default();
    let running = consumer(&log, "w").start(fine(&record)).await.unwrap();
    pass(Duration::from_hours(24)).await;
    let idle = running.metrics();
    assert_eq!((idle.delivered, idle.failed_calls), (0, 0));
    let published = publish_all(&log, &["a", "b"]).await;
    record.until_handled(2).await;
    assert_each_once(&record.handled(), &published);
    until_acknowledged(&log).await;
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_name_may_be_taken_again_by_a_later_consumer() {
    let log = log_with_group(1).await;
    let mut published = Vec::new();
    for life in 0..20 {
        published.extend(publish_all(&log, &["a", "b", "c"]).await);
        let record = Record::default();
        let running = consumer(&log, "w").start(fine(&record)).await.unwrap();
        record.until_handled(3).await;
        // Every other one is killed, which may leave something to the next one of the name.
        match life % 2 {
            0 => drop(running),
            _ => drop(running.stop().await.unwrap()),
        }
    }
    let record = Record::default();
    let last = consumer(&log, "w").drain(true).start(fine(&record));
    last.await.unwrap().finished().await.unwrap();
    assert!(pending(&log).await.is_empty());
    assert!(log.consumers(GROUP).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn settings_that_cannot_work_are_refused() {
    let log = Arc::new(TestLog::new(1));
    let record = Record::default();
    let builder = || Consumer::builder(Arc::clone(&log)).group(GROUP);
    let code = |refused: Result<_, ConsumerError>| {
        refused
            .map(|_: recount_runtime::RunningConsumer| ())
            .unwrap_err()
            .code()
    };
    let missing = Consumer::builder(Arc::clone(&log)).keep_failing();
    assert_eq!(code(missing.start(fine(&record)).await), "missing_setting");
    assert_eq!(
        code(builder().start(fine(&record)).await),
        "missing_setting"
    );
    let sequence = builder().keep_failing().in_sequence(true);
    assert_eq!(code(sequence.start(fine(&record)).await), "missing_setting");
    let none = builder().keep_failing().concurrency(0);
    assert_eq!(code(none.start(fine(&record)).await), "invalid_setting");
}

#[tokio::test(start_paused = true)]
async fn several_groups_of_one_log_wait_once() {
    let log = log_with_group(1).await;
    let record = Record::default();
    let mut running = Vec::new();
    for group in ["one", "two", "three"] {
        let started = consumer(&log, "w")
            .group(group)
            .create_from(GroupStart::Start);
        running.push(started.start(fine(&record)).await.unwrap());
    }
    publish(&log, "a").await;
    record.until_handled(3).await;
    // From here on every group is at the end, and each entry costs one wait.
    let before = log.calls(Call::Wait);
    for n in 1..=20 {
        publish(&log, "a").await;
        record.until_handled(3 + 3 * n).await;
        until_acknowledged(&log).await;
    }
    let waits = log.calls(Call::Wait) - before;
    assert!(waits <= 45, "{waits} waits for 20 entries in 3 groups");
    for running in running {
        running.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn trimmed_entries_are_acknowledged_unseen() {
    let log = log_with_group(1).await;
    let published = publish_all(&log, &["a", "b", "c"]).await;
    log.read_new(GROUP, "w", 2).await.unwrap();
    let trim = TrimRequest {
        held_up: HeldUp::Force,
        ..TrimRequest::exact(TrimLimit::MaxLength(1))
    };
    log.trim(&trim).await.unwrap();
    let record = Record::default();
    let running = consumer(&log, "w").drain(true).start(fine(&record)).await;
    let report = running.unwrap().finished().await.unwrap();
    assert_eq!(record.handled(), published[2..]);
    assert_eq!((report.metrics.trimmed, report.metrics.acked), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn a_closed_log_ends_the_consumer_with_an_error() {
    let log = log_with_group(1).await;
    let record = Record::default();
    let running = consumer(&log, "w").start(Noting::new(&record, |_| succeed()));
    let running = running.await.unwrap();
    log.close().await.unwrap();
    let error = running.finished().await.unwrap_err();
    assert_eq!(error.code(), "closed");
}
