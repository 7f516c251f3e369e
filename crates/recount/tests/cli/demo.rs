//! `recount demo`: what it prints is what it recorded, and the commands it names work.

use std::process::Command;

use crate::support::{Run, Sandbox};

const FAST: [&str; 5] = ["demo", "--seed", "7", "--speed", "50"];

fn demo(sandbox: &Sandbox, args: &[&str]) -> Run {
    let run = sandbox.run(&[&FAST[..], args].concat());
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run
}

#[test]
fn everything_is_shown_and_the_log_agrees() {
    let sandbox = Sandbox::new();
    let run = demo(&sandbox, &["--dir", "kept"]);
    let log = ["--url", "disk:kept", "--stream", "demo:events"];
    let export = sandbox.run(&[&["export"], &log[..]].concat());
    let recorded = export.stdout.lines().count();
    assert!(recorded > 50);

    let sections: Vec<_> = run.stdout.split("\n\n").collect();
    let section = |name: &str| -> Vec<&str> {
        let found = sections
            .iter()
            .find(|section| section.trim_start().starts_with(name));
        found
            .unwrap_or_else(|| panic!("no {name}"))
            .trim()
            .lines()
            .skip(1)
            .collect()
    };
    assert_eq!(section("LIVE").len(), recorded);
    let groups = section("GROUPS");
    let verdict =
        format!("3 of 3 groups handled every one of the {recorded} events; nothing is pending");
    assert_eq!(groups.last(), Some(&&*verdict), "{groups:?}");
    assert!(groups[1].contains("then killed with"), "{groups:?}");
    assert!(
        section("REPLAY")
            .iter()
            .any(|line| line.starts_with(&format!("{recorded} events in")))
    );
    let counted: usize = section("COUNTS")
        .iter()
        .map(|line| {
            line.split_whitespace()
                .nth(1)
                .unwrap()
                .parse::<usize>()
                .unwrap()
        })
        .sum();
    assert_eq!(counted, recorded);
    for known in [
        "message.added",
        "session.started",
        "session.ended",
        "summary.created",
        "search.performed",
        "memory.cleared",
        "error.occurred",
        "tool.called",
        "tool.returned",
    ] {
        let lines = export
            .stdout
            .matches(&format!("\"type\":\"{known}\""))
            .count();
        assert!(
            section("COUNTS").iter().any(|line| {
                let mut words = line.split_whitespace();
                words.next() == Some(known) && words.next() == Some(&lines.to_string())
            }),
            "{known}"
        );
    }
    assert!(
        section("TIMELINE")
            .iter()
            .any(|line| line.contains("error.occurred"))
    );
}

#[test]
fn it_is_plain_and_narrow_where_nobody_watches() {
    let sandbox = Sandbox::new();
    let run = demo(&sandbox, &["--dir", "kept"]);
    assert!(!run.stdout.contains('\u{1b}'));
    let (_, commands) = run.stdout.split_once("YOUR TURN").unwrap();
    assert_eq!(commands.trim().lines().count(), 6);
    // The path of the binary is that of the tests, any length.
    let binary = env!("CARGO_BIN_EXE_recount");
    for line in run.stdout.replace(binary, "target/release/recount").lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let coloured = demo(&sandbox, &["--dir", "kept", "--color", "always"]);
    assert!(coloured.stdout.contains("\u{1b}["));
}

#[test]
fn the_commands_it_names_work_as_they_stand() {
    let sandbox = Sandbox::new();
    let run = demo(&sandbox, &["--dir", "it's kept"]);
    let last: Vec<_> = run.stdout.lines().rev().take(5).collect();
    let [export, tail, events, stream, url] = last[..] else {
        panic!("{}", run.stdout);
    };
    assert!(url.trim().starts_with("export RECOUNT_URL="), "{url}");
    // The tail would go on for ever.
    let tail = format!("{tail} --limit 1");
    for (command, finds) in [
        (events, "session.started"),
        (&*tail, "error.occurred"),
        (export, "entry_id"),
    ] {
        let output = Command::new("sh")
            .args(["-c", &[url, stream, command].join("\n")])
            .current_dir(sandbox.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}");
        assert!(
            String::from_utf8(output.stdout).unwrap().contains(finds),
            "{command}"
        );
    }
}

#[test]
fn the_seed_decides_what_is_said_and_a_second_demo_is_another_one() {
    let sandbox = Sandbox::new();
    let said = |run: &Run| -> Vec<String> {
        let (live, _) = run.stdout.split_once("GROUPS").unwrap();
        // After time, type and session.
        live.trim()
            .lines()
            .skip(1)
            .map(|line| {
                line.split_whitespace()
                    .skip(3)
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect()
    };
    let first = demo(&sandbox, &["--dir", "kept"]);
    let second = demo(&sandbox, &["--dir", "kept"]);
    // How long a thing took is the same to the millisecond, whenever it happened.
    assert_eq!(said(&first), said(&second));
    let export = sandbox.run(&["export", "--url", "disk:kept", "--stream", "demo:events"]);
    assert_eq!(export.stdout.lines().count(), 2 * said(&first).len());
}

#[test]
fn without_a_place_it_makes_one_and_names_it() {
    let sandbox = Sandbox::new();
    let run = sandbox
        .command(&FAST)
        .env("TMPDIR", sandbox.path())
        // Not the log that is in use.
        .env("RECOUNT_URL", "disk:in-use")
        .env("RECOUNT_STREAM", "in:use")
        .output()
        .unwrap();
    let run = Run::from(run);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let kept: Vec<_> = std::fs::read_dir(sandbox.path()).unwrap().collect();
    assert_eq!(kept.len(), 1, "one directory, and no recount-data");
    assert!(run.stdout.contains("export RECOUNT_STREAM=demo:events\n"));
    let name = kept[0].as_ref().unwrap().path().display().to_string();
    assert!(
        run.stdout
            .contains(&format!("export RECOUNT_URL=disk:{name}\n"))
    );
}

#[test]
fn flags_say_where_before_and_behind_the_command() {
    for args in [
        &["demo", "--url", "disk:mine", "--stream", "mine"][..],
        &["--url", "disk:mine", "--stream", "mine", "demo"],
    ] {
        let sandbox = Sandbox::new();
        let run = sandbox.run(&[args, &["--speed", "50"]].concat());
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert!(run.stdout.contains("export RECOUNT_URL=disk:mine\n"));
        assert!(run.stdout.contains("export RECOUNT_STREAM=mine\n"));
        assert!(sandbox.path().join("mine").is_dir());
    }
}

#[test]
fn flags_that_make_no_sense_are_refused() {
    let sandbox = Sandbox::new();
    sandbox
        .run(&["demo", "--speed", "0"])
        .assert_refused(2, &["0.1 to 1000"]);
    sandbox
        .run(&["demo", "--dir", "a", "--url", "disk:b"])
        .assert_refused(2, &["--dir", "--url"]);
}
