//! Streams of several partitions.

use std::collections::BTreeSet;

use recount_core::{
    AppendError, Batch, Cursor, Entry, EntryId, Event, EventLog, GroupStart, GroupStore, Origin,
    Query, SessionRead, TrimLimit, TrimRequest,
};
use recount_redis::{OpenError, RedisLog, RedisOptions, RedisUrl, streams};
use recount_testbed::{Flavor, Server};

use crate::kit::{STREAM, event, everything, open, try_open, url};

fn partitioned(partitions: u32) -> RedisOptions {
    RedisOptions {
        partitions: Some(partitions),
        ..RedisOptions::default()
    }
}

fn events(count: usize) -> Vec<Event> {
    let session = |number: usize| format!("s{}", number % 20);
    (0..count)
        .map(|number| event(&format!("e{number}"), &session(number)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_has_one_partition_and_its_order() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), partitioned(4)).await;
    let receipt = log.append(Batch::new(events(200))).await.expect("appended");
    assert_eq!(receipt.appended(), 200);
    let used: BTreeSet<u32> = receipt
        .outcomes
        .iter()
        .map(|outcome| outcome.position().partition)
        .collect();
    assert_eq!(used.len(), 4, "twenty sessions are spread");
    for (number, outcome) in receipt.outcomes.iter().enumerate() {
        let session = format!("s{}", number % 20);
        assert_eq!(outcome.position().partition, log.partition_of(&session));
        // What another language computes.
        assert_eq!(log.partition_of("s1"), crc32(b"s1") % 4);
    }
    let page = log
        .session(&SessionRead::last("s7", 100))
        .await
        .expect("read");
    assert!(page.is_complete());
    let ids: Vec<&str> = page
        .entries
        .iter()
        .filter_map(|recorded| Some(recorded.event()?.id.as_str()))
        .collect();
    let expected: Vec<String> = (0..10)
        .map(|round| format!("e{}", round * 20 + 7))
        .collect();
    assert_eq!(ids, expected);
    assert_eq!(everything(&log).await.len(), 200);

    let again = log.append(Batch::new(events(200))).await.expect("appended");
    assert_eq!(again.duplicates(), 200);
    let info = log.info().await.expect("info");
    assert_eq!((info.partitions.len(), info.length()), (4, 200));
    assert_eq!(
        streams(&url(&server.url()), &RedisOptions::default()).await,
        Ok(vec![STREAM.to_owned()])
    );
}

/// CRC-32, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_batch_is_refused_in_all_partitions_or_none() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), partitioned(4)).await;
    log.append(Batch::new(events(20))).await.expect("appended");
    let mut next: Vec<Event> = (20..40)
        .map(|number| event(&format!("e{number}"), &format!("s{}", number % 20)))
        .collect();
    let mut conflicting = event("e5", "s5");
    conflicting.version = 2;
    next.insert(13, conflicting);
    let error = log.append(Batch::new(next.clone()).strict()).await;
    let error = error.expect_err("refused");
    assert!(
        matches!(error, AppendError::Conflict { index: 13, .. }),
        "{error}"
    );
    assert_eq!(everything(&log).await.len(), 20, "nothing was written");
    next.remove(13);
    let receipt = log
        .append(Batch::new(next).strict())
        .await
        .expect("appended");
    assert_eq!(receipt.appended(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_with_data_keeps_its_partitions() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), partitioned(3)).await;
    log.close().await.expect("closed");
    // Nothing is there yet.
    let log = open(&server.url(), partitioned(4)).await;
    log.append(Batch::new(events(10))).await.expect("appended");
    let error = try_open(&server.url(), partitioned(2))
        .await
        .expect_err("refused");
    let text = error.to_string();
    assert!(
        text.contains("4 partition") && text.contains("recount export"),
        "{text}"
    );
    let log = open(&server.url(), RedisOptions::default()).await;
    assert_eq!(log.partitions(), 4, "nobody has to say it again");
    let address = url(&server.url());
    let follower = RedisLog::open_read_only(&address, STREAM, RedisOptions::default()).await;
    assert_eq!(follower.expect("opened").partitions(), 4);

    let plain = "plain:events";
    let one = RedisLog::open(&url(&server.url()), plain, RedisOptions::default()).await;
    let one = one.expect("opened");
    one.append(event("a", "s").into()).await.expect("appended");
    let two = RedisLog::open(&url(&server.url()), plain, partitioned(2)).await;
    assert!(two.is_err(), "it has data");
    for wrong in [0, 1025] {
        assert!(try_open(&server.url(), partitioned(wrong)).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_belongs_to_one_stream() {
    let server = Server::start(Flavor::Redis70, &[]);
    let address = url(&server.url());
    let open = async |name: &str, partitions: Option<u32>| {
        let options = RedisOptions {
            partitions,
            ..RedisOptions::default()
        };
        RedisLog::open(&address, name, options).await
    };
    let log = open("col", Some(3)).await.expect("opened");
    log.append(Batch::new(events(20))).await.expect("appended");
    let key = log.partition_names().remove(1);
    for partitions in [None, Some(2)] {
        let refused = open(&key, partitions).await.expect_err("refused");
        let text = refused.to_string();
        assert!(
            matches!(&refused, OpenError::IsPartition { stream, .. } if stream == "col"),
            "{text}"
        );
        assert!(text.contains(&key) && text.contains("stream col"), "{text}");
    }
    let reading = RedisLog::open_read_only(&address, &key, RedisOptions::default()).await;
    assert!(matches!(reading, Err(OpenError::IsPartition { .. })));
    // What only looks like a partition.
    let other = open("col:{other}", None).await.expect("opened");
    other
        .append(event("a", "s").into())
        .await
        .expect("appended");

    // The other way round.
    let key = key.replace("col", "row");
    let log = open(&key, None).await.expect("opened");
    log.append(event("a", "s").into()).await.expect("appended");
    let refused = open("row", Some(3)).await.expect_err("refused");
    assert!(
        matches!(&refused, OpenError::Held { key: held, .. } if *held == key),
        "{refused}"
    );
    assert_eq!(everything(&log).await.len(), 1, "nothing was written");
    open(&key, None).await.expect("still a stream of its own");
    open("row", None).await.expect("one partition is elsewhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_outlive_the_key_that_tells_of_them() {
    let server = Server::start(Flavor::Redis70, &[]);
    let address = url(&server.url());
    let log = open(&server.url(), partitioned(6)).await;
    log.append(Batch::new(events(60))).await.expect("appended");
    log.close().await.expect("closed");
    let lose = || {
        let key = format!("{{{STREAM}}}:recount:partitions");
        assert_eq!(server.command(&["DEL", &key]).integer(), 1);
    };
    lose();
    let reader = RedisLog::open_read_only(&address, STREAM, RedisOptions::default()).await;
    assert_eq!(reader.expect("opened").partitions(), 6);
    for options in [RedisOptions::default(), partitioned(6)] {
        let log = open(&server.url(), options).await;
        assert_eq!(log.partitions(), 6);
        assert_eq!(everything(&log).await.len(), 60);
        log.close().await.expect("closed");
        // It was written again.
        lose();
    }
    let other = RedisOptions {
        partitions: Some(3),
        ..RedisOptions::default()
    };
    let refused = RedisLog::open(&address, STREAM, other).await;
    assert!(matches!(
        refused,
        Err(OpenError::OtherPartitions { actual: 6, .. })
    ));
    // Neither other streams' partitions nor what only looks like some.
    let plain = RedisLog::open(&address, "memory", RedisOptions::default()).await;
    assert_eq!(plain.expect("opened").partitions(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_stream_with_groups_keeps_its_partitions() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), RedisOptions::default()).await;
    log.create("audit", &GroupStart::Start)
        .await
        .expect("created");
    let address: RedisUrl = server.url().parse().expect("a URL");
    let refused = RedisLog::open(&address, STREAM, partitioned(6)).await;
    assert!(matches!(
        refused,
        Err(OpenError::GroupsOnPartitions {
            actual: 1,
            wanted: 6,
            ..
        })
    ));
    assert_eq!(log.destroy("audit").await, Ok(true));
    let widened = open(&server.url(), partitioned(6)).await;
    assert_eq!(widened.partitions(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_and_trims_see_every_partition() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), partitioned(3)).await;
    let end = log.tail().await.expect("the tail");
    let waiting = {
        let (log, end) = (std::sync::Arc::clone(&log), end.clone());
        tokio::spawn(async move { log.wait(&end).await })
    };
    log.append(Batch::new(events(60))).await.expect("appended");
    waiting.await.expect("no panic").expect("something came");
    let tail: Cursor = log.tail().await.expect("the tail");
    assert_eq!(tail.iter().count(), 3);
    let report = log.trim(&TrimRequest::exact(TrimLimit::MaxLength(5))).await;
    assert_eq!(report.expect("trimmed").removed, 45);
    assert_eq!(everything(&log).await.len(), 15);
    let query = Query::session("s3");
    let found = log.query(&query).await.expect("found");
    let partition = log.partition_of("s3");
    assert_eq!(
        found.entries.is_empty(),
        partition != 0,
        "a query asks one partition"
    );
    let copies = vec![Entry::new(EntryId::new(u64::MAX, 1), Vec::new())];
    let error = log.append_with_ids(copies).await.expect_err("refused");
    assert!(error.to_string().contains("one partition"), "{error}");
}
