//! What is in force; below, what is wrong, what is documented, and anything at all.

mod any;
mod docs;
mod wrong;

use std::ffi::OsString;
use std::path::Path;

use super::*;
use crate::MaxLength;

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
const SAMPLES: [(&str, &str, &str, &str); 13] = [
    ("url", "\"disk:/a\"", "disk:/b", "disk:/c"),
    ("stream", "\"a\"", "b", "c"),
    ("fsync", "\"os\"", "always", "interval:5ms"),
    ("batch_size", "1_0", "2_0", "30"),
    ("block_timeout", "\"1s\"", "forever", "3s"),
    ("idempotency_window", "\"1h\"", "2h", "3h"),
    ("lock_wait", "\"1ms\"", "0s", "3ms"),
    ("retention.max_length", "1", "unlimited", "3"),
    ("retention.max_length_exact", "true", "false", "true"),
    ("retention.period", "\"1s\"", "2w", "3d"),
    ("limits.event_bytes", "\"64KiB\"", "65537", "1MiB"),
    ("limits.batch_events", "5000", "6000", "7000"),
    ("limits.batch_bytes", "2_000_000", "3MiB", "4MiB"),
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
        let flags = [(key, "--it", in_flag)];
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
            if !key.starts_with("retention.max_length") {
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
                [retention]\nmax_length = 1_000\nmax_length_exact = true\nperiod = \"30d\"\n";
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
            },
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
    for (setting, _, origin) in resolved.all() {
        assert_ne!(*origin, Origin::Default, "{} is missing", setting.key);
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
