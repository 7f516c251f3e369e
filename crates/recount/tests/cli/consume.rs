//! Any program consumes a group.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command};

use recount_testbed::until;
use serde_json::Value;

use crate::groups::{Watch, documents};
use crate::redis::{interrupt, server};
use crate::support::{Run, Sandbox};

/// Answers every event it is fed.
const ANSWERS: &str = r#"
while IFS= read -r line; do
    printf '%s\n' "$line" >> out
    id=$(printf %s "$line" | sed 's/.*"id":"\([^"]*\)","type".*/\1/')
    printf '{"id":"%s","ok":true}\n' "$id"
done"#;

impl Sandbox {
    /// With the small session and a group at its start.
    pub fn with_group(self, group: &str) -> Self {
        let sandbox = self.with_session();
        let create = ["groups", "create", group, "--from", "start", "--quiet"];
        let run = sandbox.run(&create);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        sandbox
    }

    /// Consumes the group `g` until nothing is left, by a script.
    pub fn drain(&self, flags: &[&str], script: &str) -> Run {
        let run = ["consume", "--group", "g", "--drain"];
        let script = ["--", "sh", "-c", script];
        self.run(&[&run, flags, &script].concat())
    }

    /// The ids of the events in a file of lines of JSON, in order.
    pub fn ids(&self, file: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path().join(file)).unwrap_or_default();
        let ids = text.lines().map(|line| {
            let event: Value = serde_json::from_str(line).unwrap();
            event["id"].as_str().unwrap().to_owned()
        });
        ids.collect()
    }

    /// What a group has left: pending, lag, dead letters.
    pub fn left(&self, group: &str) -> [u64; 3] {
        let groups = documents(&self.run(&["groups", "--json"]));
        let group = groups.iter().find(|shown| shown["name"] == group).unwrap();
        ["pending", "lag", "dead_letters"].map(|what| group[what].as_u64().unwrap())
    }

    fn fifo(&self, name: &str) -> PathBuf {
        let path = self.path().join(name);
        assert!(
            Command::new("mkfifo")
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );
        path
    }
}

const ALL: [&str; 6] = ["e1", "e2", "e3", "e4", "e5", "e6"];

/// Each once, those of one session in order.
fn assert_handled_in_order(ids: &[String]) {
    let of_s1: Vec<_> = ids.iter().filter(|id| *id != "e4").collect();
    assert_eq!(of_s1, ["e1", "e2", "e3", "e5", "e6"]);
    assert_eq!(ids.len(), 6);
}

fn sorted(lines: &str) -> Vec<&str> {
    let mut lines: Vec<_> = lines.lines().collect();
    lines.sort_unstable();
    lines
}

/// The events as they are listed; an entry's id is what a line begins with.
fn listed(sandbox: &Sandbox) -> Vec<String> {
    let listed = sandbox.run(&["events", "--json"]).stdout;
    listed.lines().map(str::to_owned).collect()
}

#[test]
fn a_command_is_run_for_each_event_in_order() {
    let sandbox = Sandbox::new().with_group("g");
    let script = r#"cat >> out
        echo "$RECOUNT_EVENT_ID $RECOUNT_EVENT_TYPE $RECOUNT_SESSION_ID $RECOUNT_GROUP $RECOUNT_CONSUMER $RECOUNT_DELIVERY_COUNT" >> told
        echo "$RECOUNT_KEY = $RECOUNT_GROUP/$RECOUNT_PARTITION/$RECOUNT_ENTRY_ID" >> keys"#;
    let run = sandbox.drain(&["--name", "w1", "--json"], script);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run.assert_said(&[
        "consuming group g as w1",
        "6 events delivered, 6 acknowledged\n",
    ]);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        [&report["delivered"], &report["acked"], &report["retried"]],
        [6, 6, 0]
    );
    assert_handled_in_order(&sandbox.ids("out"));
    let fed = fs::read_to_string(sandbox.path().join("out")).unwrap();
    assert_eq!(
        sorted(&fed),
        listed(&sandbox),
        "not the one shape of an event"
    );
    let told = fs::read_to_string(sandbox.path().join("told")).unwrap();
    assert_eq!(told.lines().next(), Some("e1 session.started s1 g w1 1"));
    let keys = fs::read_to_string(sandbox.path().join("keys")).unwrap();
    for key in keys.lines() {
        let (key, parts) = key.split_once(" = ").unwrap();
        assert_eq!(key, parts);
    }
    assert_eq!(sandbox.left("g"), [0, 0, 0]);

    let again = sandbox.drain(&[], "cat >> out");
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    again.assert_said(&["0 events delivered"]);
    assert_eq!(sandbox.ids("out").len(), 6);
}

#[test]
fn every_group_sees_every_event_once() {
    let sandbox = Sandbox::new().with_session();
    for group in ["analytics", "audit", "debug"] {
        let script = format!("cat >> {group}.out");
        let run = sandbox.run(&[
            "consume",
            "--group",
            group,
            "--from",
            "start",
            "--drain",
            "--concurrency",
            "4",
            "--",
            "sh",
            "-c",
            &script,
        ]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let mut ids = sandbox.ids(&format!("{group}.out"));
        ids.sort();
        assert_eq!(ids, ALL, "{group}");
        assert_eq!(sandbox.left(group), [0, 0, 0]);
    }
}

#[test]
fn what_fails_is_tried_again() {
    let sandbox = Sandbox::new().with_group("g");
    let script =
        r#"[ "$RECOUNT_DELIVERY_COUNT" -gt 1 ] || { echo "not yet" >&2; exit 3; }; cat >> out"#;
    let run = sandbox.drain(&[], script);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run.assert_said(&["not yet\n", "6 tried again"]);
    assert_handled_in_order(&sandbox.ids("out"));
    assert_eq!(sandbox.left("g"), [0, 0, 0]);
}

#[test]
fn a_fed_command_answers_each_event() {
    let sandbox = Sandbox::new().with_group("g");
    let run = sandbox.drain(&["--feed"], ANSWERS);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_handled_in_order(&sandbox.ids("out"));
    assert_eq!(sandbox.left("g"), [0, 0, 0]);
    assert_eq!(run.stdout, "", "answers are for us");
}

#[test]
fn an_answer_may_say_what_went_wrong() {
    let sandbox = Sandbox::new().with_group("g");
    let script = ANSWERS.replace(
        "printf '{\"id\"",
        "[ $id = e3 ] && printf '{\"id\":\"e3\",\"ok\":false,\"error\":\"no e3 here\"}\\n' || printf '{\"id\"",
    );
    let script = format!("echo hello; {script}");
    let run = sandbox.drain(&["--feed", "--max-deliveries", "2"], &script);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run.assert_said(&[
        "warning: the command wrote what answers no event it has",
        ": hello; an answer is {\"id\": ID, \"ok\": true}",
        "1 dead letter",
        "recount dead list --group g shows the dead letters",
    ]);
    let dead = documents(&sandbox.run(&["dead", "list", "--group", "g", "--json"]));
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0]["error"], "no e3 here");
    assert_eq!(sandbox.left("g"), [0, 0, 1]);
}

#[test]
fn an_event_that_ends_the_fed_command_takes_no_other_along() {
    let sandbox = Sandbox::new().with_group("g");
    // It is with e4 of the other session when it comes to e3.
    let script = ANSWERS.replace("printf '{", "[ $id = e3 ] && exit 7; printf '{");
    let run = sandbox.drain(&["--feed", "--max-deliveries", "2"], &script);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run.assert_said(&["warning: the command ended with exit code 7: starting it again"]);
    let dead = documents(&sandbox.run(&["dead", "list", "--group", "g", "--json"]));
    assert_eq!(dead.len(), 1);
    assert_eq!(
        dead[0]["error"],
        "the command ended with exit code 7 before it answered"
    );
    let mut ids = sandbox.ids("out");
    ids.sort();
    ids.dedup();
    assert_eq!(ids, ALL);
    assert_eq!(sandbox.left("g"), [0, 0, 1]);
}

#[test]
fn what_is_written_to_a_blind_command_is_acknowledged() {
    let sandbox = Sandbox::new().with_group("g");
    let run = sandbox.drain(&["--feed=blind", "--concurrency", "1", "--quiet"], "cat");
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(sorted(&run.stdout), listed(&sandbox));
    assert_eq!(run.stderr, "");
    assert_eq!(sandbox.left("g"), [0, 0, 0]);
}

#[test]
fn nothing_is_spent_on_a_command_or_a_group_that_is_not_there() {
    let sandbox = Sandbox::new().with_group("g");
    for feed in [&[][..], &["--feed"]] {
        let consume = ["consume", "--group", "g", "--drain"];
        let run = sandbox.run(&[&consume, feed, &["--", "no-such-command"]].concat());
        run.assert_refused(2, &["there is no command no-such-command", "hint: "]);
    }
    assert_eq!(sandbox.left("g"), [0, 6, 0]);
    let missing = sandbox.run(&["consume", "--group", "other", "--", "true"]);
    missing.assert_refused(
        1,
        &[
            "there is no group other on stream memory:events",
            "--from start",
        ],
    );
    for (args, words) in [
        (&["consume", "--", "true"][..], "--group"),
        (&["consume", "--group", "g"], "CMD"),
        (
            &[
                "consume",
                "--group",
                "g",
                "--claim-after",
                "1ms",
                "--",
                "true",
            ],
            "--claim-after must be at least 100 ms",
        ),
        (
            &[
                "consume",
                "--group",
                "g",
                "--concurrency",
                "0",
                "--",
                "true",
            ],
            "from 1",
        ),
        (
            &["consume", "--group", "g", "--feed=deaf", "--", "true"],
            "blind",
        ),
    ] {
        sandbox.run(args).assert_refused(2, &[words]);
    }
}

/// A `recount consume` of the group `g`.
struct Consumer(Child);

impl Consumer {
    fn start(sandbox: &Sandbox, flags: &[&str], script: &str) -> Self {
        let run = ["consume", "--group", "g"];
        let args = [&run, flags, &["--", "sh", "-c", script]].concat();
        Self(sandbox.command(&args).spawn().unwrap())
    }

    fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status();
        assert!(sent.unwrap().success());
    }

    fn end(self) -> Run {
        self.0.wait_with_output().unwrap().into()
    }
}

#[test]
fn what_is_at_work_at_the_end_may_finish() {
    for signal in ["-INT", "-TERM"] {
        let sandbox = Sandbox::new().with_group("g");
        let begun = sandbox.fifo("begun");
        let go = sandbox.fifo("go");
        let script = "echo > begun; read -r _ < go; cat >> out";
        let mut consumer = Consumer::start(&sandbox, &["--name", "w1"], script);
        fs::read(begun).unwrap();
        let mut stderr = BufReader::new(consumer.0.stderr.take().unwrap()).lines();
        consumer.signal(signal);
        let ending = |line: &Result<String, _>| line.as_ref().unwrap().contains("ending: ");
        assert!(stderr.any(|line| ending(&line)));
        fs::write(go, "\n").unwrap();
        assert_eq!(consumer.end().code, Some(130));
        assert_eq!(sandbox.ids("out"), ["e1"]);
        // What was read ahead is nobody's, and the consumer is gone.
        let consumers = documents(&sandbox.run(&["groups", "consumers", "g", "--json"]));
        assert_eq!(consumers, [Value::Null; 0]);
        let rest = sandbox.drain(&[], "cat >> out");
        assert_eq!(rest.code, Some(0), "{}", rest.stderr);
        assert_handled_in_order(&sandbox.ids("out"));
    }
}

#[test]
fn a_second_ctrl_c_ends_it_and_its_commands_at_once() {
    for signal in ["-INT", "-TERM"] {
        let sandbox = Sandbox::new().with_group("g");
        let begun = sandbox.fifo("begun");
        let go = sandbox.fifo("go");
        let script = "exec 3> begun; echo >&3; read -r _ < go";
        let mut consumer = Consumer::start(&sandbox, &[], script);
        let mut begun = BufReader::new(fs::File::open(begun).unwrap()).lines();
        assert!(begun.next().is_some());
        let mut stderr = BufReader::new(consumer.0.stderr.take().unwrap()).lines();
        consumer.signal(signal);
        let ending = |line: &Result<String, _>| line.as_ref().unwrap().contains("ending: ");
        assert!(stderr.any(|line| ending(&line)));
        consumer.signal(signal);
        assert_eq!(consumer.end().code, Some(130));
        // The command held the other end.
        assert!(begun.next().is_none());
        drop(go);
    }
}

#[test]
fn what_a_killed_process_had_is_finished_by_the_next_one() {
    let sandbox = Sandbox::new().with_group("g");
    let run = sandbox.drain(&["--name", "w1"], "cat >> out; kill -9 $PPID");
    assert_eq!(run.code, None, "it was to be killed");
    let [pending, lag, _] = sandbox.left("g");
    assert!(pending > 0 && pending + lag == 6, "{pending} {lag}");
    let run = sandbox.drain(&["--name", "w2"], "cat >> out");
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let mut ids = sandbox.ids("out");
    assert_eq!(ids[0], "e1");
    ids.remove(0);
    ids.sort();
    assert_eq!(ids, ALL, "each but the first is handled once");
    assert_eq!(sandbox.left("g"), [0, 0, 0]);
}

#[test]
fn an_event_that_kills_the_process_becomes_a_dead_letter_alone() {
    let sandbox = Sandbox::new().with_group("g");
    let script = "[ $RECOUNT_EVENT_ID = e3 ] && kill -9 $PPID && exit 1; cat >> out";
    let flags = ["--name", "w1", "--max-deliveries", "2"];
    let mut kills = 0;
    while sandbox.drain(&flags, script).code.is_none() {
        kills += 1;
        assert!(kills < 10, "it never became a dead letter");
    }
    let mut ids = sandbox.ids("out");
    ids.sort();
    ids.dedup();
    assert_eq!(ids, ["e1", "e2", "e4", "e5", "e6"]);
    let dead = documents(&sandbox.run(&["dead", "list", "--group", "g", "--json"]));
    assert_eq!(dead.len(), 1);
    assert_eq!(sandbox.left("g"), [0, 0, 1]);
}

/// Events of ten sessions, as many as named.
fn events(number: usize) -> String {
    let event = |n: usize| {
        format!(
            "{{\"id\":\"{n}\",\"type\":\"step.done\",\"session_id\":\"s{}\"}}\n",
            n % 10
        )
    };
    (0..number).map(event).collect()
}

#[test]
fn three_processes_share_a_group_and_two_finish_what_the_killed_one_had() {
    const EVENTS: usize = 60;
    let server = server();
    let sandbox = Sandbox::on(&server.url());
    let create = ["groups", "create", "g", "--from", "start"];
    assert_eq!(sandbox.run(&create).code, Some(0));
    let flags = |name| ["--name", name, "--claim-after", "500ms"];
    // Dies with its fifth event handled and not acknowledged, and more read ahead.
    let dying = "cat >> w1.out; [ $(wc -l < w1.out) -lt 5 ] || kill -9 $PPID";
    let dies = Consumer::start(&sandbox, &flags("w1"), dying);
    let lives = ["w2", "w3"].map(|name| {
        let script = format!("cat >> {name}.out");
        Consumer::start(&sandbox, &flags(name), &script)
    });
    let mut watch = Watch::start(&sandbox);
    watch.until("g", |shown| shown["consumers"] == 3);
    assert_eq!(
        sandbox.run_with(&["publish"], &events(EVENTS)).code,
        Some(0)
    );
    assert_eq!(dies.end().code, None, "it was to be killed");
    until("the group to be done", || {
        (sandbox.left("g") == [0, 0, 0]).then_some(())
    });
    watch.until("g", |shown| shown["pending"] == 0 && shown["lag"] == 0);
    watch.end();
    let mut taken_over = false;
    for lives in lives {
        interrupt(lives.0.id());
        let lived = lives.end();
        assert_eq!(lived.code, Some(130), "{}", lived.stderr);
        taken_over |= lived.stderr.contains("taken over");
    }
    assert!(taken_over, "somebody finished what the killed one had");
    let mut ids = ["w1.out", "w2.out", "w3.out"]
        .map(|file| sandbox.ids(file))
        .concat();
    ids.sort_by_key(|id| id.parse::<usize>().unwrap());
    ids.dedup();
    let expected: Vec<_> = (0..EVENTS).map(|n| n.to_string()).collect();
    assert_eq!(ids, expected);
    let consumers = documents(&sandbox.run(&["groups", "consumers", "g", "--json"]));
    let names: Vec<_> = consumers.iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["w1"], "the one that ended cleanly is gone");
}

#[test]
fn in_order_a_session_is_one_consumers_at_a_time_on_a_server() {
    let server = server();
    let sandbox = Sandbox::on(&server.url());
    let publish = ["publish", "--partitions", "3"];
    assert_eq!(sandbox.run_with(&publish, &events(60)).code, Some(0));
    let flags = [
        "--ordered",
        "--from",
        "start",
        "--concurrency",
        "8",
        "--claim-after",
        "500ms",
        "--name",
    ];
    // Lines of two processes in one file do not mix: each is one write.
    let both = ["w1", "w2"]
        .map(|name| Consumer::start(&sandbox, &[&flags[..], &[name]].concat(), "cat >> out"));
    let create = ["groups", "create", "g", "--from", "start"];
    until("the group to be there", || {
        (sandbox.run(&create).code == Some(1)).then_some(())
    });
    until("the group to be done", || {
        (sandbox.left("g") == [0, 0, 0]).then_some(())
    });
    for consumer in both {
        interrupt(consumer.0.id());
        assert_eq!(consumer.end().code, Some(130));
    }
    let ids = sandbox.ids("out");
    assert_eq!(ids.len(), 60);
    for session in 0..10 {
        let numbers = ids.iter().map(|id| id.parse::<usize>().unwrap());
        let of_it: Vec<_> = numbers.filter(|n| n % 10 == session).collect();
        assert!(of_it.is_sorted(), "session {session}: {of_it:?}");
    }
}
