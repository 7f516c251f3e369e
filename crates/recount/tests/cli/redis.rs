//! Every command on a server: what it says is what it says on disk.

use std::io::{BufRead as _, BufReader};
use std::process::Command;

use recount_testbed::{Flavor, Reply, Server};

use crate::support::{Run, SESSION, Sandbox};

pub fn server() -> Server {
    Server::start(Flavor::Redis70, &[])
}

impl Run {
    /// As [`Run::told_without_seconds`], without where the log is.
    fn told_of_any_log(&self) -> String {
        let told = self.told_without_seconds();
        let lines = told.lines().map(|line| match line.split_once(", stream ") {
            Some((_, stream)) if line.starts_with("recount: ") => match stream.split_once(", ") {
                // When an append counts as done depends on the engine.
                Some((stream, "reading")) => format!("recount: stream {stream}, reading"),
                Some((stream, _)) => format!("recount: stream {stream}"),
                None => line.to_owned(),
            },
            _ => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// What is read and said the same everywhere.
const COMMANDS: &[&[&str]] = &[
    &["events"],
    &["events", "--session", "s1"],
    &["events", "--user", "ada", "--type", "error.occurred"],
    &[
        "events",
        "--type",
        "message.added",
        "--reverse",
        "--limit",
        "1",
    ],
    &["events", "--count"],
    &["events", "--session", "nobody"],
    &["events", "--since", "2026-01-02", "--until", "1h", "--json"],
    &["events", "--session", "s2", "--raw"],
    &["state", "s1"],
    &["state", "s1", "--json"],
    &["state", "nobody"],
    &["tail", "--from", "-", "--limit", "6"],
    &[
        "tail",
        "--from",
        "-",
        "--session",
        "s2",
        "--limit",
        "1",
        "--json",
    ],
    &["replay", "--speed", "max"],
    &["replay", "--session", "s2", "--speed", "max", "--json"],
    &["replay", "--speed", "max", "--into", "again"],
    &["replay", "--speed", "max", "--into", "again"],
    &["export"],
    &["export", "--user", "bob", "--format", "csv"],
    &["trim", "--max-length", "2", "--dry-run"],
    &["trim", "--max-length", "4"],
    &["trim", "--max-length", "4", "--json"],
    &["events", "--count"],
    &["events", "--stream", "again", "--count"],
    &["publish", "--type", "t"],
    &[
        "publish",
        "--type",
        "t",
        "--session",
        "s",
        "--expect-revision",
        "7",
    ],
];

#[test]
fn every_command_says_what_it_says_on_disk() {
    let server = server();
    let disk = Sandbox::new();
    let redis = Sandbox::on(&server.url());
    for args in [&["publish"], &["publish"], &["publish"]] {
        let runs = [&disk, &redis].map(|on| on.run_with(args, SESSION).told_of_any_log());
        assert_eq!(runs[0], runs[1]);
    }
    for args in COMMANDS {
        // Otherwise a mirror would remember what is trimmed.
        let run = |on: &Sandbox| {
            let run = on.command(args).env("RECOUNT_MIRROR", "auto").output();
            Run::from(run.unwrap()).told_of_any_log()
        };
        assert_eq!(run(&disk), run(&redis), "{args:?}");
    }
    assert!(!redis.path().join("recount-data").exists());
}

#[test]
fn partitions_hold_the_same_sessions_in_the_same_order() {
    let server = server();
    let sandbox = Sandbox::on(&server.url());
    let published = sandbox.run_with(&["publish", "--partitions", "3"], SESSION);
    assert_eq!(published.code, Some(0), "{}", published.stderr);
    let one = Sandbox::new().with_session();
    for args in [
        &["events", "--session", "s1"][..],
        &["state", "s1"],
        &["events", "--count"],
        &["events", "--user", "bob", "--count"],
    ] {
        // The ids say which partition it is.
        let told = |on: &Sandbox| {
            let told = on.run(args).told_of_any_log().replace("1/[id]", "[id]");
            told.replace("2/[id]", "[id]")
        };
        let (several, single) = (told(&sandbox), told(&one));
        let stdout = |told: &str| told.split("--- standard error").next().unwrap().to_owned();
        assert_eq!(stdout(&several), stdout(&single), "{args:?}");
    }
    let info = sandbox.run(&["info", "--json"]);
    let info: serde_json::Value = serde_json::from_str(&info.stdout).unwrap();
    assert_eq!(info["partitions"].as_array().unwrap().len(), 3);
    assert_eq!(info["length"], 6);
    let table = sandbox.run(&["info"]).stdout;
    let rows: Vec<_> = table.lines().rev().take(4).collect();
    assert!(
        rows[3]
            .trim_start()
            .starts_with("partition  entries  ever added  first"),
        "{table}"
    );

    // Another number would tear sessions apart.
    sandbox
        .run_with(&["publish", "--partitions", "2"], SESSION)
        .assert_refused(
            2,
            &[
                "has 3 partitions with data, not 2",
                "a new stream of 2 partitions",
                "recount export --stream memory:events | recount import - --stream NEW --partitions 2`",
            ],
        );
    // Left out, it is what there is.
    let again = sandbox.run_with(&["publish"], SESSION);
    assert!(
        again.stderr.contains("0 events appended, 6 duplicates"),
        "{}",
        again.stderr
    );
}

#[test]
fn info_says_what_an_acknowledgement_means_and_what_is_in_danger() {
    let server = server();
    let sandbox = Sandbox::on(&server.url()).with_session();
    let info = sandbox.run(&["info"]);
    for words in [
        "engine ",
        "redis\n",
        "memory only",
        "ids remembered",
        "10 min",
        "6 of 1,000,000 at most",
        "server  ",
    ] {
        assert!(
            info.stdout.contains(words),
            "no {words:?} in {}",
            info.stdout
        );
    }
    assert!(
        info.stderr
            .contains("warning: a restart of the server loses events")
    );
    let json = sandbox.run(&["info", "--json"]).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["engine"], "redis");
    assert_eq!(json["warnings"].as_array().unwrap().len(), 1);
    assert!(json["if_published_from_here"].get("fsync").is_none());

    let forgetful = sandbox
        .command(&["info"])
        .env("RECOUNT_IDEMPOTENCY_WINDOW", "0s")
        .output()
        .unwrap();
    assert!(Run::from(forgetful).stdout.contains("not at all"));
}

#[test]
fn what_other_programs_write_is_read_and_told() {
    let server = server();
    let sandbox = Sandbox::on(&server.url()).with_session();
    let flat = "XADD memory:events * id f1 type message.added session_id s1 timestamp 1767348006 \
                role user content Hello";
    let words: Vec<_> = flat.split(' ').collect();
    server.command(&words).assert_fine();
    let events = sandbox.run(&["events", "--session", "s1", "--json"]);
    assert_eq!(events.stdout.lines().count(), 6, "{}", events.stderr);
    assert!(
        events
            .stdout
            .contains(r#""timestamp":"2026-01-02T10:00:06.000Z""#)
    );
    assert!(!events.stderr.contains("warning"), "{}", events.stderr);
    let info = sandbox.run(&["info"]);
    assert!(
        info.stderr.contains("added by other programs"),
        "{}",
        info.stderr
    );

    // The other way round.
    let reply = server.command(&["XRANGE", "memory:events", "-", "+", "COUNT", "1"]);
    let entry = reply.list().remove(0).list().remove(1).list();
    let words: Vec<_> = entry.iter().map(Reply::text).collect();
    for word in ["session_id", "2026-01-02T10:00:00.000Z", "_revision"] {
        assert!(words.iter().any(|it| it == word), "{words:?}");
    }
}

#[test]
fn the_demo_tells_the_same_story() {
    let server = server();
    let said = |sandbox: &Sandbox| {
        let run = sandbox.run(&["demo", "--seed", "7", "--speed", "50"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let (live, rest) = run.stdout.split_once("GROUPS").unwrap();
        let words = |line: &str| {
            let words = line.split_whitespace().skip(3);
            words.collect::<Vec<_>>().join(" ")
        };
        let counts = rest.split("COUNTS").nth(1).unwrap();
        let counts = counts.split("NUMBERS").next().unwrap().to_owned();
        let live: Vec<_> = live.trim().lines().skip(1).map(words).collect();
        (live, counts, run.stdout)
    };
    let disk = Sandbox::new().with("TMPDIR", "/tmp");
    let bare = format!("localhost:{}", server.port());
    let redis = Sandbox::new().with("REDIS_URL", &bare);
    let (on_disk, on_server) = (said(&disk), said(&redis));
    assert_eq!(on_disk.0, on_server.0);
    assert_eq!(on_disk.1, on_server.1);
    let named = format!("export RECOUNT_URL=redis://{bare}/0\n");
    assert!(on_server.2.contains(&named), "{}", on_server.2);
    let events = redis.run(&["events", "--stream", "demo:events", "--count"]);
    assert_eq!(events.stdout, format!("{}\n", on_server.0.len()));
    // It stays out of logs that are in use.
    let reply = server.command(&["EXISTS", "memory:events"]);
    assert_eq!(reply.integer(), 0);
    let temporary = on_disk
        .2
        .lines()
        .find_map(|line| line.strip_prefix("  export RECOUNT_URL=disk:"));
    std::fs::remove_dir_all(temporary.unwrap()).unwrap();
}

#[test]
fn a_tail_shows_what_another_process_publishes_and_ends_at_ctrl_c() {
    let server = server();
    let sandbox = Sandbox::on(&server.url());
    let mut tail = sandbox
        .command(&["tail", "--type", "session.ended"])
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(tail.stderr.take().unwrap()).lines();
    let following = stderr.any(|line| line.unwrap().contains("following"));
    assert!(following);
    let sandbox = sandbox.with_session();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("session.ended"));
    interrupt(tail.id());
    assert_eq!(tail.wait().unwrap().code(), Some(130));
    // What comes live needs no mirror.
    assert!(!sandbox.path().join("mirrors").exists());
}

pub fn interrupt(id: u32) {
    let killed = Command::new("kill")
        .args(["-INT", &id.to_string()])
        .status();
    assert!(killed.unwrap().success());
}
