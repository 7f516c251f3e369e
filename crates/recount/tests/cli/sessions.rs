//! Sessions and users are listed, and the views that this is done with are shown, built anew and kept.

#[cfg(unix)]
use std::io::{BufRead as _, BufReader};
#[cfg(unix)]
use std::process::Child;

use insta::assert_snapshot;
use serde_json::Value;

use crate::support::{Run, Sandbox};

/// What two users' agents did: one run failed, one was forked off it, one goes on.
const RUNS: &str = r#"{"id":"a1","type":"session.started","session_id":"task-1","user_id":"ada","agent_id":"bot","timestamp":"2026-01-02T10:00:00Z"}
{"id":"a2","type":"message.added","session_id":"task-1","timestamp":"2026-01-02T10:00:01Z","data":{"role":"user","content":"A refund, please","tokens":12}}
{"id":"a3","type":"tool.called","session_id":"task-1","timestamp":"2026-01-02T10:00:02Z","data":{"tool":"refund","call_id":"c1"}}
{"id":"a4","type":"error.occurred","session_id":"task-1","timestamp":"2026-01-02T10:00:04Z","data":{"message":"timed out","call_id":"c1"}}
{"id":"a5","type":"session.ended","session_id":"task-1","timestamp":"2026-01-02T10:02:05Z","data":{"reason":"completed","reward":0.5}}
{"id":"b1","type":"message.added","session_id":"task-2","user_id":"ada","timestamp":"2026-01-02T11:00:00Z","data":{"role":"assistant","content":"Done","tokens_in":100,"tokens_out":20,"cost":0.0125}}
{"id":"b2","type":"session.ended","session_id":"task-2","timestamp":"2026-01-02T11:00:07.5Z","data":{"reason":"completed","reward":1}}
{"id":"c1","type":"message.added","session_id":"chat","user_id":"bob","timestamp":"2026-01-02T12:00:00Z","data":{"role":"user","content":"Hello"}}
"#;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let run = sandbox.run_with(&["publish", "--quiet"], RUNS);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    sandbox
}

fn documents(run: &Run) -> Vec<Value> {
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let lines = run.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The sessions that a list has, in its order.
fn listed(sandbox: &Sandbox, args: &[&str]) -> Vec<String> {
    let run = sandbox.run(&[&["sessions", "--json"], args].concat());
    let sessions = documents(&run).into_iter();
    sessions
        .map(|session| session["session_id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn sessions_and_users_are_tables() {
    let sandbox = sandbox();
    let told = |args: &[&str]| sandbox.run(args).told();
    assert_snapshot!(
        "sessions",
        [
            told(&["sessions"]),
            told(&["sessions", "--quiet", "--user", "bob"]),
            told(&["sessions", "--quiet", "--limit", "1", "--json"]),
            told(&["sessions", "--user", "nobody"]),
            told(&["users"]),
            told(&["users", "--quiet", "--prefix", "a", "--json"]),
        ]
        .join("\n")
    );
}

#[test]
fn sessions_are_filtered_and_sorted() {
    let sandbox = sandbox();
    for (args, expected) in [
        (&[][..], &["chat", "task-2", "task-1"][..]),
        (&["--reverse"], &["task-1", "task-2", "chat"]),
        (&["--failed"], &["task-1"]),
        (&["--agent", "bot"], &["task-1"]),
        (&["--status", "idle"], &["chat"]),
        (&["--status", "ended"], &["task-2", "task-1"]),
        (&["--prefix", "task"], &["task-2", "task-1"]),
        (
            &["--since", "1h", "--sort", "name"],
            &["chat", "task-1", "task-2"],
        ),
        (&["--until", "1h"], &[]),
        (&["--sort", "duration"], &["task-1", "task-2", "chat"]),
        // What has no reward is last, either way round.
        (&["--sort", "reward"], &["task-2", "task-1", "chat"]),
        (
            &["--sort", "reward", "--reverse"],
            &["task-1", "task-2", "chat"],
        ),
        (
            &["--sort", "tokens", "--user", "ada"],
            &["task-2", "task-1"],
        ),
    ] {
        assert_eq!(listed(&sandbox, args), expected, "{args:?}");
    }
    // Nothing happens in it, but it does not count as idle yet.
    let patient = ["--status", "active", "--idle-after", "4000000000"];
    assert_eq!(listed(&sandbox, &patient), ["chat"]);
    for (command, args, count) in [
        ("sessions", &["--failed"][..], "1\n"),
        ("sessions", &[], "3\n"),
        ("users", &[], "2\n"),
    ] {
        let run = sandbox.run(&[&[command, "--count", "--quiet"], args].concat());
        assert_eq!(run.stdout, count);
    }
    let run = sandbox.run(&["users", "--count", "--json"]);
    assert_eq!(documents(&run), [serde_json::json!({"count": 2})]);
}

#[test]
fn a_fork_is_found_by_its_parent() {
    let sandbox = sandbox();
    let run = sandbox.run(&["fork", "task-1", "--at", "3", "task-1b", "--quiet"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(listed(&sandbox, &["--forked-from", "task-1"]), ["task-1b"]);
    // What it took over counts once.
    let users = documents(&sandbox.run(&["users", "--json"]));
    let ada = users.iter().find(|user| user["user_id"] == "ada").unwrap();
    assert_eq!(ada["messages"], 2);
    assert_eq!(ada["sessions"], 3);
}

#[test]
fn a_list_is_paged_by_cursor() {
    let sandbox = sandbox();
    for (command, name) in [("sessions", "session_id"), ("users", "user_id")] {
        let mut cursor = String::new();
        let mut found = Vec::new();
        loop {
            let mut args = vec![command, "--json", "--limit", "1", "--sort", "name"];
            if !cursor.is_empty() {
                args.extend(["--cursor", &cursor]);
            }
            let run = sandbox.run(&args);
            for row in documents(&run) {
                found.push(row[name].as_str().unwrap().to_owned());
            }
            match run.stderr.split_once("--cursor ") {
                Some((_, next)) => cursor = next.trim().to_owned(),
                None => break,
            }
        }
        assert!(found.len() >= 2 && found.is_sorted(), "{found:?}");
        found.dedup();
        let all = documents(&sandbox.run(&[command, "--json"]));
        assert_eq!(found.len(), all.len());
        // Another order, or others of them.
        for other in [["--sort", "events"], ["--prefix", "a"]] {
            let other = [&[command, "--cursor", &cursor][..], &other].concat();
            let run = sandbox.run(&other);
            run.assert_refused(2, &["the cursor belongs to another list"]);
        }
    }
    sandbox
        .run(&["sessions", "--cursor", "later"])
        .assert_refused(2, &["no cursor of a list"]);
}

#[test]
fn views_are_shown_and_built_anew() {
    let sandbox = sandbox();
    let standing = || {
        let views = documents(&sandbox.run(&["views", "--json"]));
        let view = views.into_iter().find(|view| view["name"] == "sessions");
        view.unwrap()
    };
    assert_eq!(standing()["standing"], "not built yet");
    assert_eq!(standing()["behind"], 8);
    assert_eq!(listed(&sandbox, &[]).len(), 3);
    assert_eq!(standing()["standing"], "up to date");
    assert_eq!(standing()["entries"], 8);
    let run = sandbox.run(&["views", "rebuild", "--json"]);
    let names: Vec<_> = documents(&run)
        .into_iter()
        .map(|view| (view["name"].clone(), view["entries"].clone()))
        .collect();
    assert_eq!(
        names,
        [("sessions".into(), 8.into()), ("search".into(), 8.into())]
    );
    assert!(standing()["rebuilt"].is_string());
    let run = sandbox.run(&["views", "--quiet"]);
    assert!(run.stdout.contains("up to date"), "{}", run.stdout);
    sandbox
        .run(&["views", "rebuild", "sesions"])
        .assert_refused(2, &["no view called", "sessions, search"]);
}

#[test]
fn damaged_rows_are_built_anew_and_that_is_told() {
    let sandbox = sandbox();
    assert_eq!(listed(&sandbox, &[]).len(), 3);
    let views = sandbox.path().join("recount-data");
    let mut damaged = 0;
    for path in files_below(&views) {
        if path.extension().is_some_and(|extension| extension == "mdb") {
            std::fs::write(&path, [7; 5_000]).unwrap();
            damaged += 1;
        }
    }
    assert_eq!(damaged, 1);
    let run = sandbox.run(&["sessions", "--json"]);
    assert_eq!(documents(&run).len(), 3);
    run.assert_said(&["the view sessions was built anew", "damaged"]);
}

fn files_below(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// A `recount views run` that came to the log's end.
#[cfg(unix)]
struct Keeper {
    child: Child,
    said: std::io::Lines<BufReader<std::process::ChildStderr>>,
}

#[cfg(unix)]
impl Keeper {
    fn start(sandbox: &Sandbox) -> Self {
        let mut child = sandbox
            .command(&["views", "run", "sessions"])
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut keeper = Self { child, said };
        keeper.until("up to date, going on");
        keeper
    }

    fn until(&mut self, words: &str) {
        let found = self.said.any(|line| line.unwrap().contains(words));
        assert!(found, "it never said {words:?}");
    }

    fn end(mut self) {
        crate::redis::interrupt(self.child.id());
        self.until("committed");
        assert_eq!(self.child.wait().unwrap().code(), Some(130));
    }
}

#[cfg(unix)]
#[test]
fn views_are_kept_up_to_date_until_ctrl_c() {
    let sandbox = sandbox();
    let keeper = Keeper::start(&sandbox);
    let views = documents(&sandbox.run(&["views", "--json"]));
    assert_eq!(views[0]["maintained_by"], keeper.child.id());
    let more = RUNS
        .replace("task-1", "task-9")
        .replace(r#""id":""#, r#""id":"x"#);
    let run = sandbox.run_with(&["publish", "--quiet"], &more);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    // What asks meanwhile has what was recorded before.
    assert_eq!(listed(&sandbox, &["--prefix", "task-9"]), ["task-9"]);
    keeper.end();
    let views = documents(&sandbox.run(&["views", "--json"]));
    assert_eq!(views[0]["maintained_by"], Value::Null);
    assert_eq!(views[0]["standing"], "up to date");
    assert_eq!(views[0]["entries"], 16);
}

#[cfg(unix)]
#[test]
fn on_a_server_the_lists_are_the_same_and_need_a_mirror() {
    let here = sandbox();
    let server = crate::redis::server();
    let there = Sandbox::on(&server.url());
    let run = there.run_with(&["publish", "--quiet"], RUNS);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for args in [
        &["sessions", "--quiet"][..],
        &["users", "--quiet"],
        &["sessions", "--quiet", "--sort", "reward", "--json"],
    ] {
        assert_eq!(there.run(args).told(), here.run(args).told(), "{args:?}");
    }
    let nowhere = Sandbox::new().with("RECOUNT_URL", &server.url());
    nowhere.run(&["sessions"]).assert_refused(2, &["--mirror"]);
}
