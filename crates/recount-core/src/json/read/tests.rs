use super::*;

fn error(line: &str) -> InvalidLine {
    Line::parse(line.as_bytes()).unwrap_err()
}

/// An event with `more` before its end, and the column at which `more` begins.
fn with(more: &str) -> (String, usize) {
    let start = r#"{"type":"t","session_id":"s","#;
    (format!("{start}{more}}}"), start.len() + 1)
}

#[test]
fn errors_name_the_key_or_the_column() {
    assert_eq!(
        error(r#"{"type":"t"}"#).to_string(),
        r#"the key "session_id" is missing"#
    );
    assert_eq!(
        error(r#"{"type":null,"session_id":"s"}"#).to_string(),
        r#"the key "type" is missing"#
    );
    assert_eq!(error(r#"{"type":"t",}"#).column(), 13);
    assert!(
        error(r#"{"type":"","session_id":"s"}"#)
            .to_string()
            .contains("type is empty")
    );
    assert!(matches!(
        error(&with(r#""timestamp":"12 May""#).0),
        InvalidLine::Timestamp(_)
    ));
    assert!(matches!(
        error(&with(r#""entry_id":"1-x""#).0),
        InvalidLine::EntryId(_)
    ));
}

#[test]
fn only_an_object_is_an_event() {
    for (line, found) in [
        (
            r#"["7-0",0,"e","t","s",null,null,null,null,null,1,{}]"#,
            "an array",
        ),
        ("[]", "an array"),
        ("7", "a number"),
        ("-7", "a number"),
        ("7.5", "a number"),
        ("true", "a boolean"),
        ("null", "null"),
        (r#""text""#, "a string"),
    ] {
        assert_eq!(
            error(line).to_string(),
            format!("an event must be a JSON object, but this is {found}")
        );
    }
}

#[test]
fn a_key_that_no_event_has_is_refused_and_the_likely_one_named() {
    for (key, meant) in [
        ("user", "user_id"),
        ("session", "session_id"),
        ("sessionId", "session_id"),
        ("Data", "data"),
        ("v", "version"),
        ("event-type", "type"),
    ] {
        let (line, column) = with(&format!(r#""{key}":1"#));
        let error = error(&line);
        assert_eq!(
            error.to_string(),
            format!("unknown key {key:?}: did you mean {meant}?")
        );
        // Where the key ends.
        assert_eq!(error.column(), column + key.len() + 1);
    }
    let own = error(&with(r#""mood":"good""#).0).to_string();
    assert!(own.starts_with(r#"unknown key "mood": "#), "{own}");
    assert!(own.ends_with("goes into data"), "{own}");
    let twice = error(&with(r#""type":"u""#).0).to_string();
    assert_eq!(twice, r#"the key "type" stands twice"#);
}

#[test]
fn what_exports_hold_is_taken() {
    let (line, _) = with(
        r#""entry_id":"7-1","partition":0,"id":"e","user_id":null,"version":2,"timestamp":"2026-01-02T10:00:00Z","data":{"a":1}"#,
    );
    let line = Line::parse(line.as_bytes()).unwrap();
    assert_eq!(
        line.position.map(|at| at.entry_id),
        Some(EntryId::new(7, 1))
    );
    let LineBody::Event(event) = line.body else {
        panic!("no event")
    };
    assert!(event.gives_id());
    let event = event.into_event().unwrap();
    assert_eq!((event.version, event.data.as_str()), (2, r#"{"a":1}"#));
    assert_eq!(event.user_id, None);
}

#[test]
fn a_value_of_another_kind_is_named_with_what_may_stand_there() {
    let version = "version must be a whole number from 1 to 4294967295, but is ";
    for (more, at, told) in [
        (r#""version":-1"#, 10, format!("{version}-1")),
        (r#""version":1.5"#, 10, format!("{version}1.5")),
        (r#""version":"1""#, 10, format!("{version}a string")),
        (
            r#""version":4294967296"#,
            10,
            format!("{version}4294967296"),
        ),
        (
            r#""user_id":7"#,
            10,
            "user_id must be a string, but is 7".into(),
        ),
        (
            r#""id": {"a":1}"#,
            6,
            "id must be a string, but is an object".into(),
        ),
        (
            r#""entry_id":"7-0","partition":"x""#,
            29,
            "partition must be a whole number from 0, but is a string".into(),
        ),
    ] {
        let (line, column) = with(more);
        let error = error(&line);
        assert_eq!(error.to_string(), told);
        assert_eq!(error.column(), column + at, "{more}");
    }
}

#[test]
fn what_is_wrong_inside_data_has_its_column_in_the_line() {
    let nested = |depth: usize| {
        format!(
            "{}{}",
            "{\"a\":".repeat(depth),
            "1".to_owned() + &"}".repeat(depth)
        )
    };
    let (line, column) = with(r#""data":{"a":1e999}"#);
    let number = error(&line);
    assert!(number.to_string().contains("1.8e308"), "{number}");
    // Somewhere in the number.
    let digits = column + 12..=column + 18;
    assert!(digits.contains(&number.column()), "{}", number.column());

    assert!(Line::parse(with(&format!("\"data\":{}", nested(127))).0.as_bytes()).is_ok());
    let deep = error(&with(&format!("\"data\":{}", nested(128))).0);
    assert!(deep.to_string().contains("127 levels"), "{deep}");

    let (line, column) = with(r#""data":[]"#);
    let array = error(&line);
    assert_eq!(
        array.to_string(),
        "data is not a JSON object: found an array where an object must stand"
    );
    // At the array.
    assert!((column + 7..=column + 8).contains(&array.column()));

    let (line, column) = with(r#""data":{"a":"\ud800"}"#);
    let surrogate = error(&line);
    assert!(surrogate.column() > column + 12, "{}", surrogate.column());
}

#[test]
fn messages_have_no_place_and_no_jargon() {
    for (text, told) in [
        ("{\"type\": nope}", "expected a JSON value"),
        ("nope", "expected a JSON value"),
        (
            "{\"type\":\"t\"",
            "the JSON ends in the middle of an object",
        ),
        ("{\"type\":\"t", "the JSON ends in the middle of a string"),
        ("", "the JSON ends in the middle of a value"),
        ("{type:1}", "expected a key in double quotes"),
    ] {
        let told_of = error(text).to_string();
        assert!(told_of.starts_with(told), "{text}: {told_of}");
        assert!(!told_of.contains(" line "), "{told_of}");
    }
    let two = error(r#"{"type":"t","session_id":"s"} {}"#).to_string();
    assert_eq!(two, "there is more after the end of the JSON value");
}
