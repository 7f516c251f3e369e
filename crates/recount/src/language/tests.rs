use proptest::prelude::*;

use super::*;

const NOW: &str = "2026-01-02T10:00:00Z";

fn parse(text: &str) -> Result<Question, InvalidQuestion> {
    super::parse(text, NOW.parse().unwrap())
}

/// What was understood, printed.
fn understood(text: &str) -> String {
    parse(text)
        .unwrap_or_else(|error| panic!("{error}"))
        .to_string()
}

/// What is wrong with `text`: drawn, and in words.
fn refused(text: &str) -> (String, String) {
    let error = parse(text).expect_err(text);
    (
        error.drawn(|text| text.chars().count()),
        error.what().to_owned(),
    )
}

#[test]
fn a_line_becomes_conditions() {
    for (text, printed) in [
        ("", ""),
        ("  \t ", ""),
        ("timeout", "timeout"),
        ("\"timed out\"", "\"timed out\""),
        ("-timeout -\"timed out\"", "-timeout -\"timed out\""),
        (
            "type:tool.called,tool.returned",
            "type:tool.called,tool.returned",
        ),
        (
            "SESSION:s1 user:\"ada l\",bob",
            "session:s1 user:\"ada l\",bob",
        ),
        ("session:user:7", "session:user:7"),
        (
            r#"session:"a,\"b\"" user:a\b"#,
            r#"session:"a,\"b\"" user:a\b"#,
        ),
        ("since:1h", "since:2026-01-02T09:00:00.000Z"),
        ("until:1526919030474-5", "until:1526919030474-5"),
        ("until:00000000007-5", "until:00000000007-5"),
        (
            "since:\"2026-01-02 09:30\"",
            "since:2026-01-02T09:30:00.000Z",
        ),
        (
            "-happened-since:2026-01-02",
            "-happened-since:2026-01-02T00:00:00.000Z",
        ),
        (
            "happened-until:1526919030474",
            "happened-until:2018-05-21T16:10:30.474Z",
        ),
        ("10:30 it's e-mail ünïcode", "10:30 it's e-mail ünïcode"),
        ("trace:t agent:a id:e1,e2", "trace:t agent:a id:e1,e2"),
    ] {
        assert_eq!(understood(text), printed, "{text}");
    }
    let question = parse("-timeout type:invoice.sent").unwrap();
    assert_eq!(
        question.clauses,
        [
            Clause {
                negated: true,
                term: Term::Word("timeout".into())
            },
            Term::Type(vec![EventType::Custom("invoice.sent".into())]).into(),
        ]
    );
}

#[test]
fn what_is_wrong_is_pointed_at() {
    for (text, drawn, words) in [
        (
            "type:error.occurred usr:u1",
            "  type:error.occurred usr:u1\n                      ^^^",
            "there is no field usr: did you mean user:?",
        ),
        (
            "user_id:u1",
            "  user_id:u1\n  ^^^^^^^",
            "did you mean user:?",
        ),
        ("zzz:1", "  zzz:1\n  ^^^", "the fields are session, user"),
        ("http://x", "  http://x\n  ^^^^", "put it in quotes"),
        (
            "since:yesterday",
            "  since:yesterday\n        ^^^^^^^^^",
            "is not a time",
        ),
        (
            "since:2026-02-30",
            "  since:2026-02-30\n        ^^^^^^^^^^",
            "does not exist",
        ),
        (
            "since:1h,2h,3h",
            "  since:1h,2h,3h\n           ^^^^^",
            "takes one time",
        ),
        (
            "since:1h ago",
            "  since:1h ago\n           ^^^",
            "stands in quotes",
        ),
        (
            "since:2026-01-02 10:00",
            "  since:2026-01-02 10:00\n                   ^^^^^",
            "in quotes",
        ),
        (
            "happened-since:1526919030474-0",
            "  happened-since:1526919030474-0\n                 ^^^^^^^^^^^^^^^",
            "since: for the entry",
        ),
        (
            "session: s1",
            "  session: s1\n          ^",
            "without a space",
        ),
        ("session:", "  session:\n          ^", "without a space"),
        (
            "session:a, b",
            "  session:a, b\n            ^",
            "session:a,b means any",
        ),
        (
            "session:\"\"",
            "  session:\"\"\n          ^^",
            "empty value",
        ),
        ("a \"b c", "  a \"b c\n    ^", "never closed"),
        (
            "\"a\"b",
            "  \"a\"b\n     ^",
            "a space is missing after the phrase",
        ),
        (
            "a\"b\"",
            "  a\"b\"\n   ^",
            "a space is missing after a word",
        ),
        (
            "type:a\"b\"",
            "  type:a\"b\"\n        ^",
            "a space is missing after a value",
        ),
        ("a - b", "  a - b\n    ^", "nothing follows the -"),
        ("a -", "  a -\n    ^", "nothing follows the -"),
        ("--a", "  --a\n  ^^", "one - negates"),
        ("a OR b", "  a OR b\n    ^^", "there is no OR"),
        ("a AND b", "  a AND b\n    ^^^", "there is no AND"),
        ("time*", "  time*\n      ^", "no wildcards"),
        ("?!", "  ?!\n  ^^", "no letter and no digit"),
        ("\"\"", "  \"\"\n  ^^", "no letter and no digit"),
        ("ü usr:ü", "  ü usr:ü\n    ^^^", "did you mean user"),
    ] {
        let (shown, what) = refused(text);
        assert_eq!(shown, drawn, "{text}: {what}");
        assert!(what.contains(words), "{text}: {what}");
    }
}

#[test]
fn of_a_long_query_the_part_that_matters_is_shown() {
    let text = format!("{} usr:u1 {}", "a ".repeat(500), "b ".repeat(500));
    let error = parse(&text).unwrap_err();
    assert_eq!(error.column(), 1_002);
    let (shown, marked) = error.excerpt();
    assert_eq!(&shown[marked], "usr");
    assert!(shown.starts_with('…') && shown.ends_with('…'), "{shown}");
    assert!(shown.chars().count() <= 102, "{shown}");
    let (shown, what) = refused(&"a ".repeat(QUERY_BYTES_MAX));
    assert!(what.contains("more than 16384 bytes"), "{what}");
    assert!(shown.contains('^'), "{shown}");
}

#[test]
fn a_terminal_is_not_given_orders() {
    let (shown, _) = refused("\u{1b}[2J usr:u1");
    assert!(!shown.contains('\u{1b}'), "{shown}");
}

fn id() -> impl Strategy<Value = String> {
    "[^\\p{C}]{1,20}".prop_filter("an id has at most 128 bytes", |id| id.len() <= 128)
}

fn ids() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(id(), 1..4)
}

fn at() -> impl Strategy<Value = Timestamp> {
    (-300_000_000_000_000_i64..253_000_000_000_000)
        .prop_map(|ms| Timestamp::from_millis(ms).unwrap())
}

fn term() -> impl Strategy<Value = Term> {
    let entry_id = (any::<u64>(), prop_oneof![Just(0), any::<u64>()], 0..64_u32)
        .prop_map(|(ms, seq, bits)| recount_core::EntryId::new(ms >> bits, seq));
    let types = prop::collection::vec(
        prop_oneof![
            prop::sample::select(EventType::KNOWN),
            id().prop_map(|name| EventType::new(&name).unwrap()),
        ],
        1..4,
    );
    prop_oneof![
        ids().prop_map(Term::Session),
        ids().prop_map(Term::User),
        ids().prop_map(Term::Agent),
        ids().prop_map(Term::Trace),
        types.prop_map(Term::Type),
        ids().prop_map(Term::Id),
        entry_id.clone().prop_map(Term::Since),
        entry_id.prop_map(Term::Until),
        at().prop_map(Term::HappenedSince),
        at().prop_map(Term::HappenedUntil),
        "[a-zü][a-z0-9'é]{0,10}".prop_map(Term::Word),
        ".{0,10}[a-z].{0,10}".prop_map(Term::Phrase),
    ]
}

proptest! {
    #[test]
    fn what_is_printed_is_understood_again(
        terms in prop::collection::vec((any::<bool>(), term()), 0..8)
    ) {
        let clauses = terms.into_iter().map(|(negated, term)| Clause { negated, term });
        let question = Question { clauses: clauses.collect() };
        prop_assert_eq!(parse(&question.to_string()), Ok(question));
    }

    #[test]
    fn any_text_is_understood_or_pointed_at(text in "([a-z]{1,9}:)?[-:,\"\\\\a-z* \u{1b}ü]{0,40}") {
        match parse(&text) {
            Ok(question) => {
                prop_assert_eq!(parse(&question.to_string()), Ok(question));
            }
            Err(error) => {
                prop_assert!(error.column() <= text.chars().count() + 1);
                let drawn = error.drawn(str::len);
                prop_assert!(drawn.contains('^'));
            }
        }
    }
}

/// The page and the help name every field, and what the page shows of a mistake is what is said.
#[test]
fn the_documentation_knows_the_language() {
    let page = include_str!("../../../../docs/query.md");
    for field in FIELDS {
        assert!(page.contains(&format!("| `{field}:")), "{field}");
    }
    let error = parse("type:error.occurred usr:u1").unwrap_err();
    let drawn = error.drawn(|text| text.chars().count());
    let said = format!("error: {error}\n{drawn}").replace('\n', "\n    ");
    assert!(page.contains(&said), "{said}");
}
