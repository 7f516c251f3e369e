//! Ten thousand consumers.

use std::collections::BTreeSet;

use recount_core::{Cursor, EventLog, GroupStore, TrimLimit, TrimRequest};
use recount_redis::RedisOptions;
use recount_testbed::{Flavor, Server};

use super::{GROUP, claiming, filled, group, pending, positions, read};
use crate::kit::{STREAM, open};

const CONSUMERS: usize = 10_000;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_consumers_are_listed_and_taken_over() {
    for flavor in [Flavor::Redis60, Flavor::Redis82] {
        let server = Server::start(flavor, &[]);
        let log = open(&server.url(), RedisOptions::default()).await;
        let all = filled(&log, CONSUMERS).await;
        let script = "for n = 1, tonumber(ARGV[1]) do
            redis.call('XREADGROUP', 'GROUP', 'audit', 'c' .. n, 'COUNT', 1, 'STREAMS', KEYS[1], '>')
        end";
        let count = CONSUMERS.to_string();
        server
            .command(&["EVAL", script, "1", STREAM, &count])
            .assert_fine();
        let info = group(&log).await;
        assert_eq!((info.consumers, info.pending), (10_000, 10_000));
        assert_eq!(
            (info.lag(), info.oldest_pending),
            (0, Some(all[0].entry_id))
        );
        assert_eq!(log.consumers(GROUP).await.expect("listed").len(), CONSUMERS);
        let summary = log.pending(GROUP).await.expect("summed up");
        assert_eq!((summary.count, summary.by_consumer.len()), (10_000, 10_000));

        let request = TrimRequest::exact(TrimLimit::MaxLength(0));
        assert_eq!(log.trim(&request).await.expect("trimmed").removed, 0);
        let mut claimed = BTreeSet::new();
        let mut after = Cursor::start();
        loop {
            let claim = log
                .auto_claim(GROUP, &claiming("heir", 0), &after, 700)
                .await;
            let claim = claim.expect("claimed");
            claimed.extend(positions(&claim.deliveries));
            let Some(next) = claim.next else { break };
            after = next;
        }
        assert!(claimed.iter().eq(&all), "{flavor:?}");
        assert_eq!(pending(&log).await.len(), CONSUMERS);
        assert_eq!(log.ack(GROUP, &all).await, Ok(CONSUMERS));
        assert_eq!(read(&log, "c1", 1).await, []);
        assert_eq!(log.trim(&request).await.expect("trimmed").removed, 10_000);
    }
}
