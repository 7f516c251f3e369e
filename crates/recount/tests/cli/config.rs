//! What is in force, where it comes from, and what is said of a configuration that is wrong.

use std::fs;

use super::support::{Run, SESSION, Sandbox};

impl Sandbox {
    fn with_file(self, name: &str, text: &str) -> Self {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn run_where(&self, variables: &[(&str, &str)], args: &[&str]) -> Run {
        let mut command = self.command(args);
        command.envs(variables.iter().copied());
        command.output().unwrap().into()
    }
}

const FILE: &str = "\
# Ours.
stream = \"support:events\"
batch_size = 500

[retention]
max_length = 1_000_000
period = \"30d\"
";

/// Everything wrong that can be.
const BROKEN: &str = "\
strem = \"x\"
url = \"redis://ada:hunter2@host\"
batch_size = \"100\"
lock_wait = 5

[retention]
period = \"30y\"
max_length = 0

[limits]
event_bytes = 2MB
bytes = 1
";

#[test]
fn config_shows_what_is_in_force_and_where_it_comes_from() {
    let sandbox = Sandbox::new().with_file("recount.toml", FILE);
    let variables = [
        ("RECOUNT_BATCH_SIZE", "750"),
        ("RECOUNT_FSYNC", "os"),
        ("RECOUNT_STREAM", ""),
    ];
    let shown = sandbox.run_where(&variables, &["config", "--url", "disk:my data"]);
    insta::assert_snapshot!("in-force", shown.told());
    let json = sandbox.run_where(&variables, &["config", "--url", "disk:my data", "--json"]);
    insta::assert_snapshot!("in-force-json", json.stdout);
    // Nothing was opened.
    assert_eq!(fs::read_dir(sandbox.path()).unwrap().count(), 1);
    let coloured = sandbox.run(&["config", "--color", "always"]).stdout;
    assert!(coloured.contains("\u{1b}[1m"));
}

#[test]
fn without_a_file_the_defaults_hold_and_the_example_is_made_of_them() {
    let sandbox = Sandbox::new();
    let shown = sandbox.run(&["config"]);
    insta::assert_snapshot!("defaults", shown.told());

    let example = sandbox.run(&["config", "--example"]);
    assert_eq!((example.code, &*example.stderr), (Some(0), ""));
    let sandbox = sandbox.with_file("recount.toml", &example.stdout);
    let values = |run: &Run| -> Vec<String> {
        let words = run.stdout.lines().map(|line| line.split_whitespace());
        words.map(|words| words.take(2).collect()).collect()
    };
    let from_example = sandbox.run(&["config"]);
    assert_eq!(values(&from_example), values(&shown));
    // What the engine suggests, and what has no value to be written.
    let lines = from_example.stdout.lines();
    let left: Vec<_> = lines.filter(|line| line.contains("default")).collect();
    let keys = left.iter().filter_map(|line| line.split(' ').next());
    assert!(
        keys.eq(["idempotency_window", "redis.password", "summarizer.key"]),
        "{left:?}"
    );
}

#[test]
fn every_mistake_is_shown_with_its_line() {
    let sandbox = Sandbox::new().with_file("recount.toml", BROKEN);
    let run = sandbox.run(&["config"]);
    run.assert_refused(2, &["recount.toml:1:1: "]);
    assert!(!run.stderr.contains("hunter2"));
    insta::assert_snapshot!("mistakes", run.stderr);
    for command in [&["events"][..], &["publish"], &["info"], &["demo"]] {
        assert_eq!(sandbox.run(command).stderr, run.stderr, "{command:?}");
    }
    for command in [
        &["help"][..],
        &["completions", "bash"],
        &["config", "--example"],
    ] {
        assert_eq!(sandbox.run(command).code, Some(0), "{command:?}");
    }
}

#[test]
fn contradictions_name_both_sides() {
    let file =
        "batch_size = 50\nretention.max_length_exact = true\n\n[limits]\nbatch_events = 10\n";
    let sandbox = Sandbox::new().with_file("recount.toml", file);
    insta::assert_snapshot!("contradictions", sandbox.run(&["config"]).stderr);
    let run = sandbox.run_where(
        &[
            ("RECOUNT_RETENTION_MAX_LENGTH", "5"),
            ("RECOUNT_LIMITS_BATCH_EVENTS", "49"),
        ],
        &["config"],
    );
    run.assert_refused(2, &[
        "error: RECOUNT_LIMITS_BATCH_EVENTS: 49 is less than batch_size, which is 50 (recount.toml:1:14)",
    ]);
}

#[test]
fn variables_and_flags_are_named() {
    let sandbox = Sandbox::new();
    sandbox
        .run_where(&[("RECOUNT_RETENTION_PERIOD", "30y")], &["config"])
        .assert_refused(
            2,
            &["error: RECOUNT_RETENTION_PERIOD: \"30y\" is no time: write 500ms"],
        );
    sandbox
        .run(&["tail", "--block", "5"])
        .assert_refused(2, &["error: --block: \"5\" is no time: write 500ms"]);
    sandbox
        .run(&["publish", "--batch-size", "-1"])
        .assert_refused(
            2,
            &["error: --batch-size: \"-1\" is not allowed: write a whole number"],
        );
    let run = sandbox.run_where(&[("RECOUNT_STREM", "x")], &["config"]);
    assert_eq!(run.code, Some(0));
    let warning = "warning: RECOUNT_STREM is no setting's variable: did you mean RECOUNT_STREAM?";
    assert!(run.stderr.contains(warning), "{}", run.stderr);
}

#[test]
fn a_named_file_must_be_one() {
    let sandbox = Sandbox::new().with_file("sub/recount.toml", FILE);
    let path = |name: &str| sandbox.path().join(name);
    fs::write(path("large"), vec![b'#'; 10_000_000]).unwrap();
    fs::write(path("latin"), b"stream = \"caf\xe9\"\n").unwrap();
    for (name, words) in [
        ("missing", "--config: there is no file missing"),
        ("sub", "--config: sub is a directory"),
        ("large", "large:1:1: the file is longer than 1 MiB"),
        (
            "latin",
            "latin:1:14: the file is not UTF-8 text from here on",
        ),
    ] {
        sandbox
            .run(&["config", "--config", name])
            .assert_refused(2, &[words]);
    }
    sandbox
        .run_where(&[("RECOUNT_CONFIG", "missing")], &["events"])
        .assert_refused(2, &["RECOUNT_CONFIG: there is no file missing"]);
    // The flag wins, and an empty variable names nothing.
    let named = sandbox.run_where(
        &[("RECOUNT_CONFIG", "missing")],
        &["config", "--config", "sub/recount.toml"],
    );
    assert!(
        named.stdout.contains("sub/recount.toml:2:10"),
        "{}",
        named.stdout
    );
    let unset = sandbox.run_where(&[("RECOUNT_CONFIG", "")], &["config"]);
    assert!(!unset.stdout.contains("recount.toml"), "{}", unset.stdout);
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_read_is_not_passed_over() {
    let sandbox = Sandbox::new();
    std::os::unix::fs::symlink("nowhere", sandbox.path().join("recount.toml")).unwrap();
    sandbox
        .run(&["config"])
        .assert_refused(2, &["there is no file recount.toml"]);
    fs::remove_file(sandbox.path().join("recount.toml")).unwrap();
    fs::create_dir(sandbox.path().join("recount.toml")).unwrap();
    sandbox
        .run(&["config"])
        .assert_refused(2, &["recount.toml is a directory"]);
}

#[test]
fn a_relative_path_in_a_file_begins_at_the_files_folder() {
    let sandbox = Sandbox::new().with_file("sub/c.toml", "url = \"disk:data\"\n");
    let run = sandbox.run_with(&["publish", "--config", "sub/c.toml", "--quiet"], SESSION);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(sandbox.path().join("sub/data").is_dir());
    assert_eq!(
        sandbox
            .run(&["events", "--count", "--url", "disk:sub/data"])
            .stdout,
        "6\n"
    );
}

#[test]
fn certificates_in_a_file_begin_at_its_folder_and_are_shown() {
    let url = "rediss://ada:hunter2@h?ca=ca.pem&cert=/c.pem&key=k.pem";
    let sandbox = Sandbox::new().with_file("sub/c.toml", &format!("url = \"{url}\"\n"));
    let shown = |args: &[&str]| {
        let run = sandbox.run(&[&["config"], args].concat());
        let line = run.stdout.lines().find(|line| line.starts_with("url "));
        let url = line.unwrap().split_whitespace().nth(1).unwrap();
        url.to_owned()
    };
    assert_eq!(
        shown(&["--config", "sub/c.toml"]),
        "rediss://***@h:6379/0?ca=sub/ca.pem&cert=/c.pem&key=sub/k.pem"
    );
    assert_eq!(
        shown(&["--url", url]),
        "rediss://***@h:6379/0?ca=ca.pem&cert=/c.pem&key=k.pem"
    );
}

#[test]
fn what_is_set_is_obeyed() {
    let file = "block_timeout = \"1ms\"\nbatch_size = 2\n[retention]\nmax_length = 3\nmax_length_exact = true\n\
                [limits]\nevent_bytes = \"1KiB\"\nbatch_events = 2\n";
    let sandbox = Sandbox::new()
        .with_file("recount.toml", file)
        .with_session();
    // Batches of two went in, and the newest three events stayed.
    assert_eq!(sandbox.run(&["events", "--count"]).stdout, "3\n");

    let tail = sandbox.run(&["tail", "--from", "-"]);
    assert_eq!(tail.code, Some(0), "{}", tail.stderr);
    assert_eq!(tail.stdout.lines().count(), 3);
    assert!(
        tail.stderr
            .ends_with("recount: no event came for 1ms: done\n"),
        "{}",
        tail.stderr
    );

    sandbox
        .run_with(&["publish", "--strict"], SESSION)
        .assert_refused(2, &["more than 2 events"]);
    let large = format!(
        r#"{{"type":"t","session_id":"s","data":{{"x":"{}"}}}}"#,
        "x".repeat(1_024)
    );
    sandbox
        .run_with(&["publish"], &large)
        .assert_refused(2, &["line 1: ", "at most 1024 are allowed"]);
    let import = sandbox.run_with(&["import", "-"], &large);
    assert_eq!(import.code, Some(2));
    assert!(
        import.stderr.contains("at most 1024 are allowed"),
        "{}",
        import.stderr
    );
    let flags = ["publish", "--type", "t", "--session", "s", "--data"];
    let data = format!(r#"{{"x":"{}"}}"#, "x".repeat(1_024));
    sandbox
        .run(&[&flags[..], &[&data]].concat())
        .assert_refused(2, &["at most 1024 are allowed"]);
}

#[test]
fn defaults_follow_given_limits_and_info_says_what_is_kept() {
    let file = "[limits]\nbatch_events = 5\n[retention]\nmax_length = 1000\nperiod = \"90m\"\n";
    let sandbox = Sandbox::new()
        .with_file("recount.toml", file)
        .with_session();
    let words = |run: &Run, name: &str| {
        let line = run.stdout.lines().find(|line| line.starts_with(name));
        let words = line.unwrap().split_whitespace().skip(1);
        words.collect::<Vec<_>>().join(" ")
    };
    let config = sandbox.run(&["config"]);
    assert_eq!(
        words(&config, "batch_size"),
        "5 default (limits.batch_events)"
    );
    let info = sandbox.run(&["info"]);
    assert_eq!(
        words(&info, "kept  "),
        "at most 1,000 entries (approximately)"
    );
    assert_eq!(words(&info, "kept for"), "for 90 min");
    assert!(!info.stdout.contains("max_length"), "{}", info.stdout);
    let exact = [("RECOUNT_RETENTION_MAX_LENGTH_EXACT", "true")];
    let info = sandbox.run_where(&exact, &["info"]);
    assert_eq!(words(&info, "kept  "), "at most 1,000 entries (exactly)");
}

#[test]
fn batches_keep_within_small_limits() {
    let file = "batch_size = 3\n[limits]\nbatch_events = 3\nevent_bytes = \"1KiB\"\nbatch_bytes = \"1KiB\"\n";
    let sandbox = Sandbox::new()
        .with_file("recount.toml", file)
        .with_session();
    assert_eq!(sandbox.run(&["events", "--count"]).stdout, "6\n");
    let export = sandbox.run(&["export"]).stdout;
    for flag in [&[][..], &["--new-ids"]] {
        let stream = format!("copy{}", flag.len());
        let args = [&["import", "-", "--stream", &stream][..], flag].concat();
        let run = sandbox.run_with(&args, &export);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert_eq!(
            sandbox
                .run(&["events", "--count", "--stream", &stream])
                .stdout,
            "6\n"
        );
    }
}

#[test]
fn the_demo_never_lands_in_a_log_that_is_in_use() {
    let file = "url = \"disk:mine\"\nstream = \"mine\"\nretention.max_length = 1\n";
    let sandbox = Sandbox::new().with_file("recount.toml", file);
    let run = sandbox.run(&["demo", "--speed", "1000", "--dir", "shown"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(!sandbox.path().join("mine").exists());
    let args = [
        "events",
        "--count",
        "--url",
        "disk:shown",
        "--stream",
        "demo:events",
    ];
    let count: u64 = sandbox.run(&args).stdout.trim().parse().unwrap();
    assert!(count > 10, "{count}");
}

#[cfg(unix)]
#[test]
fn the_wait_for_another_writer_can_be_given_up() {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::Stdio;
    let sandbox = Sandbox::new().with_file("recount.toml", "lock_wait = \"0s\"\n");
    let mut writer = sandbox
        .command(&["publish", "--quiet"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = writer.stdin.take().unwrap();
    stdin.write_all(SESSION.as_bytes()).unwrap();
    let mut answers = BufReader::new(writer.stdout.take().unwrap()).lines();
    assert_eq!(answers.by_ref().take(6).count(), 6);
    let run = sandbox.run(&["publish", "--type", "t", "--session", "s"]);
    run.assert_refused(1, &[&writer.id().to_string()]);
    assert!(!run.stderr.contains("waiting for"), "{}", run.stderr);
    drop(stdin);
    assert_eq!(writer.wait().unwrap().code(), Some(0));
}
