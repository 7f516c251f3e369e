//! `recount stats`

use insta::assert_snapshot;
use serde_json::Value;

use super::support::Sandbox;

#[test]
fn a_log_in_figures() {
    let sandbox = Sandbox::new().with_session();
    assert_snapshot!(
        "stats",
        [
            sandbox.run(&["stats", "--quiet"]).told(),
            sandbox.run(&["stats", "--quiet", "user:bob"]).told(),
            sandbox
                .run(&["stats", "--quiet", "--user", "nobody"])
                .told(),
        ]
        .join("\n")
    );
}

#[test]
fn a_program_gets_one_document() {
    let sandbox = Sandbox::new().with_session();
    let run = sandbox.run(&["stats", "--json", "--since", "1h"]);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(document["events"], 6);
    assert_eq!(document["errors"], 1);
    assert_eq!(document["active_sessions"], 2);
    assert_eq!(document["active_users"], 2);
    assert_eq!(document["latency"]["calls"], 0);
    assert_eq!(document["latency"]["average_ms"], Value::Null);
    assert_eq!(document["span"]["recorded"], true);
    assert_eq!(document["top_types"][0]["type"], "message.added");
    // Six events in the hour.
    let rate = document["events_per_second"].as_f64().unwrap();
    assert!((0.0016..0.0017).contains(&rate), "{rate}");
}
