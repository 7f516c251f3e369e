//! `replay -- CMD`.

use crate::support::Sandbox;

const REPLAY: [&str; 3] = ["replay", "--speed", "max"];

#[test]
fn a_command_is_given_each_event_and_where_it_is() {
    let sandbox = Sandbox::new().with_session();
    let script = r#"cat; echo "$RECOUNT_EVENT_ID $RECOUNT_EVENT_TYPE $RECOUNT_SESSION_ID" >> out"#;
    let run = sandbox.run(&[&REPLAY[..], &["--session", "s1", "--", "sh", "-c", script]].concat());
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let lines: Vec<serde_json::Value> = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 5);
    assert!(lines.iter().all(|line| line["replayed"] == true));
    let out = std::fs::read_to_string(sandbox.path().join("out")).unwrap();
    assert_eq!(
        out,
        "e1 session.started s1\ne2 message.added s1\ne3 tool.called s1\n\
         e5 error.occurred s1\ne6 session.ended s1\n"
    );
    run.assert_said(&["recount: 5 events replayed in "]);
}

#[test]
fn the_first_that_fails_ends_it_unless_it_is_to_keep_going() {
    let sandbox = Sandbox::new().with_session();
    let script = r#"echo "$RECOUNT_EVENT_ID" >> out
        case "$RECOUNT_EVENT_ID" in e3|e5) echo "no $RECOUNT_EVENT_ID" >&2; exit 3;; esac"#;
    let command = ["--", "sh", "-c", script];
    let out = || {
        let path = sandbox.path().join("out");
        let out = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        out
    };
    let run = sandbox.run(&[&REPLAY[..], &command].concat());
    run.assert_refused(
        1,
        &["error: the command failed at entry ", "event \"e3\": no e3"],
    );
    assert_eq!(out(), "e1\ne2\ne3\n");
    let going = ["--keep-going", "--json"];
    let run = sandbox.run(&[&REPLAY[..], &going, &command].concat());
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    run.assert_said(&[
        "warning: the command failed at",
        "error: the command failed at 2 events",
    ]);
    assert_eq!(out(), "e1\ne2\ne3\ne4\ne5\ne6\n");
    let told: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(told["handled"], 4);
    assert_eq!(told["failed"], 2);
    assert_eq!(told["first_failure"]["id"], "e3");
    assert_eq!(told["first_failure"]["error"], "no e3");
    // What cannot be started is no event's fault.
    sandbox
        .run(&[&REPLAY[..], &["--", "no-such-command"]].concat())
        .assert_refused(2, &["there is no command no-such-command"]);
    sandbox
        .run(&["replay", "--keep-going"])
        .assert_refused(2, &["<CMD>..."]);
}

#[test]
fn what_failed_comes_first_when_it_goes_on() {
    let sandbox = Sandbox::new().with_session();
    let script =
        r#"echo "$RECOUNT_EVENT_ID" >> out; test "$RECOUNT_EVENT_ID" != e3 || test -e mended"#;
    let named = ["--resume", "n", "--state-dir", "names"];
    let command = ["--", "sh", "-c", script];
    let all = [&REPLAY[..], &named, &command].concat();
    assert_eq!(sandbox.run(&all).code, Some(1));
    std::fs::write(sandbox.path().join("mended"), "").unwrap();
    sandbox
        .run(&["replay", "--resume", "n", "--state-dir", "names"])
        .assert_refused(2, &["hands its events to a command", "-- CMD"]);
    let run = sandbox.run(&all);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let out = std::fs::read_to_string(sandbox.path().join("out")).unwrap();
    assert_eq!(out, "e1\ne2\ne3\ne3\ne4\ne5\ne6\n");
}

#[test]
fn kill_9_delivers_the_event_at_work_again_and_no_other() {
    let sandbox = Sandbox::new().with_session();
    // The command kills the replay that runs it: after the event came, and before that can be known.
    let script = r#"echo "$RECOUNT_EVENT_ID" >> out
        case "$RECOUNT_EVENT_ID" in
            e1|e4|e6) test -e "$RECOUNT_EVENT_ID" || { touch "$RECOUNT_EVENT_ID"; kill -9 $PPID; };;
        esac"#;
    let named = ["--resume", "n", "--state-dir", "names"];
    let all = [&REPLAY[..], &named, &["--", "sh", "-c", script]].concat();
    let codes: Vec<_> = (0..4).map(|_| sandbox.run(&all).code).collect();
    assert_eq!(codes, [None, None, None, Some(0)]);
    let out = std::fs::read_to_string(sandbox.path().join("out")).unwrap();
    assert_eq!(out, "e1\ne1\ne2\ne3\ne4\ne4\ne5\ne6\ne6\n");
}
