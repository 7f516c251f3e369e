//! Ordered consumers: a partition has one of them at a time, whatever happens.

use std::collections::HashMap;
use std::time::Duration;

use recount_core::{GroupStore, LeaseRequest, Position};
use recount_runtime::RunningConsumer;

use crate::clock::pass;
use crate::support::{
    Call, Dice, Fault, GROUP, Noting, Record, TestLog, assert_each_once, consumer, fine,
    log_with_group, publish, publish_all, until_acknowledged,
};

async fn ordered(log: &std::sync::Arc<TestLog>, name: &str, record: &Record) -> RunningConsumer {
    let handler = Noting::new(record, |message| {
        // As if at random, and the same whenever the case runs.
        let wait = 1 + message.position.entry_id.seq % 7 * 5;
        Box::pin(async move {
            pass(Duration::from_millis(wait)).await;
            Ok(())
        })
    });
    let builder = consumer(log, name).ordered(true);
    builder.start(handler).await.unwrap()
}

async fn until_held(running: &RunningConsumer, count: usize) {
    while running.metrics().partitions.len() != count {
        pass(Duration::from_millis(10)).await;
    }
}

/// First handlings are in order in every session, and the tokens of a partition never go back.
fn assert_never_inverted(record: &Record) {
    let mut last: HashMap<String, Position> = HashMap::new();
    let mut tokens: HashMap<u32, u64> = HashMap::new();
    for seen in record.all() {
        let token = seen.token.expect("ordered consumers hold leases");
        let newest = tokens.entry(seen.position.partition).or_default();
        assert!(token >= *newest, "{seen:?} after token {newest}");
        *newest = token;
        let before = last.entry(seen.session.clone()).or_insert(seen.position);
        assert!(seen.position >= *before, "{seen:?} after {before}");
        *before = seen.position;
    }
}

#[tokio::test(start_paused = true)]
async fn partitions_are_shared_out_as_consumers_join_leave_and_die() {
    let log = log_with_group(6).await;
    let record = Record::default();
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let publisher = tokio::spawn({
        let log = std::sync::Arc::clone(&log);
        async move {
            let mut dice = Dice::new(7);
            let mut published = Vec::new();
            while !*stopped.borrow_and_update() {
                let session = format!("s{}", dice.below(30));
                published.push(publish(&log, &session).await);
                pass(Duration::from_millis(20)).await;
            }
            published
        }
    });
    let one = ordered(&log, "one", &record).await;
    until_held(&one, 6).await;
    let two = ordered(&log, "two", &record).await;
    until_held(&two, 3).await;
    let three = ordered(&log, "three", &record).await;
    until_held(&three, 2).await;
    for running in [&one, &two, &three] {
        until_held(running, 2).await;
    }
    two.stop().await.unwrap();
    until_held(&one, 3).await;
    until_held(&three, 3).await;
    drop(three);
    until_held(&one, 6).await;
    stop.send_replace(true);
    let published = publisher.await.unwrap();
    record
        .until(|list| {
            let handled: std::collections::HashSet<_> = list
                .iter()
                .filter(|seen| seen.ok)
                .map(|seen| seen.position)
                .collect();
            handled.len() == published.len()
        })
        .await;
    until_acknowledged(&log).await;
    assert_never_inverted(&record);
    one.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_pending_in_a_partition_comes_first_and_in_order() {
    let log = log_with_group(1).await;
    let published = publish_all(&log, &["a", "b", "a", "a", "b", "a"]).await;
    log.read_new(GROUP, "dead", 2).await.unwrap();
    let read = log.read_new(GROUP, "gone", 2).await.unwrap();
    let given_back: Vec<_> = read.iter().map(|delivery| delivery.position).collect();
    log.nack(GROUP, "gone", &given_back, 0).await.unwrap();
    let record = Record::default();
    let running = ordered(&log, "w", &record).await;
    record.until_handled(6).await;
    assert_each_once(&record.handled(), &published);
    assert_never_inverted(&record);
    let report = running.stop().await.unwrap();
    assert_eq!(report.metrics.claimed, 4);
    // Released: the next one has it at once.
    let request = LeaseRequest {
        partition: 0,
        consumer: "next".into(),
        ttl_ms: 1000,
        holds: 0,
    };
    let answer = log.lease(GROUP, &request).await.unwrap();
    assert!(
        matches!(answer, recount_core::LeaseAnswer::Held(_)),
        "{answer:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_cannot_renew_begins_nothing_more() {
    let log = log_with_group(1).await;
    let sessions = ["a"; 20];
    let published = publish_all(&log, &sessions).await;
    let (first, second) = (Record::default(), Record::default());
    let slow = |record: &Record| {
        Noting::new(record, |_| {
            Box::pin(async {
                pass(Duration::from_secs(1)).await;
                Ok(())
            })
        })
    };
    let one = consumer(&log, "one").ordered(true);
    let one = one.start(slow(&first)).await.unwrap();
    first.until_handled(2).await;
    // The first one's calls fail from now on; the second one is not there yet.
    log.fail(Call::Lease, Fault::Unavailable, 8);
    pass(Duration::from_secs(5)).await;
    let handled = first.handled().len();
    assert!(handled <= 6, "{handled} handled without a lease");
    log.heal();
    let two = consumer(&log, "two").ordered(true);
    let two = two.start(slow(&second)).await.unwrap();
    while first.handled().len() + second.handled().len() < 20 {
        pass(Duration::from_millis(100)).await;
    }
    let mut all = first.handled();
    all.extend(second.handled());
    all.sort();
    assert_eq!(all, published);
    for record in [&first, &second] {
        assert_never_inverted(record);
    }
    one.stop().await.unwrap();
    two.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn ordered_consumers_drain_what_nobody_else_holds() {
    let log = log_with_group(3).await;
    let published = publish_all(&log, &["a", "b", "c", "a", "b", "c"]).await;
    let record = Record::default();
    let running = consumer(&log, "w").ordered(true).drain(true);
    let report = running.start(fine(&record)).await.unwrap().finished().await;
    assert_each_once(&record.handled(), &published);
    assert_eq!(report.unwrap().metrics.acked, 6);
}

#[tokio::test(start_paused = true)]
async fn lost_answers_do_not_invert() {
    let log = log_with_group(2).await;
    let published = publish_all(&log, &["a", "b", "a", "b", "a", "b"]).await;
    log.fail(Call::ReadNew, Fault::AnswerLost, 2);
    log.fail(Call::Claim, Fault::AnswerLost, 1);
    log.fail(Call::Lease, Fault::AnswerLost, 1);
    let record = Record::default();
    let running = ordered(&log, "w", &record).await;
    record.until_handled(6).await;
    assert_each_once(&record.handled(), &published);
    assert_never_inverted(&record);
    running.stop().await.unwrap();
}
