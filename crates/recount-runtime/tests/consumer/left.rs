//! What was pending before: of an earlier life, of consumers that died, of those that gave it back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use recount_core::{GroupStore, Position};
use recount_runtime::Reason;

use crate::clock::pass;
use crate::support::{
    Call, GROUP, Noting, Record, assert_each_once, consumer, fine, hang, letters, log_with_group,
    pending, publish_all, succeed, until_acknowledged,
};

#[tokio::test(start_paused = true)]
async fn its_own_pending_entries_come_before_new_ones_of_their_sessions() {
    let log = log_with_group(1).await;
    let published = publish_all(&log, &["a", "b", "a", "b", "a", "b"]).await;
    log.read_new(GROUP, "w", 4).await.unwrap();
    let record = Record::default();
    let running = consumer(&log, "w").start(fine(&record)).await.unwrap();
    record.until_handled(6).await;
    let sessions = record.by_session();
    let of = |first: usize| published.iter().skip(first).step_by(2).copied();
    assert_eq!(sessions["a"], of(0).collect::<Vec<_>>());
    assert_eq!(sessions["b"], of(1).collect::<Vec<_>>());
    let counts = record.all().into_iter().map(|seen| seen.delivery_count);
    assert_eq!(counts.filter(|count| *count == 2).count(), 4);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_consumer_left_is_claimed_after_a_while_and_not_before() {
    let log = log_with_group(1).await;
    let published = publish_all(&log, &["a", "b", "c"]).await;
    log.read_new(GROUP, "dead", 3).await.unwrap();
    let record = Record::default();
    let begun = tokio::time::Instant::now();
    let running = consumer(&log, "w").start(fine(&record)).await.unwrap();
    record.until_handled(3).await;
    // The clock stands still but for waits: this is no matter of speed.
    assert!(begun.elapsed() >= Duration::from_secs(6));
    assert_each_once(&record.handled(), &published);
    let report = running.stop().await.unwrap();
    assert_eq!(report.metrics.claimed, 3);
}

#[tokio::test(start_paused = true)]
async fn suspects_are_handed_out_one_at_a_time_and_counted_first() {
    let log = log_with_group(1).await;
    let sessions = ["a", "b", "c", "d", "e", "f"];
    publish_all(&log, &sessions).await;
    log.read_new(GROUP, "w", 6).await.unwrap();
    let record = Record::default();
    let at_work = Arc::new(AtomicUsize::new(0));
    let log_seen = Arc::clone(&log);
    let handler = Noting::new(&record, move |message| {
        let (at_work, log) = (Arc::clone(&at_work), Arc::clone(&log_seen));
        let position = message.position;
        Box::pin(async move {
            assert_eq!(at_work.fetch_add(1, Ordering::SeqCst), 0);
            for entry in pending(&log).await {
                let counted = 1 + u64::from(entry.position <= position);
                assert_eq!(entry.delivery_count, counted, "{}", entry.position);
            }
            pass(Duration::from_millis(50)).await;
            at_work.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        })
    });
    let running = consumer(&log, "w").start(handler).await.unwrap();
    record.until_handled(6).await;
    assert_eq!(running.stop().await.unwrap().metrics.panicked, 0);
}

/// The consumer dies whenever it is handed one event, again and again.
#[tokio::test(start_paused = true)]
async fn an_event_that_kills_becomes_a_dead_letter_and_its_neighbours_do_not() {
    let log = log_with_group(1).await;
    let sessions: Vec<String> = (0..40).map(|n| format!("s{n}")).collect();
    let sessions: Vec<&str> = sessions.iter().map(String::as_str).collect();
    let published = publish_all(&log, &sessions).await;
    let killer = published[17];
    let (record, letters) = (Record::default(), letters());
    let mut lives = 0;
    loop {
        lives += 1;
        assert!(lives < 20, "it never ends");
        let (died, mut dead) = tokio::sync::mpsc::channel(1);
        let handler = Noting::new(&record, move |message| {
            if message.position == killer {
                let died = died.clone();
                return Box::pin(async move {
                    died.send(()).await.unwrap();
                    hang().await
                });
            }
            succeed()
        });
        let builder = consumer(&log, "w").dead_letters(letters.clone());
        let running = builder.max_deliveries(3).drain(true).start(handler).await;
        let running = running.unwrap();
        tokio::select! {
            _ = dead.recv() => drop(running),
            ended = running.finished() => {
                assert_eq!(ended.unwrap().metrics.dead, 1);
                break;
            }
        }
        // Whatever its tasks were at, they end before the next life begins.
        pass(Duration::from_millis(1)).await;
    }
    assert_eq!(lives, 4);
    let open = letters.list(None, 10).await.unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].position, open[0].reason), (killer, Reason::Poison));
    let neighbours: Vec<Position> = published.into_iter().filter(|p| *p != killer).collect();
    let handled = record.handled();
    for neighbour in &neighbours {
        assert!(handled.contains(neighbour), "{neighbour}");
    }
    assert!(pending(&log).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_suspect_that_hangs_does_not_hold_up_the_others_for_ever() {
    let log = log_with_group(1).await;
    let published = publish_all(&log, &["a", "b", "c"]).await;
    log.read_new(GROUP, "w", 3).await.unwrap();
    let record = Record::default();
    let first = published[0];
    let handler = Noting::new(&record, move |message| {
        if message.position == first {
            hang()
        } else {
            succeed()
        }
    });
    let running = consumer(&log, "w").start(handler).await.unwrap();
    record.until_handled(2).await;
    assert_eq!(record.handled(), published[1..]);
    drop(running);
}

#[tokio::test(start_paused = true)]
async fn what_was_given_back_is_taken_over_at_once_and_together() {
    let log = log_with_group(1).await;
    let sessions: Vec<String> = (0..20).map(|n| format!("s{n}")).collect();
    let sessions: Vec<&str> = sessions.iter().map(String::as_str).collect();
    let published = publish_all(&log, &sessions).await;
    // Given back more often than an entry may be tried, never having been tried.
    for _ in 0..4 {
        log.read_new(GROUP, "gone", 20).await.unwrap();
        let request = recount_core::ClaimRequest {
            consumer: "gone".into(),
            min_idle_ms: 0,
        };
        log.claim(GROUP, &request, &published).await.unwrap();
        log.nack(GROUP, "gone", &published, 0).await.unwrap();
    }
    let record = Record::default();
    let begun = tokio::time::Instant::now();
    let builder = consumer(&log, "w")
        .dead_letters(letters())
        .max_deliveries(2);
    let running = builder.start(fine(&record)).await.unwrap();
    record.until_handled(20).await;
    assert!(begun.elapsed() < Duration::from_secs(6));
    assert_each_once(&record.handled(), &published);
    running.stop().await.unwrap();
    assert_eq!(log.calls(Call::Claim), 4 + 2, "one for all, one for more");
}

#[tokio::test(start_paused = true)]
async fn a_hanging_handler_keeps_its_entry() {
    let log = log_with_group(1).await;
    publish_all(&log, &["a"]).await;
    let (first, second) = (Record::default(), Record::default());
    let slow = Noting::new(&first, |_| {
        Box::pin(async {
            pass(Duration::from_secs(100)).await;
            Ok(())
        })
    });
    let one = consumer(&log, "one").start(slow).await.unwrap();
    first_in_flight(&one).await;
    let two = consumer(&log, "two").start(fine(&second)).await.unwrap();
    first.until_handled(1).await;
    assert!(second.all().is_empty());
    assert_eq!(first.all()[0].delivery_count, 1);
    assert!(log.calls(Call::Touch) >= 40);
    one.stop().await.unwrap();
    two.stop().await.unwrap();
}

async fn first_in_flight(running: &recount_runtime::RunningConsumer) {
    while running.metrics().in_flight == 0 {
        pass(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_claimed_entry_that_is_finished_late_does_no_harm() {
    let log = log_with_group(1).await;
    let published = publish_all(&log, &["a", "b", "a"]).await;
    let (first, second) = (Record::default(), Record::default());
    let slow = Noting::new(&first, |_| {
        Box::pin(async {
            pass(Duration::from_mins(1)).await;
            Ok(())
        })
    });
    let one = consumer(&log, "one").start(slow).await.unwrap();
    first_in_flight(&one).await;
    log.cut_off("one");
    let two = consumer(&log, "two").start(fine(&second)).await.unwrap();
    second.until_handled(3).await;
    assert_each_once(&second.handled(), &published);
    log.heal();
    first.until_handled(2).await;
    until_acknowledged(&log).await;
    // The third one was queued behind the first one, and was lost to the other consumer.
    let mut late = first.handled();
    late.sort();
    assert_eq!(late, published[..2]);
    let report = one.stop().await.unwrap();
    assert_eq!((report.metrics.lost, report.metrics.handled), (1, 2));
    two.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_suspect_behind_another_entry_of_its_session_has_its_turn() {
    let log = log_with_group(1).await;
    let published = publish_all(&log, &["a", "a"]).await;
    log.read_new(GROUP, "dead", 1).await.unwrap();
    let record = Record::default();
    let slow = Noting::new(&record, |_| {
        Box::pin(async {
            pass(Duration::from_secs(20)).await;
            Ok(())
        })
    });
    // The second one is at work when the first one, long idle by then, is claimed.
    let running = consumer(&log, "w").start(slow).await.unwrap();
    record.until_handled(2).await;
    assert_eq!(record.handled(), [published[1], published[0]]);
    running.stop().await.unwrap();
}
