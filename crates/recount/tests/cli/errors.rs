//! `recount errors`

use insta::assert_snapshot;
use serde_json::Value;

use super::support::Sandbox;

const ERRORS: &str = r#"{"id":"x1","type":"error.occurred","session_id":"s1","user_id":"ada","timestamp":"2026-01-02T10:00:04Z","data":{"message":"timed out","tool":"find_order","code":"timeout"}}
{"id":"x2","type":"error.occurred","session_id":"s2","timestamp":"2026-01-02T10:00:05Z","data":{"message":"no such order","tool":"find_order","code":"not_found"}}
{"id":"x3","type":"error.occurred","session_id":"s2","timestamp":"2026-01-02T10:00:03Z","data":{"message":"timed out\nagain","tool":"pay","code":"timeout"}}
{"id":"x4","type":"error.occurred","session_id":"s3","timestamp":"2026-01-02T10:00:06Z","data":{"message":["odd"]}}
{"id":"x5","type":"message.added","session_id":"s3","timestamp":"2026-01-02T10:00:07Z","data":{"content":"timed out"}}
"#;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run_with(&["publish"], ERRORS).code, Some(0));
    sandbox
}

#[test]
fn errors_are_listed_and_counted() {
    let sandbox = sandbox();
    assert_snapshot!(
        "errors",
        [
            sandbox.run(&["errors", "--quiet"]).told(),
            sandbox
                .run(&["errors", "--quiet", "timed", "--limit", "1"])
                .told(),
            sandbox
                .run(&["errors", "--quiet", "--user", "nobody"])
                .told(),
        ]
        .join("\n")
    );
}

#[test]
fn a_program_gets_one_document() {
    let sandbox = sandbox();
    let run = sandbox.run(&["errors", "--json", "--limit", "2"]);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(document["count"], 4);
    assert_eq!(document["errors"][0]["id"], "x4");
    assert_eq!(document["errors"].as_array().unwrap().len(), 2);
    assert_eq!(
        document["by_tool"][0],
        serde_json::json!({"tool": "find_order", "count": 2})
    );
    assert_eq!(
        document["by_code"][0],
        serde_json::json!({"code": "timeout", "count": 2})
    );
    run.assert_said(&["the newest 2 of 4 errors"]);
}
