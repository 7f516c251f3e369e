//! Groups of a stream with several partitions.

use std::collections::{BTreeMap, BTreeSet};

use recount_core::{
    Cursor, EventLog, GroupError, GroupStart, GroupStore, LeaseAnswer, LeaseRequest, Partition,
    Position, TrimLimit, TrimRequest,
};
use recount_redis::{RedisLog, RedisOptions};
use recount_testbed::{Flavor, Server};

use super::{GROUP, claiming, group, numbered, pending, positions, read};
use crate::kit::open;

const PARTITIONS: u32 = 4;

fn partitioned() -> RedisOptions {
    RedisOptions {
        partitions: Some(PARTITIONS),
        ..RedisOptions::default()
    }
}

/// Two hundred events of twenty sessions, and a group at their start.
async fn spread(log: &RedisLog) -> BTreeSet<Position> {
    let all = numbered(log, 0..200, 20).await;
    log.create(GROUP, &GroupStart::Start)
        .await
        .expect("created");
    all.into_iter().collect()
}

fn ordered(positions: &[Position]) -> bool {
    let mut last: BTreeMap<Partition, Position> = BTreeMap::new();
    positions.iter().all(|position| {
        let before = last.insert(position.partition, *position);
        before < Some(*position)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn all_partitions_are_read_each_in_its_order() {
    let server = Server::start(Flavor::Redis62, &[]);
    let log = open(&server.url(), partitioned()).await;
    let all = spread(&log).await;
    let mut found = Vec::new();
    for count in [1, 3, 7, 50].into_iter().cycle() {
        let more = read(&log, "a", count).await;
        assert!(more.len() <= count);
        if more.is_empty() {
            break;
        }
        assert_eq!(
            more.len(),
            count.min(200 - found.len()),
            "as many as there are"
        );
        found.extend(more);
    }
    assert!(ordered(&found));
    assert_eq!(found.iter().copied().collect::<BTreeSet<_>>(), all);
    let info = group(&log).await;
    assert_eq!(info.lags, [(0, 0), (1, 0), (2, 0), (3, 0)]);
    assert_eq!((info.consumers, info.pending), (1, 200));
    let summary = log.pending(GROUP).await.expect("summed up");
    assert_eq!((summary.count, summary.ranges.len()), (200, 4));
    assert_eq!(summary.by_consumer, [("a".to_owned(), 200)]);

    // One event at a time starves no partition.
    numbered(&log, 200..240, 20).await;
    let mut used = BTreeSet::new();
    for _ in 0..12 {
        used.extend(read(&log, "a", 1).await.iter().map(|one| one.partition));
    }
    assert_eq!(used.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pending_anywhere_is_found_claimed_and_finished() {
    let server = Server::start(Flavor::Valkey9, &[]);
    let log = open(&server.url(), partitioned()).await;
    let all = spread(&log).await;
    assert_eq!(read(&log, "a", 200).await.len(), 200);
    // Page by page, oldest first.
    let (mut after, mut listed) = (Cursor::start(), Vec::new());
    loop {
        let page = log.pending_entries(GROUP, Some("a"), &after, 30).await;
        let page = page.expect("listed");
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 30);
        for entry in &page {
            after.advance(entry.position);
            listed.push(entry.position);
        }
    }
    assert!(listed.is_sorted_by_key(|position| position.entry_id));
    assert_eq!(listed.iter().copied().collect::<BTreeSet<_>>(), all);

    for count in [1, 3, 64] {
        let (mut after, mut claimed) = (Cursor::start(), BTreeSet::new());
        loop {
            let claim = log
                .auto_claim(GROUP, &claiming("b", 0), &after, count)
                .await;
            let claim = claim.expect("claimed");
            assert!(claim.deliveries.len() <= count);
            for position in positions(&claim.deliveries) {
                assert!(claimed.insert(position), "each once");
            }
            let Some(next) = claim.next else { break };
            after = next;
        }
        assert_eq!(claimed, all);
    }
    let some: Vec<_> = all.iter().copied().take(70).collect();
    assert_eq!(log.nack(GROUP, "b", &some, 0).await, Ok(70));
    assert_eq!(log.touch(GROUP, "b", &some).await, Ok(Vec::new()));
    let moved = log.delete_consumer(GROUP, "b", Some("heir")).await;
    assert_eq!(moved, Ok(130));
    let again = log
        .read_pending(GROUP, "heir", &Cursor::start(), 1_000)
        .await;
    let again = again.expect("read");
    assert_eq!(again.len(), 130);
    assert!(again.iter().all(|one| one.delivery_count == 5));
    let everything: Vec<_> = all.iter().copied().collect();
    assert_eq!(log.ack(GROUP, &everything).await, Ok(200));
    assert_eq!(pending(&log).await, []);
    assert_eq!(log.requeue(GROUP, &some).await, Ok(some.clone()));
    let report = log.trim(&TrimRequest::exact(TrimLimit::MaxLength(0))).await;
    let report = report.expect("trimmed");
    assert!(report.removed < 200 && !report.held_back.is_empty());
    let claimed = log.claim(GROUP, &claiming("c", 0), &some).await;
    assert_eq!(claimed.expect("claimed").len(), 70);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_there_when_every_partition_has_it() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), partitioned()).await;
    let all = spread(&log).await;
    read(&log, "a", 100).await;
    let names = recount_core::Origin::partition_names(&*log);
    server
        .command(&["XGROUP", "DESTROY", &names[2], GROUP])
        .assert_fine();
    let summary = log.pending(GROUP).await;
    assert!(
        matches!(summary, Err(GroupError::NoGroup { .. })),
        "{summary:?}"
    );
    // Creating completes it, and the others go on where they were.
    log.create(GROUP, &GroupStart::Start)
        .await
        .expect("created");
    let exists = log.create(GROUP, &GroupStart::Start).await;
    assert!(
        matches!(exists, Err(GroupError::Exists { .. })),
        "{exists:?}"
    );
    let mut found: BTreeSet<_> = pending(&log).await.iter().map(|one| one.position).collect();
    found.extend(read(&log, "a", 1_000).await);
    assert_eq!(found, all);
    assert_eq!(log.destroy(GROUP).await, Ok(true));
    assert_eq!(log.groups().await, Ok(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_partition_has_a_lease() {
    let server = Server::start(Flavor::Redis60, &[]);
    let log = open(&server.url(), partitioned()).await;
    let all = spread(&log).await;
    let ask = async |consumer: &str, partition| {
        let request = LeaseRequest {
            partition,
            consumer: consumer.to_owned(),
            ttl_ms: 3_600_000,
            holds: 2,
        };
        log.lease(GROUP, &request).await.expect("asked")
    };
    let mut found = BTreeSet::new();
    for partition in 0..PARTITIONS {
        let consumer = if partition % 2 == 0 { "a" } else { "b" };
        let LeaseAnswer::Held(lease) = ask(consumer, partition).await else {
            panic!("it is free");
        };
        let LeaseAnswer::Taken { by, for_ms } = ask("c", partition).await else {
            panic!("it is taken");
        };
        assert_eq!(by, consumer);
        assert!((3_000_000..=3_600_000).contains(&for_ms));
        let LeaseAnswer::Held(renewed) = ask(consumer, partition).await else {
            panic!("it is held");
        };
        assert_eq!(renewed.token, lease.token);
        assert_eq!(renewed.waiting, [("c".to_owned(), 2)]);
        let stolen = log.read_leased(GROUP, "c", partition, lease.token, 9).await;
        assert!(matches!(stolen, Err(GroupError::LeaseLost { .. })));
        loop {
            let read = log
                .read_leased(GROUP, consumer, partition, lease.token, 17)
                .await;
            let read = positions(&read.expect("read"));
            if read.is_empty() {
                break;
            }
            assert!(read.iter().all(|one| one.partition == partition));
            found.extend(read);
        }
        let released = log.release(GROUP, consumer, partition, lease.token).await;
        assert_eq!(released, Ok(true));
        let LeaseAnswer::Held(next) = ask("c", partition).await else {
            panic!("it is free");
        };
        assert!(next.token > lease.token);
    }
    assert_eq!(found, all);

    // A group of the same name, made later, gives no token out again.
    let LeaseAnswer::Held(before) = ask("c", 0).await else {
        panic!("it is held");
    };
    assert_eq!(log.destroy(GROUP).await, Ok(true));
    log.create(GROUP, &GroupStart::Start)
        .await
        .expect("created");
    let LeaseAnswer::Held(after) = ask("d", 0).await else {
        panic!("it is free");
    };
    assert!(after.token > before.token);
}
