//! `recount timeline`

use insta::assert_snapshot;

use super::support::Sandbox;

pub const CONVERSATION: &str = include_str!("../data/conversation.ndjson");

pub fn with_conversation(sandbox: Sandbox) -> Sandbox {
    let run = sandbox.run_with(&["publish", "--quiet"], CONVERSATION);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    sandbox
}

#[test]
fn a_conversation_is_read_line_by_line() {
    let sandbox = with_conversation(Sandbox::new());
    let timeline = |args: &[&str]| {
        let args: Vec<_> = ["timeline", "order-4711"]
            .iter()
            .chain(args)
            .copied()
            .collect();
        sandbox.run(&args).told()
    };
    assert_snapshot!("timeline", timeline(&[]));
    assert_snapshot!(
        "timeline-full",
        timeline(&["--full", "--from", "2", "--to", "10"])
    );
    assert_snapshot!(
        "timeline-color",
        timeline(&["--color", "always", "--last", "7"])
    );
    assert_snapshot!(
        "timeline-json",
        timeline(&["--json", "--from", "10", "--limit", "2"])
    );
}

#[test]
fn a_timeline_is_paged_to_its_end() {
    let sandbox = with_conversation(Sandbox::new());
    let lines = |run: &super::support::Run| -> Vec<String> {
        let events = run
            .stdout
            .lines()
            .filter(|line| line.contains("  1") || line.contains("  0"));
        events
            .map(|line| line.trim().split(' ').next().unwrap().to_owned())
            .collect()
    };
    let mut from = 1;
    let mut numbers = Vec::new();
    for page in 1.. {
        let run = sandbox.run(&[
            "timeline",
            "order-4711",
            "--from",
            &from.to_string(),
            "--limit",
            "10",
        ]);
        numbers.extend(lines(&run));
        let on = format!(
            "recount timeline order-4711 --from {} --limit 10 goes on",
            from + 10
        );
        assert_eq!(run.stderr.contains(&on), page < 3, "{}", run.stderr);
        if page == 3 {
            break;
        }
        from += 10;
    }
    let expected: Vec<_> = (1..=29).map(|number| number.to_string()).collect();
    assert_eq!(numbers, expected);
    // The answer to a call that lies before the page is timed all the same.
    let run = sandbox.run(&["timeline", "order-4711", "--from", "5", "--limit", "1"]);
    assert!(run.stdout.contains("(1.2 s)"), "{}", run.stdout);
}

#[test]
fn times_and_entries_bound_a_timeline() {
    let sandbox = with_conversation(Sandbox::new());
    let ids: Vec<_> = sandbox
        .run(&["events", "--session", "order-4711"])
        .stdout
        .lines()
        .map(|line| line.split(' ').nth(1).unwrap().to_owned())
        .collect();
    let count = |args: &[&str]| {
        let args: Vec<_> = ["timeline", "order-4711", "--json"]
            .iter()
            .chain(args)
            .copied()
            .collect();
        let run = sandbox.run(&args);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        run.stdout.lines().count()
    };
    assert_eq!(count(&["--from", &ids[20]]), 9);
    assert_eq!(count(&["--to", &ids[20]]), 21);
    assert_eq!(count(&["--from", &ids[3], "--to", "4"]), 1);
    assert_eq!(count(&["--from", "1h"]), 29);
    assert_eq!(count(&["--to", "1h"]), 0);
    assert_eq!(count(&["--last", "3", "--to", "20"]), 3);
}

#[test]
fn a_session_that_nobody_recorded_is_an_error() {
    let sandbox = with_conversation(Sandbox::new());
    sandbox
        .run(&["timeline", "nobody", "--quiet"])
        .assert_refused(1, &["nothing is recorded of session \"nobody\""]);
    sandbox
        .run(&["timeline", "order-4711", "--from", "yesterday"])
        .assert_refused(2, &["or write a revision"]);
}
