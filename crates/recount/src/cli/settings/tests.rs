use std::time::Duration;

use clap::CommandFactory as _;
use recount::DEFAULT_STREAM;
use recount::config::SETTINGS;

use super::*;
use crate::cli::error::Failure;

const DEFAULT_URL: &str = "disk:recount-data";

fn args() -> GlobalArgs {
    GlobalArgs {
        url: None,
        stream: None,
        mirror: None,
        config: None,
        quiet: false,
        color: When::Auto,
    }
}

fn resolve(args: GlobalArgs, own: OwnFlags, variables: &[(&str, &str)]) -> Result<Settings> {
    let variable = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).into())
    };
    Settings::resolve(args, own, &[], &variable, None)
}

#[test]
fn flags_win_over_variables_and_empty_ones_count_as_unset() {
    let variables = [("RECOUNT_URL", "disk:a"), ("RECOUNT_STREAM", "s")];
    let settings = resolve(args(), OwnFlags::default(), &variables).unwrap();
    assert_eq!(settings.url().to_string(), "disk:a");
    assert_eq!(settings.stream(), "s");
    assert_eq!(settings.command("info"), "recount info");

    let flags = GlobalArgs {
        url: Some("disk:b c".into()),
        config: Some("c.toml".into()),
        ..args()
    };
    let settings = resolve(flags, OwnFlags::default(), &variables).unwrap();
    assert_eq!(settings.url().to_string(), "disk:b c");
    assert_eq!(
        settings.command("info"),
        "recount info --config c.toml --url 'disk:b c'"
    );

    let secret = GlobalArgs {
        url: Some("redis://ada:hunter2@h".into()),
        ..args()
    };
    let settings = resolve(secret, OwnFlags::default(), &[]).unwrap();
    let command = settings.command("info");
    assert_eq!(command, "recount info --url ...");
    for files in [
        "rediss://h:6379/0?ca=a&cert=b%20c&key=d%26e",
        "redis-cluster://h:6379?tls=true&ca=%25",
    ] {
        let with_files = GlobalArgs {
            url: Some(files.into()),
            ..args()
        };
        let settings = resolve(with_files, OwnFlags::default(), &[]).unwrap();
        let command = settings.command("info");
        assert_eq!(command, format!("recount info --url '{files}'"));
    }

    let empty = [
        ("RECOUNT_URL", ""),
        ("RECOUNT_STREAM", ""),
        ("RECOUNT_FSYNC", ""),
    ];
    let settings = resolve(args(), OwnFlags::default(), &empty).unwrap();
    assert_eq!(settings.url().to_string(), DEFAULT_URL);
    assert_eq!(settings.stream(), DEFAULT_STREAM);
    let own = settings.elsewhere(LogUrl::Disk("own".into()), "own".into());
    assert_eq!(
        (own.url().to_string(), own.stream()),
        ("disk:own".into(), "own")
    );
    assert_eq!(settings.sync().to_string(), "always");
}

#[test]
fn a_commands_own_flags_arrive() {
    let own = OwnFlags {
        fsync: Some(SyncMode::Os),
        batch_size: Some("7".into()),
        block: Some("5s".into()),
        ..OwnFlags::default()
    };
    let settings = resolve(args(), own, &[("RECOUNT_FSYNC", "always")]).unwrap();
    let config = settings.config();
    assert_eq!(settings.sync(), SyncMode::Os);
    assert_eq!(config.batch_size, 7);
    assert_eq!(config.block_timeout, Some(Duration::from_secs(5)));
}

#[test]
fn a_batch_that_is_full_has_room_for_one_more_event() {
    let usual = resolve(args(), OwnFlags::default(), &[]).unwrap();
    assert_eq!(usual.batch_bytes(), 8 << 20);
    let tight = [("RECOUNT_LIMITS_BATCH_BYTES", "1MiB")];
    let tight = resolve(args(), OwnFlags::default(), &tight).unwrap();
    assert_eq!(tight.batch_bytes(), 0);
}

#[test]
fn a_bad_variable_is_named() {
    for (name, value) in [("RECOUNT_URL", "redis://:pw@"), ("RECOUNT_FSYNC", "often")] {
        let refused = resolve(args(), OwnFlags::default(), &[(name, value)]);
        let Err(Failure::Reported { message, code, .. }) = refused else {
            panic!("{name} was accepted");
        };
        assert!(message.starts_with(name), "{message}");
        assert!(!message.contains("pw"), "{message}");
        assert_eq!(code, 2);
    }
}

#[test]
fn colours_can_be_forced_and_forbidden() {
    let always = GlobalArgs {
        color: When::Always,
        ..args()
    };
    let no = [("NO_COLOR", "1")];
    assert!(resolve(always, OwnFlags::default(), &no).unwrap().color);
    assert!(!resolve(args(), OwnFlags::default(), &no).unwrap().color);
}

#[test]
fn settings_know_the_commands_that_have_their_flags() {
    let cli = crate::cli::Cli::command();
    for setting in SETTINGS {
        let Some(flag) = setting.flag else { continue };
        let own = |command: &clap::Command| {
            let mut arguments = command.get_arguments();
            arguments.any(|argument| argument.get_long() == flag.strip_prefix("--"))
        };
        let has_it = |command: &clap::Command| own(command) || command.get_subcommands().any(own);
        let commands: Vec<_> = match setting.commands {
            // Global flags; the demo has its own of the same names.
            "" if own(&cli) => continue,
            _ => cli
                .get_subcommands()
                .filter(|command| has_it(command))
                .collect(),
        };
        let names: Vec<_> = commands.iter().map(|command| command.get_name()).collect();
        assert_eq!(setting.commands, names.join(", "), "{flag}");
    }
}
