//! `recount events QUERY`: finding, sorting, paging, counting, and what is said of a wrong query.

use insta::assert_snapshot;

use super::support::{Run, Sandbox};

fn events(sandbox: &Sandbox, args: &[&str]) -> Run {
    sandbox.run(&[&["events", "--json"], args].concat())
}

/// The ids of the events that are printed.
fn ids(run: &Run) -> Vec<String> {
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let id = |line: &str| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        event["id"].as_str().unwrap().to_owned()
    };
    run.stdout.lines().map(id).collect()
}

#[test]
fn a_query_and_flags_narrow_each_other() {
    let sandbox = Sandbox::new().with_session();
    for (args, expected) in [
        (&["session:s1 type:message.added"][..], &["e2"][..]),
        (&["session:s1,s2", "type:message.added"], &["e2", "e4"]),
        (&["--session", "s1", "type:message.added"], &["e2"]),
        (&["--session", "s1", "session:s2"], &[]),
        (
            &["--", "-type:message.added user:ada,bob"],
            &["e1", "e3", "e5", "e6"],
        ),
        (
            &["user:ada,bob -type:message.added"],
            &["e1", "e3", "e5", "e6"],
        ),
        (&["happened-since:2026-01-02T10:00:04Z"], &["e5", "e6"]),
        (&["id:e3"], &["e3"]),
        (&["order"], &["e2", "e3", "e5"]),
        (&["order agent:nobody"], &[]),
        (&["\"my order\" session:s1"], &["e2"]),
        (&["find_order"], &["e3", "e5"]),
        (&["find_order -timed"], &["e3"]),
        (&["since:1h until:1h"], &[]),
    ] {
        assert_eq!(ids(&events(&sandbox, args)), expected, "{args:?}");
        let count = sandbox.run(&[&["events", "--count"], args].concat());
        assert_eq!(count.stdout, format!("{}\n", expected.len()), "{args:?}");
    }
}

#[test]
fn what_happened_sorts_otherwise_than_what_was_recorded() {
    let sandbox = Sandbox::new();
    let line = |id: &str, second: u8| {
        format!(
            r#"{{"id":"{id}","type":"t","session_id":"s","timestamp":"2026-01-02T10:00:0{second}Z"}}"#
        )
    };
    let lines = [line("e1", 5), line("e2", 1), line("e3", 3), line("e4", 1)].join("\n");
    assert_eq!(sandbox.run_with(&["publish"], &lines).code, Some(0));
    let sorted = |args: &[&str]| ids(&events(&sandbox, args));
    assert_eq!(sorted(&["--sort", "happened"]), ["e2", "e4", "e3", "e1"]);
    assert_eq!(
        sorted(&["--sort", "happened", "--reverse"]),
        ["e1", "e3", "e4", "e2"]
    );
    assert_eq!(sorted(&["--reverse"]), ["e4", "e3", "e2", "e1"]);
}

#[test]
fn pages_joined_are_everything_once() {
    let sandbox = Sandbox::new().with_session();
    for order in [
        &[][..],
        &["--reverse"],
        &["--sort", "happened"],
        &["--sort", "happened", "--reverse"],
    ] {
        for query in [&[][..], &["user:ada"], &["find_order"]] {
            let args = [order, query].concat();
            let all = ids(&events(&sandbox, &args));
            let mut joined = Vec::new();
            let mut cursor: Option<String> = None;
            loop {
                let mut args = [&args[..], &["--limit", "2"]].concat();
                if let Some(cursor) = &cursor {
                    args.extend(["--cursor", cursor]);
                }
                let page = events(&sandbox, &args);
                joined.extend(ids(&page));
                let Some((_, rest)) = page.stderr.split_once("--cursor ") else {
                    break;
                };
                cursor = rest.split_whitespace().next().map(str::to_owned);
            }
            assert_eq!(joined, all, "{args:?}");
        }
    }
}

#[test]
fn a_wrong_query_is_pointed_at() {
    let sandbox = Sandbox::new();
    let refused = |query: &str| {
        let run = sandbox.run(&["events", query]);
        run.assert_refused(2, &["error: query, column"]);
        run.stderr
    };
    assert_snapshot!(
        "wrong-queries",
        [
            refused("type:error.occurred usr:u1"),
            refused("since:yesterday"),
            refused("session:s1 \"never closed"),
            refused("refund OR order"),
            refused("日本 usr:u1"),
        ]
        .concat()
    );
}

#[test]
fn a_cursor_that_leads_nowhere_is_refused() {
    let sandbox = Sandbox::new().with_session();
    sandbox
        .run(&["events", "--cursor", "nonsense"])
        .assert_refused(2, &["it is no cursor"]);
    sandbox
        .run(&["events", "--reverse", "--cursor", "ra.5-0.0.00000000"])
        .assert_refused(2, &["sorted otherwise"]);
}
