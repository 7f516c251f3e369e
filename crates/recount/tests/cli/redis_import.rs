//! The same import on every engine gives the same sessions, event for event.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use recount_testbed::{Cluster, Flavor};
use serde_json::{Value, json};

use crate::redis::server;
use crate::support::Sandbox;

const SESSIONS: usize = 40;

/// Runs of an agent, as they are recorded by others.
fn runs() -> String {
    let mut lines = String::new();
    for run in 0..SESSIONS {
        let mut messages = vec![json!({"role": "system", "content": "Be kind."})];
        for turn in 0..=run % 7 {
            let id = format!("call_{run}_{turn}");
            messages.extend([
                json!({"role": "user", "content": format!("Question {turn} of {run}: größer?")}),
                json!({"role": "assistant", "content": null, "tool_calls": [{
                    "id": id, "type": "function",
                    "function": {"name": "look_up", "arguments": format!("{{\"order\":{run}}}")},
                }]}),
                json!({"role": "tool", "tool_call_id": id, "name": "look_up", "content": "{\"n\":1.10}"}),
                json!({"role": "assistant", "content": format!("Answer {turn}")}),
            ]);
        }
        let run = json!({"task_id": run, "trial": run % 3, "reward": 1.0, "traj": messages});
        writeln!(lines, "{run}").unwrap();
    }
    lines
}

/// The events of each session in order, without where they are.
fn sessions(export: &str) -> BTreeMap<String, Vec<Value>> {
    let mut sessions = BTreeMap::<String, Vec<Value>>::new();
    for line in export.lines() {
        let mut event: Value = serde_json::from_str(line).unwrap();
        let fields = event.as_object_mut().unwrap();
        fields.remove("entry_id").unwrap();
        fields.remove("partition").unwrap();
        let session = event["session_id"].as_str().unwrap().to_owned();
        sessions.entry(session).or_default().push(event);
    }
    sessions
}

fn import(sandbox: &Sandbox, args: &[&str], input: &str) -> Value {
    let run = sandbox.run_with(&[&["import", "-", "--json"], args].concat(), input);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    serde_json::from_str(&run.stdout).unwrap()
}

fn export(sandbox: &Sandbox, args: &[&str]) -> String {
    let run = sandbox.run(&[&["export"], args].concat());
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run.stdout
}

#[test]
fn an_import_gives_the_same_sessions_on_every_engine() {
    let server = server();
    let cluster = Cluster::start(Flavor::Redis70, &[]);
    let disk = Sandbox::new();
    let runs = runs();
    let first = import(&disk, &[], &runs);
    assert_eq!(first["sessions"], SESSIONS);
    let on_disk = export(&disk, &[]);
    let expected = sessions(&on_disk);
    assert_eq!(expected.len(), SESSIONS);
    for (url, partitions) in [
        (server.url(), "1"),
        (server.url(), "6"),
        (cluster.url(), "6"),
    ] {
        let sandbox = Sandbox::on(&url);
        let stream = format!("stream-{partitions}");
        let stream = ["--stream", &stream];
        let args = [&stream[..], &["--partitions", partitions]].concat();
        let summary = import(&sandbox, &args, &runs);
        assert_eq!(summary["added"], first["events"]);
        let exported = export(&sandbox, &stream);
        assert_eq!(sessions(&exported), expected, "{url}, {partitions}");
        // Once more adds nothing, nor does what was exported elsewhere.
        for (input, args) in [(&runs, &stream), (&on_disk, &stream)] {
            let again = import(&sandbox, args, input);
            assert_eq!(again["added"], 0, "{url}: {again}");
            assert_eq!(again["already_there"], first["events"]);
        }
        let session = expected.keys().next().unwrap();
        for args in [
            &["info"][..],
            &["state", session],
            &["events", "--type", "tool.called", "--count"],
            &["tail", "--from", "-", "--limit", "500"],
            &["replay", "--session", session, "--speed", "max"],
            &["replay", "--speed", "max", "--into", "again"],
            &["mirrors"],
            &["trim", "--max-length", "20", "--dry-run"],
            &["demo", "--speed", "1000", "--url", &url],
        ] {
            let own = ["demo", "--stream"].iter().any(|word| args.contains(word));
            let stream = if own { &[][..] } else { &stream[..] };
            let run = sandbox.run(&[args, stream].concat());
            assert_eq!(run.code, Some(0), "{url}, {args:?}: {}", run.stderr);
        }
        let partition = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["partition"].as_u64().unwrap()
        };
        let used: std::collections::BTreeSet<_> = exported.lines().map(partition).collect();
        assert_eq!(used.len().to_string(), partitions);
    }
}

#[test]
fn entry_ids_are_kept_where_there_is_one_partition() {
    let server = server();
    let disk = Sandbox::new();
    import(&disk, &[], &runs());
    let backup = export(&disk, &[]);
    let redis = Sandbox::on(&server.url());
    let summary = import(&redis, &[], &backup);
    assert_eq!(summary["kept_entry_ids"], summary["added"]);
    assert_eq!(export(&redis, &[]), backup);
    // And back.
    let restored = Sandbox::new();
    import(&restored, &[], &export(&redis, &[]));
    assert_eq!(export(&restored, &[]), backup);
    let state = |on: &Sandbox| {
        let session = sessions(&backup).into_keys().next().unwrap();
        on.run(&["state", &session, "--json"]).stdout
    };
    assert_eq!(state(&redis), state(&disk));

    let several = ["import", "-", "--stream", "several", "--partitions", "3"];
    let run = redis.run_with(&several, &backup);
    assert!(
        run.stdout.contains("  0 kept their entry ids"),
        "{}",
        run.stdout
    );
    run.assert_said(&["a stream of one partition keeps"]);
}
