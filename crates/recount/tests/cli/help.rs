//! The reference manual is a snapshot of the real parser.

use std::fs;

use super::support::{Run, Sandbox};

#[test]
fn help_of_every_command() {
    let sandbox = Sandbox::new();
    let top = sandbox.run(&["--help"]);
    assert_eq!(top.code, Some(0));
    insta::assert_snapshot!("recount", top.stdout);
    let commands = commands(&top.stdout);
    assert!(commands.len() >= 6, "{commands:?}");
    for command in commands {
        let help = sandbox.run(&[&command, "--help"]);
        assert_eq!(help.code, Some(0), "{command}");
        insta::assert_snapshot!(format!("recount-{command}"), help.stdout);
    }
}

/// The names under "Commands:".
fn commands(help: &str) -> Vec<String> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    list.take_while(|line| !line.is_empty())
        // A description that goes on stands further in.
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_help_command_says_the_same() {
    let sandbox = Sandbox::new();
    for (help, flag) in [
        (&["help"][..], &["--help"][..]),
        (&["help", "events"], &["events", "--help"]),
    ] {
        let (help, flag) = (sandbox.run(help), sandbox.run(flag));
        assert_eq!((help.code, &help.stdout), (Some(0), &flag.stdout));
    }
    assert_eq!(sandbox.run(&["help", "--help"]).code, Some(0));
    sandbox
        .run(&["help", "evnts"])
        .assert_refused(2, &["evnts", "similar", "'events'"]);
    sandbox.run(&[]).assert_refused(2, &["Usage: recount"]);
}

#[test]
fn help_is_coloured_where_that_is_asked_for() {
    let sandbox = Sandbox::new();
    let coloured = |args: &[&str]| sandbox.run(args).stdout.contains('\u{1b}');
    for args in [
        &["events", "--help"][..],
        &["help", "events"],
        &["--color", "never", "help", "events"],
    ] {
        assert!(!coloured(args), "{args:?}");
    }
    assert!(coloured(&["--color", "always", "events", "--help"]));
    assert!(coloured(&["help", "events", "--color=always"]));
}

#[test]
fn what_is_about_recount_itself_works_whatever_the_settings_are() {
    let sandbox = Sandbox::new();
    for args in [&["help"][..], &["completions", "bash"], &["man"]] {
        let mut command = sandbox.command(args);
        let run: Run = command
            .env("RECOUNT_URL", "nonsense")
            .output()
            .unwrap()
            .into();
        assert_eq!(run.code, Some(0), "{args:?}: {}", run.stderr);
    }
}

#[test]
fn completions_name_the_commands() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = sandbox.run(&["completions", shell]);
        assert_eq!(script.code, Some(0), "{shell}");
        assert!(script.stdout.contains("publish"), "{shell}");
    }
    sandbox
        .run(&["completions", "tcsh"])
        .assert_refused(2, &["bash", "fish", "zsh"]);
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&["man", "--output", "share/man1"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let folder = sandbox.path().join("share/man1");
    let mut expected = commands(&sandbox.run(&["--help"]).stdout);
    expected = expected
        .into_iter()
        .map(|command| format!("recount-{command}.1"))
        .collect();
    expected.insert(0, "recount.1".to_owned());
    for (above, below) in [
        ("groups", &["delete", "consumers", "set", "create"][..]),
        ("dead", &["discard", "retry", "show", "list"]),
        ("mirrors", &["forget", "settle", "run"]),
        ("views", &["rebuild", "run"]),
        (
            "memory",
            &[
                "end",
                "stats",
                "clear",
                "summarize",
                "search",
                "recent",
                "add",
            ],
        ),
    ] {
        let page = format!("recount-{above}.1");
        let at = expected.iter().position(|name| *name == page).unwrap();
        for below in below {
            expected.insert(at + 1, format!("recount-{above}-{below}.1"));
        }
    }
    let told: Vec<_> = expected
        .iter()
        .map(|name| format!("share/man1/{name}"))
        .collect();
    assert_eq!(run.stdout.lines().collect::<Vec<_>>(), told);
    for name in expected {
        let page = fs::read_to_string(folder.join(&name)).unwrap();
        for part in [".TH ", "SYNOPSIS", "OPTIONS", "EXAMPLES", "EXIT STATUS"] {
            assert!(page.contains(part), "no {part} in {name}");
        }
        assert!(page.contains("130  ended by Ctrl"), "{name}");
    }

    let top = fs::read_to_string(folder.join("recount.1")).unwrap();
    assert_eq!(sandbox.run(&["man"]).stdout, top);
    for (name, commands) in [
        ("recount-events.1", &[&["events"][..]][..]),
        (
            "recount-mirrors-run.1",
            &[&["mirrors", "run"], &["mirrors-run"]],
        ),
    ] {
        let page = fs::read_to_string(folder.join(name)).unwrap();
        for command in commands {
            let printed = sandbox.run(&[&["man"], *command].concat());
            assert_eq!(printed.stdout, page, "{command:?}");
        }
    }
    for command in [&["nothing"][..], &["mirrors", "nothing"], &["run"]] {
        let told = format!("there is no command {:?}", command.join(" "));
        sandbox
            .run(&[&["man"], command].concat())
            .assert_refused(2, &[&told]);
    }
    fs::write(sandbox.path().join("file"), "").unwrap();
    sandbox
        .run(&["man", "--output", "file/man1"])
        .assert_refused(1, &["writing file/man1: "]);
    sandbox
        .run(&["man", "--output", "file"])
        .assert_refused(2, &["file is not a directory", "hint: "]);
}

#[test]
fn help_is_as_wide_as_one_can_read() {
    let sandbox = Sandbox::new();
    for (columns, width) in [("40", 40), ("200", 100)] {
        let mut command = sandbox.command(&["completions", "--help"]);
        let run: Run = command.env("COLUMNS", columns).output().unwrap().into();
        let prose = run.stdout.split("Usage:").next().unwrap();
        let widest = prose.lines().map(str::len).max().unwrap();
        assert!(widest <= width, "{widest} of {columns}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn help_that_could_not_be_printed_is_a_failure() {
    let sandbox = Sandbox::new();
    for args in [&["--help"][..], &["--version"], &["help", "events"]] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = sandbox.command(args).stdout(full).output().unwrap();
        let run = Run::from(output);
        run.assert_refused(1, &["writing to standard output: "]);
    }
}
