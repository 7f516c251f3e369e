//! Connections that end in the middle of an answer.

use recount_core::EventLog;
use recount_redis::RedisOptions;
use recount_testbed::{Flavor, Proxy, Server};

use crate::kit::{Publishers, open, patient, wait_until};

/// Enough for a few answers.
const BYTES_MAX: u64 = 1_500;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_missing_and_nothing_stands_twice() {
    for (flavor, seed) in [
        (Flavor::Redis60, 1),
        (Flavor::Redis70, 2),
        (Flavor::Valkey9, 3),
    ] {
        let server = Server::start(flavor, &[]);
        let proxy = Proxy::start(server.port(), seed, BYTES_MAX);
        let log = open(&proxy.url(), patient()).await;
        proxy.begin();
        let publishers = Publishers::start(&log, 4);
        wait_until("enough cuts", || {
            publishers.go_on(10);
            (proxy.cuts() >= 20).then_some(())
        });
        proxy.end();
        let acknowledged = publishers.finish().await;
        let direct = open(&server.url(), patient()).await;
        acknowledged.verify(&direct).await;
        assert!(acknowledged.duplicates > 0, "answers were cut off");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_idempotency_nothing_acknowledged_is_missing() {
    let server = Server::start(Flavor::Redis70, &[]);
    let proxy = Proxy::start(server.port(), 4, BYTES_MAX);
    let options = RedisOptions {
        idempotency_window: std::time::Duration::ZERO,
        ..patient()
    };
    let log = open(&proxy.url(), options).await;
    proxy.begin();
    let (mut acknowledged, mut unknown) = (Vec::new(), 0);
    for number in 0.. {
        let name = format!("e{number}");
        match crate::kit::append(&log, &name).await {
            Ok(_) => acknowledged.push(name),
            // It is there or not, and nobody sends it again unasked.
            Err(recount_core::AppendError::Unavailable { .. }) => unknown += 1,
            Err(error) => panic!("{error}"),
        }
        if unknown >= 10 && acknowledged.len() >= 10 {
            break;
        }
    }
    let direct = open(&server.url(), patient()).await;
    let there = crate::kit::ids(&direct).await;
    let once = |name: &String| there.iter().filter(|found| *found == name).count() == 1;
    assert!(acknowledged.iter().all(once), "acknowledged, there once");
    let found: std::collections::BTreeSet<&String> = there.iter().collect();
    assert_eq!(found.len(), there.len(), "nothing stands twice");
    assert!(there.len() <= acknowledged.len() + unknown);
    log.close().await.expect("it closes");
}
