//! What a group was delivered and has not acknowledged can be looked at.

use serde_json::{Value, json};

use crate::groups::documents;
use crate::redis::server;
use crate::support::Sandbox;

/// A group whose consumer w1 was killed with entries pending.
pub fn with_pending(sandbox: Sandbox) -> Sandbox {
    let sandbox = sandbox.with_group("g");
    let run = sandbox.drain(&["--name", "w1", "--concurrency", "3"], "kill -9 $PPID");
    assert_eq!(run.code, None, "it was to be killed");
    sandbox
}

fn document(sandbox: &Sandbox, args: &[&str]) -> Value {
    let run = sandbox.run(&[&["pending", "g", "--json"], args].concat());
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    serde_json::from_str(&run.stdout).unwrap()
}

#[test]
fn what_is_pending_is_summed_up_and_listed() {
    let server = server();
    for sandbox in [Sandbox::new(), Sandbox::on(&server.url())] {
        let sandbox = with_pending(sandbox);
        let all = document(&sandbox, &[]);
        let number = all["pending"].as_u64().unwrap();
        assert!((2..=4).contains(&number), "{all}");
        assert_eq!(all["consumers"], json!([{"name": "w1", "pending": number}]));
        assert_eq!(all["given_back"], 0);
        let entries = all["entries"].as_array().unwrap();
        assert_eq!(entries.len() as u64, number);
        let first = documents(&sandbox.run(&["events", "--limit", "1", "--json"]));
        assert_eq!(entries[0]["entry_id"], first[0]["entry_id"]);
        assert_eq!(all["ranges"][0]["first"], first[0]["entry_id"]);
        assert_eq!(entries[0]["consumer"], "w1");
        assert_eq!(entries[0]["delivery_count"], 1);

        let one = document(&sandbox, &["--limit", "1"]);
        assert_eq!(one["entries"].as_array().unwrap().len(), 1);
        assert_eq!(one["entries"][0]["entry_id"], entries[0]["entry_id"]);
        let none = document(&sandbox, &["--consumer", "w2"]);
        assert_eq!(none["entries"], json!([]));
        assert_eq!(none["pending"], number);

        let told = sandbox.run(&["pending", "g", "--limit", "1"]);
        let head = told.stdout.lines().next().unwrap();
        assert!(head.starts_with("pending  "), "{head}");
        assert!(head.ends_with(&format!(" {number} entries")), "{head}");
        assert!(told.stdout.ends_with("1  w1\n"), "{}", told.stdout);
        told.assert_said(&[&format!("the oldest 1 of {number}: --limit N shows more")]);
    }
}
