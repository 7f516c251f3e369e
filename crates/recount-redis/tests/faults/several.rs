//! Several processes publish to one stream.

use std::collections::BTreeMap;

use recount_core::{Batch, EventLog, Outcome};
use recount_testbed::{Flavor, Server};

use crate::kit::{event, everything, open, patient};

const EVENTS: usize = 400;

#[tokio::test(flavor = "multi_thread")]
async fn an_event_published_by_all_is_appended_by_one() {
    for flavor in [Flavor::Redis60, Flavor::Redis82] {
        let server = Server::start(flavor, &[]);
        let mut publishers = Vec::new();
        for width in [1, 7, 20, 33] {
            let log = open(&server.url(), patient()).await;
            publishers.push(tokio::spawn(async move {
                let events: Vec<_> = (0..EVENTS)
                    .map(|number| event(&format!("e{number}"), &format!("s{}", number % 3)))
                    .collect();
                let mut outcomes = Vec::new();
                for batch in events.chunks(width) {
                    let receipt = log.append(Batch::new(batch.to_vec())).await;
                    outcomes.extend(receipt.expect("it is appended").outcomes);
                }
                outcomes
            }));
        }
        let mut told = Vec::new();
        for publisher in publishers {
            told.push(publisher.await.expect("the publisher ends"));
        }
        let log = open(&server.url(), patient()).await;
        let all = everything(&log).await;
        assert_eq!(all.len(), EVENTS, "{flavor:?}");
        let places: BTreeMap<_, _> = all
            .iter()
            .map(|recorded| {
                let event = recorded.event().expect("an event");
                (event.id.as_str().to_owned(), recorded.position)
            })
            .collect();
        for number in 0..EVENTS {
            let name = format!("e{number}");
            let appended = told
                .iter()
                .filter(|outcomes| matches!(outcomes[number], Outcome::Appended { .. }))
                .count();
            assert_eq!(appended, 1, "{name} was appended by one");
            for outcomes in &told {
                assert_eq!(outcomes[number].position(), places[&name], "{name}");
            }
        }
        for session in ["s0", "s1", "s2"] {
            let of_it = all.iter().filter(|recorded| {
                recorded
                    .event()
                    .is_some_and(|event| event.session_id == session)
            });
            let revisions: Vec<u64> = of_it.map(|recorded| recorded.revision).collect();
            let expected: Vec<u64> = (1..=revisions.len() as u64).collect();
            assert_eq!(revisions, expected, "revisions count up");
        }
    }
}
