use recount::{EntryId, JsonObject, Position, Schema, Undecodable};

use super::*;

fn recorded(revision: u64, at: &str, event_type: EventType, data: &str) -> Recorded {
    let event = Event::builder(event_type, "s")
        .timestamp(at.parse().unwrap())
        .data(JsonObject::parse(data.to_owned()).unwrap())
        .build()
        .unwrap();
    Recorded {
        position: Position {
            partition: 0,
            entry_id: EntryId::new(1_526_919_030_474, revision),
        },
        revision,
        schema: Schema::AsStored,
        body: Body::Event(event),
    }
}

fn lines(timeline: &mut Timeline, entries: &[Recorded]) -> Vec<String> {
    let mut lines = Vec::new();
    for recorded in entries {
        let timed = timeline.time(recorded);
        lines.extend(timeline.lines(recorded, &timed));
    }
    lines
}

#[test]
fn spans_are_told_in_two_units_at_most() {
    for (ms, told) in [
        (250, "250 ms"),
        (1_500, "1 s"),
        (60_000, "1 min"),
        (130_999, "2 min 10 s"),
        (3_600_000, "1 h"),
        (80_760_000, "22 h 26 min"),
        (86_400_000, "1 day"),
        (439_200_000, "5 days 2 h"),
    ] {
        assert_eq!(apart(ms), told);
    }
    assert_eq!(pause(29_999), None);
    assert_eq!(pause(0), None);
    assert_eq!(pause(30_000).as_deref(), Some("30 s later"));
    assert_eq!(pause(-1).as_deref(), Some("1 ms earlier"));
    assert!(pause(i64::MIN).is_some());
}

#[test]
fn a_line_fits_a_terminal_and_keeps_its_facts() {
    let long = format!(
        r#"{{"role":"user","content":"{}","tokens":7}}"#,
        "word ".repeat(40)
    );
    let said = recorded(7, "2026-01-02T10:00:00Z", EventType::MessageAdded, &long);
    for width in [80, 120] {
        let mut timeline = Timeline::new(Some(width), false, false, 1_000);
        let lines = lines(&mut timeline, std::slice::from_ref(&said));
        assert_eq!(lines[0], "-- 2026-01-02 UTC");
        assert!(lines[1].starts_with("   7  10:00:00.000  message.added     (user) \"word"));
        assert!(lines[1].ends_with("…  (7 tokens)"), "{}", lines[1]);
        assert_eq!(lines[1].width(), width);
    }
    // Whole where nobody looks.
    let mut timeline = Timeline::new(None, false, false, 1_000);
    assert!(lines(&mut timeline, &[said])[1].len() > 200);
}

#[test]
fn an_answer_is_timed_by_its_own_call() {
    let at = |second: u32| format!("2026-01-02T10:00:{second:02}Z");
    let entries = [
        (1, EventType::ToolCalled, r#"{"tool":"t","call_id":"a"}"#),
        (2, EventType::ToolCalled, r#"{"tool":"t"}"#),
        (4, EventType::ToolCalled, r#"{"tool":"t"}"#),
        (5, EventType::ToolReturned, r#"{"tool":"t"}"#),
        (
            6,
            EventType::ErrorOccurred,
            r#"{"tool":"t","message":"no"}"#,
        ),
        (7, EventType::ToolReturned, r#"{"tool":"t"}"#),
        (8, EventType::ToolReturned, r#"{"tool":"t"}"#),
        (9, EventType::ToolReturned, r#"{"call_id":"a"}"#),
        (
            9,
            EventType::ToolReturned,
            r#"{"call_id":"a","duration_ms":17}"#,
        ),
    ];
    let mut timeline = Timeline::new(None, false, false, 9);
    let took: Vec<_> = entries
        .iter()
        .map(|(second, event_type, data)| {
            let recorded = recorded(1, &at(*second), event_type.clone(), data);
            timeline.time(&recorded).took_ms
        })
        .collect();
    let answers = [
        Some(3_000.0),
        Some(2_000.0),
        Some(3_000.0),
        None,
        Some(8_000.0),
        Some(17.0),
    ];
    assert_eq!(took[..3], [None; 3]);
    assert_eq!(took[3..], answers);
}

#[test]
fn what_a_terminal_would_obey_is_shown_as_text() {
    let data = r#"{"role":"a\u001b[2J","content":"one\ntwo\u001b[2J"}"#;
    let said = recorded(1, "2026-01-02T10:00:00Z", EventType::MessageAdded, data);
    for full in [false, true] {
        let mut timeline = Timeline::new(None, false, full, 1);
        let lines = lines(&mut timeline, std::slice::from_ref(&said));
        assert!(
            lines.iter().all(|line| !line.contains(char::is_control)),
            "{lines:?}"
        );
    }
}

#[test]
fn what_is_no_event_has_a_line_too() {
    let odd = Recorded {
        body: Body::Undecodable(Undecodable {
            reason: "the field type is missing".into(),
            fields: Vec::new(),
        }),
        ..recorded(0, "2026-01-02T10:00:00Z", EventType::MessageAdded, "{}")
    };
    let mut timeline = Timeline::new(None, false, false, 12);
    assert_eq!(
        lines(&mut timeline, &[odd])[1],
        " -  16:10:30.474  (undecodable)     the field type is missing"
    );
}
