use recount_core::{Body, EntryId, JsonObject, Position, Schema, Undecodable};

use super::*;
use crate::language;

const NOW: &str = "2026-01-02T12:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Recorded at 11:00 and so many seconds, happened on the same day at `happened`.
fn recorded(seconds: u64, event_type: &str, session: &str, happened: &str, data: &str) -> Recorded {
    let event = Event::builder(event_type.parse().unwrap(), session)
        .user("u")
        .timestamp(at(&format!("2026-01-02T{happened}Z")))
        .data(JsonObject::parse(data.to_owned()).unwrap())
        .build()
        .unwrap();
    let ms = at("2026-01-02T11:00:00Z").as_millis() as u64 + seconds * 1_000;
    Recorded {
        position: Position {
            partition: 0,
            entry_id: EntryId::new(ms, 0),
        },
        revision: 1,
        schema: Schema::AsStored,
        body: Body::Event(event),
    }
}

fn figures(query: &str, entries: &[Recorded]) -> EventMetrics {
    let question = language::parse(query, at(NOW)).unwrap();
    let mut sums = Sums::default();
    for recorded in entries {
        sums.take(recorded);
    }
    sums.figures(Bounds::of(&question), at(NOW))
}

fn a_run() -> Vec<Recorded> {
    vec![
        recorded(0, "session.started", "a", "10:00:00", "{}"),
        recorded(
            1,
            "tool.called",
            "a",
            "10:00:01",
            r#"{"tool":"t","call_id":"1"}"#,
        ),
        recorded(
            2,
            "tool.called",
            "b",
            "10:00:02",
            r#"{"tool":"t","call_id":"1"}"#,
        ),
        recorded(
            3,
            "tool.returned",
            "a",
            "10:00:03",
            r#"{"tool":"t","call_id":"1"}"#,
        ),
        recorded(
            4,
            "tool.returned",
            "b",
            "10:00:09",
            r#"{"call_id":"1","duration_ms":50}"#,
        ),
        recorded(
            5,
            "tool.returned",
            "b",
            "10:00:09",
            r#"{"call_id":"unheard"}"#,
        ),
        recorded(
            6,
            "search.performed",
            "b",
            "10:00:09",
            r#"{"duration_ms":350.0}"#,
        ),
        recorded(7, "error.occurred", "b", "10:00:10", "{}"),
    ]
}

#[test]
fn a_run_in_figures() {
    let metrics = figures("", &a_run());
    assert_eq!((metrics.events, metrics.errors), (8, 1));
    assert_eq!(metrics.error_rate, Some(0.125));
    assert_eq!((metrics.active_sessions, metrics.active_users), (2, 1));
    // 2 s between call and answer, 50 ms and 350 ms as they say themselves.
    assert_eq!(metrics.latency.calls, 3);
    assert_eq!(metrics.latency.average_ms, Some(800.0));
    assert_eq!(metrics.events_per_second, Some(0.8));
    let top: Vec<_> = metrics
        .top_types
        .iter()
        .map(|top| (&*top.name, top.count))
        .collect();
    assert_eq!(top[..2], [("tool.returned", 3), ("tool.called", 2)]);
    assert_eq!(top.len(), 5);
}

#[test]
fn the_range_is_what_was_asked_for() {
    let span = |query: &str| {
        let span = figures(query, &a_run()).span.unwrap();
        let told = |at: Timestamp| at.to_string()[11..19].to_owned();
        (span.recorded, told(span.from), told(span.to))
    };
    let expected = |recorded, from: &str, to: &str| (recorded, from.to_owned(), to.to_owned());
    assert_eq!(span(""), expected(false, "10:00:00", "10:00:10"));
    assert_eq!(span("since:2h"), expected(true, "10:00:00", "12:00:00"));
    assert_eq!(
        span("since:2026-01-02T10:30 until:2026-01-02T11:30"),
        expected(true, "10:30:00", "11:30:00")
    );
    // Not beyond the present.
    assert_eq!(
        span("until:2026-01-03"),
        expected(true, "11:00:00", "12:00:00")
    );
    assert_eq!(
        span("happened-since:2026-01-02T09:00 happened-until:2026-01-02T10:00:05"),
        expected(false, "09:00:00", "10:00:05")
    );
    let hour = figures("since:1h", &a_run());
    assert_eq!(hour.events_per_second, Some(8.0 / 3_600.0));
}

#[test]
fn nothing_has_no_rates() {
    let metrics = figures("", &[]);
    assert_eq!(metrics.span, None);
    assert_eq!(
        (metrics.events_per_second, metrics.error_rate),
        (None, None)
    );
    assert_eq!(metrics.latency, CallLatency::default());
    let one = figures("", &a_run()[..1]);
    assert_eq!(one.events_per_second, None);
    assert_eq!(figures("since:1h", &[]).events_per_second, Some(0.0));
}

#[test]
fn entries_that_are_no_events_count_apart() {
    let mut run = a_run();
    run[0].body = Body::Undecodable(Undecodable {
        reason: "no type".into(),
        fields: Vec::new(),
    });
    let metrics = figures("", &run);
    assert_eq!((metrics.events, metrics.undecodable), (7, 1));
}

#[test]
fn time_that_runs_backward_and_data_of_other_forms_tell_nothing() {
    let metrics = figures(
        "",
        &[
            recorded(0, "tool.called", "a", "10:00:05", r#"{"tool":"t"}"#),
            recorded(1, "tool.returned", "a", "10:00:04", r#"{"tool":"t"}"#),
            recorded(
                2,
                "search.performed",
                "a",
                "10:00:04",
                r#"{"duration_ms":"long"}"#,
            ),
            recorded(
                3,
                "search.performed",
                "a",
                "10:00:04",
                r#"{"duration_ms":-5}"#,
            ),
            recorded(
                4,
                "tool.returned",
                "a",
                "10:00:04",
                r#"{"tool":["t"],"duration_ms":7}"#,
            ),
        ],
    );
    assert_eq!(
        (metrics.latency.calls, metrics.latency.average_ms),
        (1, Some(7.0))
    );
}
