//! A publisher killed at any moment has lost nothing that it answered for.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::thread::{self, JoinHandle};

use super::follow::Tail;
use super::support::Sandbox;

const KILLS: usize = 24;

#[test]
fn nothing_acknowledged_is_lost_doubled_or_out_of_order_under_kill_9() {
    let sandbox = Sandbox::new();
    // Sees the log through every kill.
    let mut tail = Tail::start(&sandbox, &["--from", "-", "--json"]);
    let mut acknowledged = 0;
    for round in 0..KILLS {
        let mut publisher = publish_from(&sandbox, acknowledged);
        // Killed after a number of answers that differs from round to round: at once, in the middle
        // of a batch's answers, after several batches.
        let answers_max = [0, 1, 7, 400, 1_000, 1_500][round % 6] + round;
        let mut answers = BufReader::new(publisher.child.stdout.take().unwrap());
        // What it had answered before it died is read to the end: it counts.
        for answered in 0.. {
            if answered == answers_max {
                publisher.child.kill().unwrap();
            }
            let mut answer = String::new();
            answers.read_line(&mut answer).unwrap();
            // A line cut short by the kill is no answer.
            let Some(answer) = answer.strip_suffix('\n') else {
                break;
            };
            assert_eq!(id_answered(answer), acknowledged, "answered out of order");
            acknowledged += 1;
        }
        publisher.end();
    }

    let last = sandbox.run_with(&["publish"], &event(acknowledged));
    assert_eq!(last.code, Some(0), "{}", last.stderr);
    let listed = sandbox.run(&["events", "--json"]);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    let ids: Vec<_> = listed.stdout.lines().map(id_recorded).collect();
    // What was written and not answered for may be there too, in its place.
    let expected: Vec<_> = (0..ids.len()).collect();
    assert!(ids.len() > acknowledged, "{} of {acknowledged}", ids.len());
    assert_eq!(ids, expected);

    let followed: Vec<_> = ids.iter().map(|_| id_recorded(&tail.next())).collect();
    assert_eq!(followed, expected);
    tail.kill();
}

struct Publisher {
    child: Child,
    feeder: JoinHandle<()>,
}

/// Publishes events without end, from the first one that was not answered for.
fn publish_from(sandbox: &Sandbox, first: usize) -> Publisher {
    let mut child = sandbox
        .command(&["publish", "--quiet"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdin = child.stdin.take().unwrap();
    let feeder = thread::spawn(move || feed(stdin, first));
    Publisher { child, feeder }
}

/// Until nobody reads any more.
fn feed(mut stdin: ChildStdin, first: usize) {
    for n in first.. {
        if stdin.write_all(event(n).as_bytes()).is_err() {
            return;
        }
    }
}

fn event(n: usize) -> String {
    format!(
        "{{\"id\":\"{n}\",\"type\":\"step.done\",\"session_id\":\"s\",\"data\":{{\"n\":{n}}}}}\n"
    )
}

impl Publisher {
    fn end(mut self) {
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), None, "it was to be killed");
        self.feeder.join().unwrap();
    }
}

/// The id in `appended 1526919030474-0 17` or `duplicate ...`.
fn id_answered(answer: &str) -> usize {
    let words: Vec<_> = answer.split(' ').collect();
    assert!(matches!(words[0], "appended" | "duplicate"), "{answer}");
    words[2].parse().unwrap()
}

fn id_recorded(line: &str) -> usize {
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    event["id"].as_str().unwrap().parse().unwrap()
}
