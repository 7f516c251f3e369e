//! Mistakes: where they are, and what is said of them.

use super::*;

/// What is wrong in a file, where, and what is said of it.
const WRONG: &[(&str, &str, &str)] = &[
    (
        "\nstrem = 1",
        "2:1",
        "unknown setting \"strem\": did you mean stream?",
    ),
    ("batch-size = 1", "1:1", "did you mean batch_size?"),
    (
        "max_length = 1",
        "1:1",
        "did you mean retention.max_length, in the table [retention]?",
    ),
    ("[limit]\n", "1:2", "did you mean the table [limits]?"),
    (
        "[limits]\nx = 1",
        "2:1",
        "has event_bytes, batch_events, batch_bytes",
    ),
    ("zzz = 1", "1:1", "there are url, stream, fsync"),
    (
        "batch_size = \"10\"",
        "1:14",
        "this is text: write 10 without quotes",
    ),
    (
        "batch_size = \"x\"",
        "1:14",
        "this is text: write a whole number from 1 to 1000000",
    ),
    (
        "batch_size = 0",
        "1:14",
        "0 is out of range: write a whole number from 1",
    ),
    (
        "batch_size = -1",
        "1:14",
        "is not allowed: write a whole number",
    ),
    (
        "batch_size = 1.5",
        "1:14",
        "this is a number with a fraction",
    ),
    (
        "batch_size = 0xff",
        "1:14",
        "this is a number that is not decimal",
    ),
    (
        "lock_wait = 5",
        "1:13",
        "5 has no unit: write a time in quotes",
    ),
    (
        "lock_wait = \"5y\"",
        "1:13",
        "\"5y\" is no time: write 500ms, 5s",
    ),
    ("lock_wait = 5s", "1:13", "text must stand in quotes"),
    (
        "block_timeout = forever",
        "1:17",
        "text must stand in quotes: write \"forever\"",
    ),
    (
        "fsync = interval:100ms # often",
        "1:9",
        "text must stand in quotes: write \"interval:100ms\"",
    ),
    (
        "stream = news",
        "1:10",
        "text must stand in quotes: write \"news\"",
    ),
    (
        "stream = trunk",
        "1:10",
        "text must stand in quotes: write \"trunk\"",
    ),
    (
        "retention.max_length_exact = True",
        "1:30",
        "\"True\" is not allowed: write true",
    ),
    (
        "url = \"disk:x\\u0000y\"",
        "1:7",
        "the URL holds a control character",
    ),
    (
        "lock_wait = \"2d\"",
        "1:13",
        "2d is out of range: write a time from 0s to 24h",
    ),
    (
        "block_timeout = \"0s\"",
        "1:17",
        "from 1ms to 3650d, or forever",
    ),
    (
        "block_timeout = 1979-05-27",
        "1:17",
        "this is a date or time",
    ),
    (
        "limits.event_bytes = \"2MB\"",
        "1:22",
        "\"2MB\" is no size: write 64KiB, 1MiB",
    ),
    (
        "limits.event_bytes = \"1GiB\"",
        "1:22",
        "from 1KiB to 16MiB",
    ),
    (
        "limits.event_bytes = true",
        "1:22",
        "this is true or false: write a size",
    ),
    (
        "retention.max_length = \"many\"",
        "1:24",
        "write a whole number from 1 or \"unlimited\"",
    ),
    (
        "retention.max_length_exact = \"true\"",
        "1:30",
        "write true or false, without quotes",
    ),
    (
        "retention = 5",
        "1:13",
        "retention is a table: write [retention]",
    ),
    (
        "[[retention]]\nperiod = \"1d\"",
        "1:3",
        "there is one retention: write [retention]",
    ),
    (
        "stream = 7",
        "1:10",
        "write text in quotes, such as \"memory:events\"",
    ),
    ("stream = \"\"", "1:10", "cannot name a stream: it is empty"),
    (
        "stream = \"a\\nb\"",
        "1:10",
        "cannot name a stream: it holds a control character",
    ),
    (
        "fsync = \"often\"",
        "1:9",
        "is not a sync mode: write always",
    ),
    ("url = \"redis://h:x\"", "1:7", "not the URL of a Redis"),
    ("url = [\"disk:x\"]", "1:7", "this is a list"),
    (
        "url = \"disk:a\"\nurl = \"disk:b\"",
        "2:1",
        "stands in the file already",
    ),
    ("stream \"x\"", "1:8", "a setting is written key = value"),
    (
        "stream = \"x",
        "1:12",
        "this is not TOML: invalid basic string",
    ),
    ("stream =", "1:9", "write"),
];

fn errors(text: &str) -> Vec<String> {
    let errors = parse(text).unwrap_err().errors;
    errors.iter().map(ToString::to_string).collect()
}

/// The one error of sources that contradict each other.
fn contradiction(variables: &[(&str, &str)], file: &str) -> String {
    let errors = resolve(&[], variables, file).unwrap_err();
    assert_eq!(errors.errors.len(), 1, "{errors}");
    errors.to_string()
}

#[test]
fn errors_point_at_what_is_wrong_and_say_what_to_write() {
    for (text, place, words) in WRONG {
        let told = errors(text);
        assert_eq!(told.len(), 1, "{text}: {told:?}");
        assert!(
            told[0].starts_with(&format!("conf/recount.toml:{place}: ")),
            "{}",
            told[0]
        );
        assert!(told[0].contains(words), "{}", told[0]);
    }
}

#[test]
fn all_errors_of_a_file_are_told_in_order_and_some_of_very_many() {
    let told = errors("[limits]\nbatch_events = 0\n[retention]\nperiod = 5\n\n[nope]\nx = =\n");
    let lines: Vec<_> = told
        .iter()
        .map(|error| error.split(':').nth(1).unwrap())
        .collect();
    assert_eq!(lines, ["2", "4", "6", "7"]);

    let many = parse(&"x = y\n".repeat(FILE_BYTES_MAX / 6)).unwrap_err();
    assert_eq!(many.errors.len(), 20);
    assert_eq!(many.left_out, FILE_BYTES_MAX / 6 - 20);
}

#[test]
fn what_is_no_text_or_too_long_is_refused() {
    let refused = |contents: &[u8]| {
        let errors = ConfigFile::parse(Path::new("f"), contents).unwrap_err();
        errors.to_string()
    };
    assert!(
        refused(b"a = 1\nb = \xff\n").starts_with("f:2:5: the file is not UTF-8 text from here")
    );
    assert!(refused(&vec![b'\n'; FILE_BYTES_MAX + 1]).contains("longer than 1 MiB"));
    assert!(ConfigFile::parse(Path::new("f"), &vec![b'\n'; FILE_BYTES_MAX]).is_ok());
    // As some editors begin a file.
    assert!(parse("\u{feff}stream = \"x\"\r\n").is_ok());
}

#[test]
fn variables_and_flags_are_named_in_their_errors() {
    for (setting, value, words) in [
        ("url", "redis://:pw@h:x", "not the URL of a Redis"),
        ("fsync", "often", "is not a sync mode"),
        (
            "batch_size",
            "x",
            "\"x\" is not allowed: write a whole number",
        ),
        (
            "retention.max_length",
            "x",
            "write a whole number from 1 or unlimited",
        ),
        ("retention.max_length_exact", "yes", "write true or false"),
        ("block_timeout", "5", "\"5\" is no time"),
    ] {
        let name = Setting::find(setting).unwrap().variable();
        let error = resolve(&[], &[(&name, value)], "").unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{name}: ")) && error.contains(words),
            "{error}"
        );
        assert!(!error.contains("pw"), "{error}");
        // What loses is not looked at.
        let good = SAMPLES.iter().find(|sample| sample.0 == setting).unwrap().3;
        let flags = [
            (setting, "--it", good),
            ("retention.max_length", "--n", "5"),
        ];
        assert!(resolve(&flags, &[(&name, value)], "").is_ok());
        let error = resolve(&[(setting, "--it", value)], &[], "").unwrap_err();
        assert!(error.to_string().starts_with("--it: "), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_named() {
    use std::os::unix::ffi::OsStringExt as _;
    let sources = Sources {
        variable: &|name| (name == "RECOUNT_STREAM").then(|| OsString::from_vec(vec![0xff])),
        ..Sources::default()
    };
    let error = sources.resolve().unwrap_err().to_string();
    assert_eq!(error, "RECOUNT_STREAM: it is not UTF-8 text");
}

#[test]
fn contradictions_are_told_where_the_greater_weight_is() {
    let file = "conf/recount.toml";
    assert_eq!(
        contradiction(&[], "batch_size = 50\nlimits.batch_events = 10"),
        format!(
            "{file}:1:14: 50 is more than limits.batch_events, which is 10 ({file}:2:23): write 10 or less, or raise limits.batch_events"
        )
    );
    assert_eq!(
        contradiction(
            &[("RECOUNT_LIMITS_BATCH_BYTES", "2KiB")],
            "limits.event_bytes = \"3KiB\""
        ),
        format!(
            "RECOUNT_LIMITS_BATCH_BYTES: 2KiB is less than limits.event_bytes, which is 3KiB ({file}:1:22): write 3KiB or more, or lower limits.event_bytes"
        )
    );
    let exact = "[retention]\nmax_length_exact = true";
    assert!(
        contradiction(&[], exact)
            .starts_with(&format!("{file}:2:20: there is no retention.max_length"))
    );
    assert!(
        contradiction(&[("RECOUNT_RETENTION_MAX_LENGTH_EXACT", "true")], "")
            .starts_with("RECOUNT_RETENTION_MAX_LENGTH_EXACT: ")
    );
    // Taken back by a source of more weight.
    let length = format!("{exact}\nmax_length = 5");
    let unlimited = [("RECOUNT_RETENTION_MAX_LENGTH", "unlimited")];
    assert_eq!(
        resolve(&[], &unlimited, &length).unwrap().config.retention,
        Retention::default()
    );
}

#[test]
fn defaults_give_way_to_what_was_given() {
    let shown = |variables: &[(&str, &str)], file: &str, key: &str| {
        let resolved = resolve(&[], variables, file).unwrap();
        let value = Setting::find(key).unwrap().value(&resolved.config);
        (value.to_string(), resolved.origin(key).to_string())
    };
    let follows = |value: &str, reason: &str| (value.to_owned(), format!("default ({reason})"));
    assert_eq!(
        shown(&[], "limits.batch_events = 5", "batch_size"),
        follows("5", "limits.batch_events")
    );
    assert_eq!(
        shown(&[], "limits.batch_bytes = 2048", "limits.event_bytes"),
        follows("2KiB", "limits.batch_bytes")
    );
    assert_eq!(
        shown(
            &[("RECOUNT_RETENTION_MAX_LENGTH", "unlimited")],
            "retention.max_length = 3\nretention.max_length_exact = true",
            "retention.max_length_exact"
        ),
        follows("false", "no retention.max_length")
    );
    // A default that fits stays one.
    assert_eq!(
        shown(&[], "limits.batch_events = 5000", "batch_size"),
        ("4096".to_owned(), "default".to_owned())
    );
}

#[test]
fn no_password_is_shown() {
    let file = "url = \"disk:///srv//ada:hunter2@h\"";
    let resolved = resolve(&[], &[], file).unwrap();
    let (_, value, _) = resolved.all().next().unwrap();
    assert_eq!(value.to_string(), "disk:///srv//***@h");
    for text in [
        "url = \"redis://ada:hunter2@h:x\"",
        "redis.password = hunter2",
        "redis.pasword = \"hunter2\"",
        "[redis]\npassword = [\"hunter2\"]",
        "url = redis://ada:hunter2@h",
        "url = \"redis://ada:hunt\\er2@h\"",
        "url = \"redis://ada:hunter2@h",
        "uri = \"ada:hunter2@h\"",
        "[\"redis://ada:hunter2@h\"]",
    ] {
        let told = format!("{:?}", parse(text).unwrap_err());
        assert!(!told.contains("er2"), "{told}");
    }
    let file = "url = \"redis://ada:hunter2@h\"\nredis.password = \"hunter2\"";
    let told = format!("{:?} {:?}", parse(file), resolve(&[], &[], file));
    assert!(!told.contains("er2"), "{told}");
}
