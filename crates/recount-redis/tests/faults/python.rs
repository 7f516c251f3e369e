//! Producers and readers in another language, with a client of their own.

use std::process::Command;

use recount_core::{Event, EventLog, EventType, JsonObject, SessionRead, Timestamp};
use recount_testbed::{Flavor, Server, python_packages};

use crate::kit::{STREAM, everything, open, patient};

/// Runs a program with the connection `r` and returns what it prints.
fn python(server: &Server, program: &str) -> String {
    let port = server.port();
    let connect =
        format!("import json, redis\nr = redis.Redis(port={port}, decode_responses=True)\n");
    let output = Command::new("python3")
        .arg("-c")
        .arg(connect + program)
        .env("PYTHONPATH", python_packages())
        .output()
        .expect("python3 starts");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    String::from_utf8(output.stdout).expect("it prints text")
}

const PRODUCE: &str = r#"
for n in range(3):
    r.xadd("memory:events", {
        "id": f"py-{n}", "type": "message.added", "session_id": "s", "user_id": "u",
        "timestamp": 1700000000 + n, "role": "user", "content": f"Grüße {n}", "tokens": 12,
        "final": "true",
    })
"#;

#[tokio::test(flavor = "multi_thread")]
async fn flat_entries_of_a_foreign_producer_are_events() {
    let server = Server::start(Flavor::Redis70, &[]);
    python(&server, PRODUCE);
    let log = open(&server.url(), patient()).await;
    let all = everything(&log).await;
    assert_eq!(all.len(), 3);
    for (number, recorded) in all.iter().enumerate() {
        let event = recorded.event().expect("it is an event");
        assert_eq!(event.id.as_str(), format!("py-{number}"));
        assert_eq!(event.event_type, EventType::MessageAdded);
        assert_eq!(event.session_id, "s");
        assert_eq!(event.user_id.as_deref(), Some("u"));
        let ms = 1_700_000_000_000 + 1_000 * number as u64;
        assert_eq!(event.timestamp, Timestamp::saturating_from_millis(ms));
        let data =
            format!(r#"{{"content":"Grüße {number}","final":true,"role":"user","tokens":12}}"#);
        assert_eq!(event.data, JsonObject::parse(data).expect("JSON"));
        assert_eq!(recorded.revision, 0, "the stream does not number them");
    }
    // The index of sessions does not know them, and says so.
    let page = log.session(&SessionRead::last("s", 10)).await;
    let page = page.expect("the session is read");
    assert_eq!(page.unindexed, 3);
    assert!(!page.is_complete());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_reader_reads_ours() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), patient()).await;
    let data = r#"{"role":"user","content":"Grüße","nested":{"list":[1,2]}}"#;
    let event = Event::builder(EventType::MessageAdded, "s")
        .id("ours")
        .user("u")
        .timestamp(Timestamp::saturating_from_millis(1_700_000_000_123))
        .data(JsonObject::parse(data.to_owned()).expect("JSON"))
        .build()
        .expect("a legal event");
    log.append(event.into()).await.expect("it is appended");
    let printed = python(
        &server,
        r#"
for id, fields in r.xrange("memory:events"):
    data = json.loads(fields.pop("data"))
    print(sorted(fields.items()), data["nested"]["list"][1], data["content"] == "Grüße")
"#,
    );
    let expected = "[('_revision', '1'), ('id', 'ours'), ('session_id', 's'), \
                    ('timestamp', '2023-11-14T22:13:20.123Z'), ('type', 'message.added'), \
                    ('user_id', 'u'), ('v', '1')] 2 True";
    assert_eq!(printed.trim(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_produce_into_one_stream_and_a_foreign_group_consumes_it() {
    let server = Server::start(Flavor::Redis70, &[]);
    let log = open(&server.url(), patient()).await;
    for number in 0..3 {
        let id = format!("ours-{number}");
        crate::kit::append(&log, &id).await.expect("it is appended");
        python(&server, &PRODUCE.replace("py-", &format!("py-{number}-")));
    }
    let printed = python(
        &server,
        r#"
r.xgroup_create("memory:events", "audit", id="0")
for _, entries in r.xreadgroup("audit", "one", {"memory:events": ">"}, count=100):
    print(" ".join(fields["id"] for _, fields in entries))
"#,
    );
    let there: Vec<String> = crate::kit::ids(&log).await;
    assert_eq!(there.len(), 12);
    assert_eq!(printed.trim(), there.join(" "));
    assert_eq!(server.command(&["XLEN", STREAM]).integer(), 12);
    // Our own events are numbered as if the others were not there.
    let all = everything(&log).await;
    let ours = all.iter().filter(|recorded| recorded.revision > 0);
    assert!(ours.map(|recorded| recorded.revision).eq(1..=3));
}
