//! What is in force; below, what is wrong, what is documented, and anything at all.

mod any;
mod docs;
mod wrong;

use std::ffi::OsString;
use std::path::Path;

use super::*;
use crate::{HeldUp, MaxLength};

fn parse(text: &str) -> Result<ConfigFile, ConfigErrors> {
    ConfigFile::parse(Path::new("conf/recount.toml"), text.as_bytes())
}

fn resolve(
    flags: &[(&'static str, &'static str, &str)],
    variables: &[(&str, &str)],
    file: &str,
) -> Result<Resolved, ConfigErrors> {
    let file = parse(file).unwrap();
    Sources {
        flags: flags
            .iter()
            .map(|(key, flag, value)| (*key, *flag, (*value).to_owned()))
            .collect(),
        variable: &|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        },
        file: Some(&file),
        only_flags: &[],
    }
    .resolve()
}

/// Of every setting: a value for the file, one for the variable, one for the flag.
const SAMPLES: [(&str, &str, &str, &str); 28] = [
    ("url", "\"disk:/a\"", "disk:/b", "disk:/c"),
    ("stream", "\"a\"", "b", "c"),
    ("fsync", "\"os\"", "always", "interval:5ms"),
    ("batch_size", "1_0", "2_0", "30"),
    ("block_timeout", "\"1s\"", "forever", "3s"),
    ("idempotency_window", "\"1h\"", "2h", "3h"),
    ("lock_wait", "\"1ms\"", "0s", "3ms"),
    ("mirror", "\"/a\"", "/b", "/c"),
    ("retention.max_length", "1", "unlimited", "3"),
    ("retention.max_length_exact", "true", "false", "true"),
    ("retention.period", "\"1s\"", "2w", "3d"),
    (
        "retention.held_up",
        "\"force\"",
        "block",
        "expire-groups-after:2d",
    ),
    ("groups.fsync", "\"os\"", "always", "interval:5ms"),
    ("limits.event_bytes", "\"64KiB\"", "65537", "1MiB"),
    ("limits.batch_events", "5000", "6000", "7000"),
    ("limits.batch_bytes", "2_000_000", "3MiB", "4MiB"),
    ("redis.password", "\"\"", "b", ""),
    ("redis.partitions", "6", "auto", "3"),
    ("redis.wait_replicas", "1", "2", "3"),
    (
        "redis.wait_aof",
        "\"local\"",
        "replicas:1",
        "local+replicas:1",
    ),
    ("redis.wait_timeout", "\"2s\"", "3s", "4s"),
    ("redis.idempotency_ids_max", "1", "2", "3"),
    ("redis.timeout", "\"2s\"", "3s", "4s"),
    (
        "summarizer.url",
        "\"http://localhost:1/v1\"",
        "https://b/v1",
        "none",
    ),
    ("summarizer.model", "\"a\"", "b", "none"),
    ("summarizer.key", "\"\"", "b", ""),
    ("summarizer.timeout", "\"2s\"", "3s", "4s"),
    ("summarizer.allow_http", "true", "false", "true"),
];

#[test]
fn every_setting_is_taken_from_flag_variable_file_and_default_in_this_order() {
    assert_eq!(SAMPLES.map(|sample| sample.0)[..], {
        let keys: Vec<_> = SETTINGS.iter().map(|setting| setting.key).collect();
        keys
    });
    for (key, in_file, in_variable, in_flag) in SAMPLES {
        let setting = Setting::find(key).unwrap();
        let file = match key {
            // What is to be exact must be there.
            "retention.max_length_exact" => format!("retention.max_length = 5\n{key} = {in_file}"),
            _ => format!("{key} = {in_file}"),
        };
        let name = setting.variable();
        let variables = [(&*name, in_variable)];
        // Their flags are refused with a log on disk.
        let of_servers = key == "mirror" || key.starts_with("redis.");
        let mut flags = vec![(key, "--it", in_flag)];
        flags.extend(of_servers.then_some(("url", "--url", "redis://h")));
        let shown = |resolved: &Resolved| {
            (
                setting.value(&resolved.config).to_string(),
                resolved.origin(key).to_string(),
            )
        };
        let all = resolve(&flags, &variables, &file).unwrap();
        let no_flag = resolve(&[], &variables, &file).unwrap();
        let only_file = resolve(&[], &[(&name, "")], &file).unwrap();
        let nothing = resolve(&[], &[], "").unwrap();
        let seen = [&all, &no_flag, &only_file, &nothing].map(shown);
        assert_eq!(seen[0].1, "--it");
        assert_eq!(seen[1].1, name);
        let line = file.lines().count();
        let column = key.len() + 4;
        assert_eq!(seen[2].1, format!("conf/recount.toml:{line}:{column}"));
        assert_eq!(seen[3].1, "default");
        assert_eq!(nothing.config, Config::default());
        // Each source changed the value, and nothing else.
        for pair in seen.windows(2) {
            let back_to_default = pair[1].1 == "default" && pair[0].0 == pair[1].0;
            assert!(pair[0].0 != pair[1].0 || back_to_default, "{key}: {seen:?}");
        }
        for (other, value, _) in all.all().filter(|(other, ..)| other.key != key) {
            let moved = of_servers && ["url", "idempotency_window"].contains(&other.key);
            if !key.starts_with("retention.max_length") && !moved {
                assert_eq!(
                    value,
                    other.value(&Config::default()),
                    "{key}, {}",
                    other.key
                );
            }
        }
    }
}

#[test]
fn what_is_written_arrives_in_its_field() {
    let file = "url = \"disk:data\"\nblock_timeout = \"1h30m\"\n[limits]\nevent_bytes = 2048\n\
                [retention]\nmax_length = 1_000\nmax_length_exact = true\nperiod = \"30d\"\n\
                held_up = \"expire-groups-after:7d\"\n[groups]\nfsync = \"always\"\n";
    let config = resolve(&[], &[], file).unwrap().config;
    assert_eq!(
        config,
        Config {
            // The file's folder.
            url: LogUrl::Disk("conf/data".into()),
            block_timeout: Some(Duration::from_mins(90)),
            retention: Retention {
                max_length: Some(MaxLength {
                    entries: 1_000,
                    exact: true
                }),
                period: Some(Duration::from_hours(720)),
                held_up: HeldUp::ExpireGroupsAfter(604_800_000),
            },
            groups_fsync: SyncMode::Always,
            limits: Limits {
                event_bytes_max: 2_048,
                ..Limits::default()
            },
            ..Config::default()
        }
    );
    let elsewhere = resolve(&[], &[("RECOUNT_URL", "disk:data")], file).unwrap();
    assert_eq!(elsewhere.config.url.to_string(), "disk:data");
}

#[test]
fn the_example_says_what_holds_anyhow() {
    let resolved = resolve(&[], &[], &example()).unwrap();
    let expected = Config {
        url: LogUrl::Disk("conf/recount-data".into()),
        ..Config::default()
    };
    assert_eq!(resolved.config, expected);
    let shown_only = ["idempotency_window", "redis.password", "summarizer.key"];
    let written = resolved.all();
    for (setting, _, origin) in written.filter(|(it, ..)| !shown_only.contains(&it.key)) {
        assert_ne!(*origin, Origin::Default, "{} is missing", setting.key);
    }
}

#[test]
fn what_other_programs_read_too_counts_last() {
    let redis = ("REDIS_URL", "localhost:6379");
    let shown = |variables: &[(&str, &str)], file| {
        let resolved = resolve(&[], variables, file).unwrap();
        (
            resolved.config.url.to_string(),
            resolved.origin("url").to_string(),
        )
    };
    let of = |url: &str, origin: &str| (url.to_owned(), origin.to_owned());
    assert_eq!(
        shown(&[redis], ""),
        of("redis://localhost:6379/0", "REDIS_URL")
    );
    assert_eq!(
        shown(&[("REDIS_URL", "rediss://:pw@h/2")], "").1,
        "REDIS_URL"
    );
    assert_eq!(
        shown(&[redis], "url = \"disk:/a\""),
        of("disk:/a", "conf/recount.toml:1:7")
    );
    assert_eq!(
        shown(&[redis, ("RECOUNT_URL", "disk:b")], ""),
        of("disk:b", "RECOUNT_URL")
    );
    assert_eq!(
        shown(&[("REDIS_URL", "")], ""),
        of("disk:recount-data", "default")
    );

    let password = |variables: &[(&str, &str)], file| {
        let config = resolve(&[], variables, file).unwrap().config;
        config.redis.password.map(|it| it.reveal().to_owned())
    };
    let theirs = ("REDIS_PASSWORD", "theirs");
    assert_eq!(password(&[theirs], ""), Some("theirs".to_owned()));
    let file = "redis.password = \"ours\"";
    assert_eq!(password(&[theirs], file), Some("ours".to_owned()));
    assert_eq!(password(&[], ""), None);
}

#[test]
fn what_is_not_given_follows_from_the_engine_and_the_machine() {
    let window = |url| {
        let resolved = resolve(&[("url", "--url", url)], &[], "").unwrap();
        let minutes = resolved.config.idempotency_window().as_secs() / 60;
        (minutes, resolved.origin("idempotency_window").to_string())
    };
    assert_eq!(window("disk:a"), (24 * 60, "default".to_owned()));
    assert_eq!(window("redis://h"), (10, "default (url)".to_owned()));

    let mirror = |variables: &[(&str, &str)], file| {
        let resolved = resolve(&[], variables, file).unwrap();
        let origin = resolved.origin("mirror").to_string();
        (resolved.config.mirror, origin)
    };
    let (home, state) = (("HOME", "/h"), ("XDG_STATE_HOME", "/s"));
    let kept = |path: &str, origin: &str| (Some(path.into()), origin.to_owned());
    assert_eq!(
        mirror(&[home], ""),
        kept("/h/.local/state/recount/mirrors", "default (HOME)")
    );
    assert_eq!(
        mirror(&[home, state], ""),
        kept("/s/recount/mirrors", "default (XDG_STATE_HOME)")
    );
    assert_eq!(
        mirror(&[home], "mirror = \"m\""),
        kept("conf/m", "conf/recount.toml:1:10")
    );
    assert_eq!(mirror(&[], ""), (None, "default".to_owned()));
}

#[test]
fn a_flag_that_the_engine_does_not_heed_is_refused() {
    type Flag = (&'static str, &'static str, &'static str);
    let told = |flags: &[Flag]| resolve(flags, &[], "").unwrap_err().to_string();
    let url = ("url", "--url", "redis://:hunter2@h");
    let refused = told(&[("fsync", "--fsync", "os"), url]);
    assert!(
        refused.starts_with("--fsync: this is about logs on disk"),
        "{refused}"
    );
    assert!(!refused.contains("hunter2"), "{refused}");
    let refused = told(&[("redis.wait_replicas", "--wait-replicas", "1")]);
    assert!(
        refused.contains("the log is disk:recount-data"),
        "{refused}"
    );
    // Elsewhere it is for whatever log of that kind is named.
    resolve(
        &[url],
        &[("RECOUNT_FSYNC", "os")],
        "redis.wait_replicas = 1",
    )
    .unwrap();

    let window = |url, window| {
        let flags = [("url", "--url", url)];
        resolve(&flags, &[("RECOUNT_IDEMPOTENCY_WINDOW", window)], "")
    };
    assert!(window("redis://h", "0s").is_ok());
    for (url, text) in [("redis://h", "5ms"), ("disk:a", "0s"), ("disk:a", "5ms")] {
        let refused = window(url, text).unwrap_err().to_string();
        assert!(
            refused.starts_with("RECOUNT_IDEMPOTENCY_WINDOW: out of range"),
            "{refused}"
        );
    }
}

#[test]
fn what_only_flags_may_change_is_not_looked_up_elsewhere() {
    let file = parse("url = \"disk:a\"\nretention.period = \"1d\"\nlock_wait = \"0s\"").unwrap();
    let resolved = Sources {
        flags: vec![("stream", "--stream", "mine".to_owned())],
        variable: &|name| (name == "RECOUNT_STREAM").then(|| "theirs".into()),
        file: Some(&file),
        only_flags: &["url", "stream", "retention"],
    }
    .resolve()
    .unwrap();
    let expected = Config {
        stream: "mine".to_owned(),
        lock_wait: Duration::ZERO,
        ..Config::default()
    };
    assert_eq!(resolved.config, expected);
}
