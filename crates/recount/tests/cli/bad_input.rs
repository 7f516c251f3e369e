//! Whatever is wrong with the input, the error says what, where and what to do.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use super::support::{SESSION, Sandbox};

const EVENT: [&str; 5] = ["publish", "--type", "t", "--session", "s"];

#[test]
fn a_malformed_line_stops_after_what_came_before_it() {
    let sandbox = Sandbox::new();
    let input =
        format!("{SESSION}{{\"type\": nope}}\n{{\"type\":\"t\",\"session_id\":\"late\"}}\n");
    let run = sandbox.run_with(&["publish"], &input);
    assert_eq!(run.code, Some(2));
    assert_eq!(run.stdout.lines().count(), 6);
    assert!(
        run.stderr
            .contains("error: standard input, line 7, column 11: "),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("hint: "), "{}", run.stderr);
    assert_eq!(sandbox.run(&["events", "--count"]).stdout, "6\n");

    let run = sandbox.run_with(&["publish", "--skip-invalid"], &input);
    assert_eq!(run.code, Some(0));
    assert_eq!(run.stdout.lines().count(), 7);
    assert!(run.stderr.contains("line 7, column 11"), "{}", run.stderr);
    assert!(
        run.stderr.contains("1 invalid line skipped"),
        "{}",
        run.stderr
    );
    assert_eq!(sandbox.run(&["events", "--count"]).stdout, "7\n");
}

#[test]
fn lines_that_are_json_but_no_events() {
    let sandbox = Sandbox::new();
    let large = format!(
        r#"{{"type":"t","session_id":"s","data":{{"x":"{}"}}}}"#,
        "x".repeat(1 << 20)
    );
    for (line, words) in [
        (r#"{"type":"t"}"#, "the key \"session_id\" is missing"),
        (r#"{"type":"t","session_id":""}"#, "session_id is empty"),
        (
            r#"{"type":"t","session_id":"s","user":"ada"}"#,
            "column 35: unknown key \"user\": did you mean user_id?",
        ),
        (
            r#"["7-0",0,"e","t","s"]"#,
            "an event must be a JSON object, but this is an array",
        ),
        (
            r#"{"type":"t","session_id":"s","version":"1"}"#,
            "version must be a whole number from 1",
        ),
        (
            r#"{"type":"t","session_id":"s","timestamp":"2026-02-30T10:00:00Z"}"#,
            "a day that does not exist",
        ),
        (
            r#"{"type":"t","session_id":"s","data":{"a": nope}}"#,
            "column 44: expected a JSON value",
        ),
        ("\u{1f}\u{8b}", "not JSON text"),
        (r#"{"type":"t","session_id":"s","id":""}"#, "id is empty"),
        (
            r#"{"type":"t","session_id":"s","version":0}"#,
            "count from 1",
        ),
        (
            r#"{"type":"t","session_id":"s","data":[]}"#,
            "data is not a JSON object",
        ),
        (
            r#"{"type":"t","session_id":"s","timestamp":"+010000-01-01T00:00:00Z"}"#,
            "timestamp",
        ),
        (
            r#"{"entry_id":"7-0","fields":[["a","b"]]}"#,
            "recount import",
        ),
        (&large, "at most 1048576 are allowed"),
    ] {
        let run = sandbox.run_with(&["publish"], &format!("{line}\n"));
        run.assert_refused(2, &["error: standard input, line 1", words]);
    }
    assert_eq!(sandbox.run(&["events", "--count"]).stdout, "0\n");
}

#[test]
fn flags_that_make_no_sense() {
    let sandbox = Sandbox::new();
    let long = "x".repeat(129);
    for (more, words) in [
        (["--color", "sometimes"], "auto, always, never"),
        (["--fsync", "often"], "interval:100ms"),
        (["--url", "data"], "disk:PATH"),
        (["--id", ""], "id is empty"),
        (["--user", &long], "at most 128"),
        (["--version", "0"], "write a whole number from 1"),
        (["--version", "two"], "write a whole number from 1"),
        (["--version", "-1"], "write a whole number from 1"),
        (["--expect-revision", "-1"], "write a whole number from 0"),
        (["--timestamp", "1526919030"], "11 digits"),
        (["--timestamp", "2026-02-30"], "a day that does not exist"),
        (["--data", "[]"], "--data: data is not a JSON object"),
        (["--data", "{\"a\": nope}"], "column 8"),
        (["--timestamp", "yesterday"], "write 1h"),
        (["--timestamp", "10000-01-01"], "out of range"),
        (["--no-such-flag", "1"], "--no-such-flag"),
    ] {
        let args: Vec<_> = EVENT.into_iter().chain(more).collect();
        sandbox.run(&args).assert_refused(2, &["error: ", words]);
    }
    sandbox
        .run(&["publish", "--type", "t"])
        .assert_refused(2, &["--session"]);
    sandbox
        .run(&["events", "--since", "soon"])
        .assert_refused(2, &["write 1h"]);
    for limit in ["--limit=-1", "--limit=0", "--limit=x"] {
        for command in ["events", "tail"] {
            sandbox
                .run(&[command, limit])
                .assert_refused(2, &["write a whole number from 1"]);
        }
    }
    for filter in ["--session", "--user", "--type"] {
        sandbox
            .run(&["events", filter, ""])
            .assert_refused(2, &["empty"]);
    }
    for args in [["info", "--fsync", "os"], ["--fsync", "os", "info"]] {
        sandbox.run(&args).assert_refused(2, &["--fsync"]);
    }
    sandbox
        .run(&["events", "--start", "x"])
        .assert_refused(2, &["an end of a range"]);
    sandbox
        .run(&["tail", "--from", "x"])
        .assert_refused(2, &["$ (from now on)"]);
    sandbox.run(&[]).assert_refused(2, &["Usage: recount"]);
    assert!(
        !sandbox.path().join("recount-data").exists(),
        "a refused command left something behind"
    );
}

#[test]
fn a_password_is_never_repeated() {
    let sandbox = Sandbox::new();
    for url in [
        "redis://ada:hunter2@localhost:port",
        "hunter2@localhost:6379",
        "disk://ada:hunter2@x",
    ] {
        let flag = sandbox.run(&["info", "--url", url]);
        flag.assert_refused(2, &["error: --url: "]);
        let variable = sandbox
            .command(&["info"])
            .env("RECOUNT_URL", url)
            .output()
            .unwrap()
            .into();
        let variable: super::support::Run = variable;
        variable.assert_refused(2, &["error: RECOUNT_URL: "]);
        for run in [flag, variable] {
            assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
        }
    }
}

#[test]
fn a_stream_that_is_not_there() {
    let sandbox = Sandbox::new();
    for command in ["info", "events", "export"] {
        sandbox
            .run(&[command])
            .assert_refused(1, &["no stream memory:events", "hint: "]);
    }
    assert!(!sandbox.path().join("recount-data").exists());
    let sandbox = sandbox.with_session();
    sandbox
        .run(&["events", "--stream", "memory:evnts"])
        .assert_refused(
            1,
            &[
                "memory:evnts",
                "hint: --stream NAME names another one: there is memory:events",
            ],
        );
    sandbox
        .run(&["events", "--url", "disk:empty"])
        .assert_refused(1, &["recount publish --url disk:empty or recount import"]);
}

#[test]
fn a_directory_that_is_not_ours_is_left_alone() {
    let sandbox = Sandbox::new();
    let theirs = sandbox.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    fs::write(theirs.join("letter.txt"), "Dear Ada").unwrap();
    let args: Vec<_> = EVENT.into_iter().chain(["--url", "disk:theirs"]).collect();
    sandbox
        .run(&args)
        .assert_refused(1, &["theirs is not a Recount data directory"]);
    assert_eq!(fs::read_dir(&theirs).unwrap().count(), 1);
}

#[test]
fn a_place_where_nothing_can_be_created() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path().join("file"), "").unwrap();
    for command in [&EVENT[..], &["tail"]] {
        let args: Vec<_> = command
            .iter()
            .copied()
            .chain(["--url", "disk:file/data"])
            .collect();
        sandbox
            .run(&args)
            .assert_refused(1, &["error: ", "file/data"]);
    }
}

#[test]
fn a_second_writer_is_refused_and_told_who_the_first_is() {
    let sandbox = Sandbox::new();
    let mut first = sandbox
        .command(&["publish", "--quiet"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = first.stdin.take().unwrap();
    stdin.write_all(SESSION.as_bytes()).unwrap();
    let answers = BufReader::new(first.stdout.take().unwrap()).lines();
    assert_eq!(answers.take(6).count(), 6);

    let pid = format!("process {}", first.id());
    sandbox.run(&EVENT).assert_refused(
        1,
        &[
            &format!("recount: waiting for {pid}, which is writing"),
            "is being written by",
            &pid,
            "hint: tail, events",
        ],
    );
    let trim = sandbox.run(&["trim", "--max-length", "1"]);
    trim.assert_refused(1, &["is being written by", "retention.max_length"]);
    let beside = sandbox.run(&["events", "--count"]);
    assert_eq!(beside.stdout, "6\n", "{}", beside.stderr);

    drop(stdin);
    assert_eq!(first.wait().unwrap().code(), Some(0));
    assert_eq!(sandbox.run(&EVENT).code, Some(0));
}

#[test]
fn a_stream_name_that_is_none() {
    let sandbox = Sandbox::new();
    for name in ["", "a\u{1b}b"] {
        let args: Vec<_> = EVENT.into_iter().chain(["--stream", name]).collect();
        sandbox
            .run(&args)
            .assert_refused(2, &["cannot name a stream"]);
    }
}

#[test]
fn flags_and_piped_events_do_not_go_together() {
    let sandbox = Sandbox::new();
    let words = ["the flags describe one event", "hint: use one or the other"];
    let publish = |stdin: Stdio| -> super::support::Run {
        let mut command = sandbox.command(&EVENT);
        command.stdin(stdin).output().unwrap().into()
    };

    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(SESSION.as_bytes()).unwrap();
    publish(reader.into()).assert_refused(2, &words);
    let path = sandbox.path().join("events.ndjson");
    fs::write(&path, SESSION).unwrap();
    publish(fs::File::open(&path).unwrap().into()).assert_refused(2, &words);

    // What is inherited without anything in it is left alone, and not waited for.
    let (reader, _writer) = std::io::pipe().unwrap();
    assert_eq!(publish(reader.into()).code, Some(0));
    assert_eq!(publish(Stdio::null()).code, Some(0));
    fs::write(&path, "").unwrap();
    assert_eq!(publish(fs::File::open(&path).unwrap().into()).code, Some(0));
    let closed = Command::new("sh")
        .args(["-c", "exec \"$0\" publish --type t --session s <&-"])
        .arg(env!("CARGO_BIN_EXE_recount"))
        .current_dir(sandbox.path())
        .output();
    assert_eq!(closed.unwrap().status.code(), Some(0));
    assert_eq!(sandbox.run(&["events", "--count"]).stdout, "4\n");
}

#[cfg(unix)]
#[test]
fn arguments_need_not_be_text() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let sandbox = Sandbox::new().with_session();
    let file = OsStr::from_bytes(b"\xff.ndjson");
    let mut export = sandbox.command(&["export", "-o"]);
    let output = export.arg(file).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(sandbox.path().join(file).exists());
    for args in [&["--url"][..], &["publish", "--type"], &["help"]] {
        let mut command = sandbox.command(args);
        let output = command.arg(OsStr::from_bytes(b"disk:\xff")).output();
        let run = super::support::Run::from(output.unwrap());
        run.assert_refused(2, &["error: "]);
    }
}

#[test]
fn a_trim_up_to_the_future_is_taken_for_a_slip() {
    let sandbox = Sandbox::new().with_session();
    for time in ["2999-01-01", "32503680000000-0"] {
        for flags in [&["--dry-run"][..], &[]] {
            let run = sandbox.run(&[&["trim", "--max-age", time], flags].concat());
            run.assert_refused(2, &["lies in the future", "--max-length 0"]);
        }
    }
    assert_eq!(sandbox.run(&["events", "--count"]).stdout, "6\n");
    let run = sandbox.run(&["trim", "--max-age", "now", "--dry-run"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
}
