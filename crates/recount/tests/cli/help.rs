//! The reference manual is a snapshot of the real parser.

use super::support::Sandbox;

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
        assert!(help.stdout.contains("\nExamples:\n"), "{command}");
        insta::assert_snapshot!(format!("recount-{command}"), help.stdout);
    }
}

/// The names under "Commands:", without clap's own.
fn commands(help: &str) -> Vec<String> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    list.take_while(|line| !line.is_empty())
        // A description that goes on stands further in.
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty() && *name != "help")
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
        .run(&["help", "nothing"])
        .assert_refused(2, &["there is no command \"nothing\""]);
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
