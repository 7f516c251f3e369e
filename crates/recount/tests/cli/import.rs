//! `recount import`: chats and exports, once and again, good and broken.

use std::fs;

use serde_json::Value;

use crate::support::{Run, Sandbox};

const RUNS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/runs.json");

fn summary(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{}{}", run.stdout, run.stderr))
}

fn import(sandbox: &Sandbox, args: &[&str], input: &str) -> Run {
    sandbox.run_with(&[&["import", "--json"], args].concat(), input)
}

fn export(sandbox: &Sandbox, args: &[&str]) -> String {
    let run = sandbox.run(&[&["export"], args].concat());
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run.stdout
}

/// The exported objects.
fn exported(sandbox: &Sandbox) -> Vec<Value> {
    export(sandbox, &[])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn chat_runs_become_sessions_and_importing_again_adds_nothing() {
    let sandbox = Sandbox::new();
    let first = sandbox.run(&["import", RUNS, "--json"]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let first = summary(&first);
    assert_eq!(first["sessions"], 2);
    assert_eq!(first["added"], first["events"]);
    assert_eq!(first["by_type"]["session.started"], 2);
    assert_eq!(first["by_type"]["message.added"], 6);
    assert_eq!(first["by_type"]["tool.called"], 5);
    assert_eq!(first["by_type"]["tool.returned"], 5);
    assert_eq!(first["by_type"]["error.occurred"], 2);
    assert_eq!(first["by_type"]["session.ended"], 2);

    let before = export(&sandbox, &[]);
    // Neither the name nor the start is part of what a run is.
    fs::copy(RUNS, sandbox.path().join("renamed.txt")).unwrap();
    for args in [
        vec!["import", RUNS, "--json"],
        vec!["import", "renamed.txt", "--json", "--start", "2020-02-02"],
    ] {
        let again = summary(&sandbox.run(&args));
        assert_eq!(again["added"], 0);
        assert_eq!(again["already_there"], first["events"]);
    }
    assert_eq!(export(&sandbox, &[]), before);
}

#[test]
fn calls_and_results_pair_and_the_run_stands_at_both_ends() {
    let sandbox = Sandbox::new();
    sandbox.run(&["import", RUNS]);
    let events = exported(&sandbox);
    let of = |user: &str, name: &str| -> Vec<Value> {
        let wanted = |event: &&Value| event["user_id"] == user && event["type"] == name;
        events
            .iter()
            .filter(wanted)
            .map(|event| event["data"].clone())
            .collect()
    };
    for user in ["nora", "piet"] {
        let called = of(user, "tool.called");
        let returned = of(user, "tool.returned");
        assert!(!called.is_empty());
        for (call, result) in called.iter().zip(&returned) {
            assert_eq!(call["call_id"], result["call_id"]);
            assert_eq!(call["tool"], result["tool"]);
        }
    }
    assert_eq!(
        of("nora", "error.occurred")[0]["message"],
        "Error: valve 3 is stuck"
    );
    assert_eq!(of("piet", "error.occurred")[0]["message"], "it rains");
    assert_eq!(of("piet", "session.started")[0]["reward"], 0.1);
    assert_eq!(of("piet", "session.ended")[0]["task_id"], "greenhouse-2");
    assert!(
        events
            .iter()
            .all(|event| event["data"]["synthetic_time"] == true)
    );
}

#[test]
fn a_list_lines_and_objects_over_lines_are_the_same_runs() {
    let runs: Vec<Value> = serde_json::from_str(&fs::read_to_string(RUNS).unwrap()).unwrap();
    let lines: Vec<_> = runs.iter().map(Value::to_string).collect();
    let objects: Vec<_> = runs.iter().map(|run| format!("{run:#}")).collect();
    let sandbox = Sandbox::new();
    let events = summary(&sandbox.run(&["import", RUNS, "--json"]))["events"].clone();
    for input in [lines.join("\n\n"), objects.join("\n")] {
        let again = summary(&import(&sandbox, &["-"], &input));
        assert_eq!(again["already_there"], events);
        assert_eq!(again["added"], 0);
    }
}

#[test]
fn an_export_imported_elsewhere_exports_the_same() {
    let sandbox = Sandbox::new();
    sandbox.run(&["import", RUNS]);
    let original = export(&sandbox, &[]);
    let elsewhere = ["--url", "disk:elsewhere"];
    let copy = summary(&import(
        &sandbox,
        &[&["-"], &elsewhere[..]].concat(),
        &original,
    ));
    assert_eq!(copy["added"], copy["events"]);
    assert_eq!(copy["kept_entry_ids"], copy["events"]);
    assert_eq!(export(&sandbox, &elsewhere), original);

    let again = summary(&import(
        &sandbox,
        &[&["-"], &elsewhere[..]].concat(),
        &original,
    ));
    assert_eq!(again["added"], 0);
    assert_eq!(export(&sandbox, &elsewhere), original);
}

#[test]
fn an_interrupted_import_goes_on_where_it_was() {
    let sandbox = Sandbox::new();
    sandbox.run(&["import", RUNS]);
    let original = export(&sandbox, &[]);
    let half: Vec<_> = original.lines().take(7).collect();
    let half = half.join("\n");
    let elsewhere = ["-", "--url", "disk:elsewhere"];
    assert_eq!(summary(&import(&sandbox, &elsewhere, &half))["added"], 7);
    let rest = summary(&import(&sandbox, &elsewhere, &original));
    assert_eq!(rest["already_there"], 7);
    assert_eq!(export(&sandbox, &elsewhere[1..]), original);
}

#[test]
fn ids_that_cannot_be_kept_are_given_anew() {
    let sandbox = Sandbox::new();
    let line = |entry_id: &str, id: &str| {
        format!(r#"{{"entry_id":"{entry_id}","id":"{id}","type":"t","session_id":"s"}}"#)
    };
    let input = [line("7-0", "a"), line("5-0", "b"), line("9-0", "c")].join("\n");
    let told = summary(&import(&sandbox, &["-"], &input));
    assert_eq!(told["added"], 3);
    assert_eq!(told["kept_entry_ids"], 1);
    let ids = |sandbox: &Sandbox| -> Vec<Value> {
        exported(sandbox)
            .iter()
            .map(|event| event["id"].clone())
            .collect()
    };
    assert_eq!(ids(&sandbox), ["a", "b", "c"]);

    let future = line("99999999999999-0", "d");
    let told = summary(&import(&sandbox, &["-"], &future));
    assert_eq!(
        (&told["added"], &told["kept_entry_ids"]),
        (&1.into(), &0.into())
    );

    // Clocks differ: a little ahead is taken as it is.
    let soon = std::time::SystemTime::now() + std::time::Duration::from_hours(23);
    let soon = soon.duration_since(std::time::UNIX_EPOCH).unwrap();
    let input = line(&format!("{}-0", soon.as_millis()), "e");
    let told = summary(&import(&sandbox, &["-"], &input));
    assert_eq!(told["kept_entry_ids"], 1);

    let fresh = Sandbox::new();
    let told = summary(&import(&fresh, &["-", "--new-ids"], &line("7-0", "a")));
    assert_eq!(
        (&told["added"], &told["kept_entry_ids"]),
        (&1.into(), &0.into())
    );
}

#[test]
fn events_without_ids_are_told_apart_and_recognised() {
    let sandbox = Sandbox::new();
    let input = "{\"type\":\"t\",\"session_id\":\"s\"}\n{\"type\":\"t\",\"session_id\":\"s\"}\n";
    assert_eq!(summary(&import(&sandbox, &["-"], input))["added"], 2);
    let again = summary(&import(&sandbox, &["-"], input));
    assert_eq!(again["added"], 0);
    assert_eq!(again["already_there"], 2);
}

#[test]
fn undecodable_entries_are_restored_under_their_ids_only() {
    let sandbox = Sandbox::new();
    let odd = r#"{"entry_id":"7-0","partition":0,"undecodable":"the field type is missing","fields":[["a",{"hex":"ff00"}]]}"#;
    assert_eq!(summary(&import(&sandbox, &["-"], odd))["added"], 1);
    assert_eq!(export(&sandbox, &[]), format!("{odd}\n"));
    assert_eq!(summary(&import(&sandbox, &["-"], odd))["already_there"], 1);

    let other = odd.replace("ff00", "ff01");
    let told = summary(&import(&sandbox, &["-"], &other));
    assert_eq!(told["added"], 0);
    assert_eq!(told["skipped"], 1);
    let homeless = r#"{"fields":[["a","b"]]}"#;
    assert_eq!(summary(&import(&sandbox, &["-"], homeless))["skipped"], 1);
    assert_eq!(export(&sandbox, &[]), format!("{odd}\n"));
}

#[test]
fn a_broken_line_is_named_and_what_came_before_is_kept() {
    let good = |id: &str| format!(r#"{{"id":"{id}","type":"t","session_id":"s"}}"#);
    let input = format!("{}\n\n{{\"type\":\"t\",}}\n{}\n", good("a"), good("b"));
    let sandbox = Sandbox::new();
    let stopped = import(&sandbox, &["-"], &input);
    assert_eq!(stopped.code, Some(2));
    stopped.assert_said(&["line 3, column 13", "--skip-invalid"]);
    let told = summary(&stopped);
    assert_eq!(told["added"], 1);
    assert!(
        told["stopped_at"]
            .as_str()
            .unwrap()
            .starts_with("line 3, column 13")
    );

    let passed = import(&sandbox, &["-", "--skip-invalid"], &input);
    assert_eq!(passed.code, Some(0), "{}", passed.stderr);
    let told = summary(&passed);
    assert_eq!(
        (&told["added"], &told["already_there"]),
        (&1.into(), &1.into())
    );
    assert_eq!(told["skipped"], 1);
}

#[test]
fn a_broken_run_is_named_and_what_came_before_is_kept() {
    let run = r#"{"session_id":"s1","messages":[{"role":"user","content":"Hello"}]}"#;
    for (input, places) in [
        (
            format!("[\n{run},\n{{\"no\":1}}]"),
            ["run 2, line 3", "neither", "--skip-invalid"],
        ),
        (
            format!("[\n{run},\n{{\"traj\": [}}"),
            ["run 2, line 3", "column 11", "expected"],
        ),
        (
            format!("{run}\n{{\"no\":1}}"),
            ["run 2, line 2", "neither", "--skip-invalid"],
        ),
        (
            format!("[{run}"),
            ["run 2, line 1", "the JSON ends", "standard input"],
        ),
        (
            format!("[{run}] 7"),
            ["run 2, line 1", "more after the end", "standard input"],
        ),
    ] {
        let sandbox = Sandbox::new();
        let stopped = import(&sandbox, &["-"], &input);
        assert_eq!(stopped.code, Some(2), "{input}");
        for place in places {
            assert!(
                stopped.stderr.contains(place),
                "{place}: {}",
                stopped.stderr
            );
        }
        assert_eq!(summary(&stopped)["added"], 3, "{input}");
        assert_eq!(exported(&sandbox).len(), 3);
    }
    let sandbox = Sandbox::new();
    let passed = import(
        &sandbox,
        &["-", "--skip-invalid"],
        &format!("[7, {run}, {{}}]"),
    );
    assert_eq!(passed.code, Some(0), "{}", passed.stderr);
    assert_eq!(summary(&passed)["skipped"], 2);
    assert_eq!(summary(&passed)["added"], 3);
}

#[test]
fn a_changed_event_is_a_conflict_and_the_recorded_one_stays() {
    let line = |n: u8| format!(r#"{{"id":"a","type":"t","session_id":"s","data":{{"n":{n}}}}}"#);
    let sandbox = Sandbox::new();
    import(&sandbox, &["-"], &line(1));
    // The same, written in another way.
    let respelled = line(1).replace("{\"n\":1}", "{ \"n\": 1.0 }");
    assert_eq!(
        summary(&import(&sandbox, &["-"], &respelled))["already_there"],
        1
    );

    let conflict = import(&sandbox, &["-"], &line(2));
    assert_eq!(conflict.code, Some(1), "{}", conflict.stderr);
    assert_eq!(summary(&conflict)["skipped"], 1);
    assert!(
        conflict.stderr.contains("event a is recorded at"),
        "{}",
        conflict.stderr
    );
    assert_eq!(exported(&sandbox)[0]["data"]["n"], 1);
}

#[test]
fn a_dry_run_creates_and_adds_nothing() {
    let sandbox = Sandbox::new();
    let dry = sandbox.run(&["import", RUNS, "--json", "--dry-run"]);
    assert_eq!(dry.code, Some(0), "{}", dry.stderr);
    assert_eq!(summary(&dry)["added"], summary(&dry)["events"]);
    assert!(!sandbox.path().join("recount-data").exists());
    sandbox.run(&["import", RUNS]);
    let dry = summary(&sandbox.run(&["import", RUNS, "--json", "--dry-run"]));
    assert_eq!(dry["added"], 0);
}

#[test]
fn a_file_that_is_not_there_creates_nothing() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&["import", "nowhere.json"]);
    run.assert_refused(2, &["reading nowhere.json"]);
    assert!(!sandbox.path().join("recount-data").exists());
    sandbox
        .run(&["import", "."])
        .assert_refused(2, &["directory"]);
}

#[test]
fn what_is_no_text_is_named_and_creates_nothing() {
    let sandbox = Sandbox::new();
    let utf16: Vec<u8> = "{\"type\":1}".bytes().flat_map(|byte| [byte, 0]).collect();
    for (bytes, name) in [(&b"\x1f\x8b\x08\0\0"[..], "gzip"), (&utf16, "UTF-16")] {
        fs::write(sandbox.path().join("odd"), bytes).unwrap();
        let run = sandbox.run(&["import", "odd"]);
        run.assert_refused(2, &["odd, line 1", name, "nothing was imported"]);
        assert_eq!(run.stderr.matches("this is").count(), 1, "{}", run.stderr);
    }
    let marked = "\u{feff}{\"type\":\"t\",\"session_id\":\"s\"}";
    let stray = import(
        &sandbox,
        &["-"],
        &marked.replace("\"s\"", "\"s\",\"user\":1"),
    );
    stray.assert_refused(2, &["line 1", "did you mean user_id?"]);
    assert!(!sandbox.path().join("recount-data").exists());
    assert_eq!(summary(&import(&sandbox, &["-"], marked))["added"], 1);
}

#[test]
fn an_empty_file_holds_nothing_and_that_is_fine() {
    for input in ["", "\n\n", "[]"] {
        let sandbox = Sandbox::new();
        let run = import(&sandbox, &["-"], input);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert_eq!(summary(&run)["events"], 0);
        let told = sandbox.run_with(&["import", "-"], input).stdout;
        assert_eq!(told, "standard input holds no events: nothing added\n");
    }
}

#[test]
fn the_summary_reads_well() {
    let run = Sandbox::new().run(&["import", RUNS]);
    let lines: Vec<_> = run.stdout.lines().collect();
    assert_eq!(lines[0], "22 events in 2 sessions");
    assert_eq!(lines[1], "  error.occurred             2");
    assert_eq!(lines[7], "22 added, 0 already there, 0 skipped");
    assert!(lines[8].ends_with(" events/s"));

    let sandbox = Sandbox::new();
    let line = |id: &str, n: u8| {
        format!(r#"{{"entry_id":"{id}","id":"{n}","type":"t","session_id":"s"}}"#)
    };
    let input = [line("7-0", 1), line("5-0", 2), line("9-0", 3)].join("\n");
    let told = sandbox.run_with(&["import", "-"], &input).stdout;
    assert!(
        told.contains(
            "3 added, 0 already there, 0 skipped\n  1 kept their entry ids, 2 got new ones\n"
        ),
        "{told}"
    );
}

#[test]
fn a_table_is_named_as_one_and_no_skipping_is_advised() {
    let sandbox = Sandbox::new().with_session();
    let csv = sandbox.run(&["export", "--format", "csv"]).stdout;
    fs::write(sandbox.path().join("x.csv"), &csv).unwrap();
    fs::write(sandbox.path().join("y.CSV"), "name,age\nada,36\n").unwrap();
    let csv = import(&sandbox, &["-"], &csv);
    let named = sandbox.run(&["import", "x.csv"]);
    let foreign = sandbox.run(&["import", "y.CSV"]);
    for run in [csv, named, foreign] {
        run.assert_refused(2, &["--format ndjson"]);
        assert!(!run.stderr.contains("--skip-invalid"), "{}", run.stderr);
    }
}

#[test]
fn an_import_without_events_creates_nothing() {
    let sandbox = Sandbox::new();
    for (args, input) in [
        (&["-"][..], ""),
        (&["-"], "nonsense\n"),
        (&["-", "--skip-invalid"], "nonsense\n"),
    ] {
        let run = import(&sandbox, args, input);
        assert_ne!(run.code, Some(1), "{}", run.stderr);
        assert!(!sandbox.path().join("recount-data").exists(), "{args:?}");
    }
}
