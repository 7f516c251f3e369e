//! `recount memory`: an agent that is a shell script.

use serde_json::Value;

use crate::support::{Run, Sandbox};

/// Adds messages of known ids and times.
fn with_talk() -> Sandbox {
    let sandbox = Sandbox::new();
    for (id, at, role, text) in [
        (
            "m1",
            "2026-01-02T10:00:00Z",
            "user",
            "Hello! My order 4711 arrived broken.",
        ),
        (
            "m2",
            "2026-01-02T10:00:05Z",
            "assistant",
            "I am sorry. You get a refund for order 4711.",
        ),
        (
            "m3",
            "2026-01-02T10:01:00Z",
            "user",
            "When do I get the refund?",
        ),
    ] {
        let flags = [
            "--user",
            "ada",
            "--role",
            role,
            "--id",
            id,
            "--timestamp",
            at,
        ];
        let run = sandbox.run(&[&["memory", "add", "s1", text], &flags[..]].concat());
        assert_eq!(run.code, Some(0), "{}", run.stderr);
    }
    sandbox
}

fn json(run: &Run) -> Value {
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    serde_json::from_str(&run.stdout).unwrap()
}

/// All that it said, without the ids of events, which are new each time.
fn told(run: &Run) -> String {
    let told = run.told();
    let words = told.split_inclusive([' ', ',', '\n', '"']).map(|word| {
        let id = word.trim_end_matches([' ', ',', '\n', '"']);
        let is_uuid = id.len() == 36 && id.split('-').count() == 5;
        if is_uuid {
            word.replace(id, "[uuid]")
        } else {
            word.to_owned()
        }
    });
    words.collect()
}

#[test]
fn what_is_added_is_answered_and_remembered() {
    let sandbox = Sandbox::new();
    let add =
        |args: &[&str]| sandbox.run(&[&["memory", "add", "s1", "--role", "user"], args].concat());
    insta::assert_snapshot!("add", told(&add(&["--id", "m1", "Hello"])));
    insta::assert_snapshot!("add_again", told(&add(&["--id", "m1", "Hello"])));
    let run = add(&["--id", "m1", "Bye"]);
    run.assert_refused(1, &["conflicts", "same id, other content"]);
    // Its own id is made up.
    insta::assert_snapshot!("add_more", told(&add(&["--tokens", "3", "-- what?"])));
    let answer = json(&add(&["--expect-revision", "3", "--json", "More"]));
    assert_eq!(answer["revision"], 4);
    assert_eq!(answer["outcome"], "appended");
    let run = add(&["--expect-revision", "3", "Late"]);
    run.assert_refused(
        1,
        &[
            "session s1 is at revision 4, not 3",
            "recount memory recent s1",
        ],
    );

    let recent = json(&sandbox.run(&["memory", "recent", "s1", "--json"]));
    assert_eq!(recent["revision"], 4);
    assert_eq!(recent["complete"], true);
    let said = recent["messages"].as_array().unwrap().iter();
    let said: Vec<_> = said
        .map(|message| message["content"].as_str().unwrap())
        .collect();
    assert_eq!(said, ["Hello", "-- what?", "More"]);
}

#[test]
fn a_message_may_come_from_standard_input() {
    let sandbox = Sandbox::new();
    let add = ["memory", "add", "s1", "--role", "assistant", "-"];
    let run = sandbox.run_with(&add, "Two\nlines\n");
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let recent = json(&sandbox.run(&["memory", "recent", "s1", "--json"]));
    assert_eq!(recent["messages"][0]["content"], "Two\nlines");

    let large = "x".repeat((1 << 20) + 1);
    let run = sandbox.run_with(&add, &large);
    run.assert_refused(2, &["more than 1048576 bytes"]);
    let nearly = "x".repeat(1 << 20);
    sandbox
        .run_with(&add, &nearly)
        .assert_refused(2, &["at most 1048576"]);
}

#[test]
fn the_memory_is_shown_searched_summarised_cleared_and_ended() {
    let sandbox = with_talk();
    let run = |args: &[&str]| sandbox.run(&[&["memory"], args].concat());
    insta::assert_snapshot!("recent", told(&run(&["recent", "s1", "-n", "2"])));
    insta::assert_snapshot!(
        "recent_json",
        told(&run(&["recent", "s1", "-n", "1", "--json"]))
    );
    insta::assert_snapshot!("search", told(&run(&["search", "s1", "refund order"])));
    let found = json(&run(&["search", "s1", "refund", "--no-record", "--json"]));
    assert_eq!(found["hits"][0]["content"], "When do I get the refund?");
    assert_eq!(found["hits"].as_array().unwrap().len(), 2);
    assert_eq!(found["recorded"], Value::Null);
    let found = json(&run(&["search", "s1", "refund", "--limit", "1", "--json"]));
    assert_eq!(found["hits"].as_array().unwrap().len(), 1);
    assert_eq!(found["recorded"]["revision"], 6);

    insta::assert_snapshot!("summarize", told(&run(&["summarize", "s1"])));
    insta::assert_snapshot!("summarize_again", told(&run(&["summarize", "s1"])));
    let again = json(&run(&["summarize", "s1", "--json"]));
    assert_eq!(
        (&again["summary"], &again["new"]),
        (&Value::Null, &Value::from(0))
    );
    let recent = json(&run(&["recent", "s1", "--json"]));
    assert_eq!(recent["summary"].as_str().unwrap().lines().count(), 5);

    let cleared = json(&run(&["clear", "s1", "--reason", "enough", "--json"]));
    assert_eq!(cleared["revision"], 8);
    insta::assert_snapshot!("recent_nothing", told(&run(&["recent", "s1"])));
    let ended = run(&["end", "s1", "--reason", "timeout"]);
    assert!(ended.stdout.ends_with("revision 9\n"), "{}", ended.stdout);
    let stats = json(&run(&["stats", "s1", "--json"]));
    for (name, value) in [
        ("message_count", 0),
        ("messages_added", 3),
        ("summaries", 1),
        ("searches", 2),
        ("clears", 1),
        ("revision", 9),
    ] {
        assert_eq!(stats[name], value, "{name}");
    }
    assert_eq!(stats["status"], "ended");
    assert_eq!(stats["user_id"], "ada");
    let rows = run(&["stats", "s1"]).stdout;
    assert!(
        rows.contains("messages        0, 3 added in all\n"),
        "{rows}"
    );
}

#[test]
fn what_there_is_no_memory_of_is_told() {
    let sandbox = with_talk();
    let run = sandbox.run(&["memory", "recent", "nobody"]);
    assert_eq!((run.code, &*run.stdout), (Some(0), ""));
    run.assert_said(&["no message is in the memory of session \"nobody\""]);
    sandbox
        .run(&["memory", "stats", "nobody"])
        .assert_refused(1, &["nothing is recorded of session"]);
    // A mistyped name begins no session.
    for command in ["summarize", "clear", "end"] {
        let run = sandbox.run(&["memory", command, "nobody"]);
        run.assert_refused(1, &["nothing is recorded of session", "recount sessions"]);
    }
    let run = sandbox.run(&["memory", "search", "s1", "?!"]);
    run.assert_refused(2, &["holds no word"]);
    let run = sandbox.run(&["memory", "search", "s1", "order", "--scope", "mine"]);
    run.assert_refused(2, &["write session, user or all"]);
    // A flag of no use.
    let run = sandbox.run(&["--fsync", "os", "memory", "recent", "s1"]);
    run.assert_refused(2, &["--fsync is about writing"]);
    let run = sandbox.run(&["--fsync", "os", "memory", "end", "s1"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
}

#[test]
fn a_part_of_a_memory_is_told() {
    let sandbox = with_talk();
    let run = sandbox.run(&["trim", "--max-length", "2"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let run = sandbox.run(&["memory", "recent", "s1", "--json"]);
    assert_eq!(run.warnings().len(), 1, "{}", run.stderr);
    run.assert_said(&["a part of the memory"]);
    let recent = json(&run);
    assert_eq!(
        (&recent["complete"], &recent["retained_from"]),
        (&Value::from(false), &Value::from(3))
    );
}

#[cfg(unix)]
#[test]
fn a_summarizer_that_cannot_be_asked_is_told_and_its_key_is_not() {
    let set = |url: &str, model: &str| {
        with_talk()
            .with("RECOUNT_SUMMARIZER_URL", url)
            .with("RECOUNT_SUMMARIZER_MODEL", model)
            .with("RECOUNT_SUMMARIZER_KEY", "hunter2")
    };
    let summarize = ["memory", "summarize", "s1"];
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let nobody = set(&format!("http://{address}/v1"), "small");
    let run = nobody.run(&summarize);
    run.assert_refused(1, &["could not be asked", &address.to_string()]);
    assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
    // Without it there is one all the same.
    let run = nobody.run(&[&summarize[..], &["--extractive"]].concat());
    assert_eq!(run.code, Some(0), "{}", run.stderr);

    set("https://models.example/v1", "")
        .run(&summarize)
        .assert_refused(2, &["summarizer.model"]);
    let in_the_open = set("http://models.example/v1", "small").run(&summarize);
    in_the_open.assert_refused(2, &["http:// to models.example", "summarizer.allow_http"]);
    let wrong = set("models.example", "small").run(&summarize);
    wrong.assert_refused(2, &["RECOUNT_SUMMARIZER_URL", "https://HOST/v1"]);
}

#[cfg(unix)]
#[test]
fn on_a_server_no_local_file_is_made_and_ten_processes_share_a_session() {
    use recount_testbed::{Flavor, Server};

    let server = Server::start(Flavor::Redis70, &[]);
    let sandbox = Sandbox::on(&server.url());
    let children = (0..10).map(|who| {
        let text = format!("message {who}");
        let args = ["memory", "add", "s1", "--role", "user", &text];
        sandbox.command(&args).spawn().unwrap()
    });
    for child in children.collect::<Vec<_>>() {
        let run = Run::from(child.wait_with_output().unwrap());
        assert_eq!(run.code, Some(0), "{}", run.stderr);
    }
    let recent = json(&sandbox.run(&["memory", "recent", "s1", "--json"]));
    assert_eq!(
        (&recent["revision"], &recent["complete"]),
        (&Value::from(11), &Value::from(true))
    );
    assert_eq!(recent["messages"].as_array().unwrap().len(), 10);
    let found = json(&sandbox.run(&["memory", "search", "s1", "message", "--json"]));
    assert_eq!(found["hits"].as_array().unwrap().len(), 10);
    for args in [
        &["summarize", "s1"][..],
        &["stats", "s1"],
        &["clear", "s1"],
        &["end", "s1"],
    ] {
        let run = sandbox.run(&[&["memory"], args].concat());
        assert_eq!(run.code, Some(0), "{}", run.stderr);
    }
    let files: Vec<_> = std::fs::read_dir(sandbox.path()).unwrap().collect();
    assert!(files.is_empty(), "{files:?}");
}
