//! What letters hold: any entry at all.

use bytes::Bytes;
use recount_conformance::{MemoryLog, MemoryOptions};
use recount_core::json::{Line, LineBody};
use recount_core::{
    Body, EntryId, Event, EventType, JsonObject, Limits, Position, Recorded, Schema, Timestamp,
    Undecodable,
};
use recount_runtime::{Letter, NewLetter, Reason};

use super::support::{Desk, attempt, dead_options, open_positions, options};

#[tokio::test]
async fn an_undecodable_entry_keeps_its_bytes() {
    let desk = Desk::with(&["s1"]).await;
    let fields = vec![
        (Bytes::from_static(b"\xff\x00"), Bytes::from_static(b"text")),
        (Bytes::from_static(b"empty"), Bytes::new()),
        (Bytes::from_static(b"control"), vec![1; 500].into()),
    ];
    let letter = with_fields(&desk, fields.clone()).await;
    assert_eq!(letter.session_id, None);
    assert_eq!(letter.event(), None);
    assert_eq!(read_fields(&letter), fields);
}

/// As many control characters as an event may have bytes: as text they would take six times as much.
#[tokio::test]
async fn an_undecodable_entry_as_large_as_an_event_may_be_fits() {
    let desk = Desk::with(&["s1"]).await;
    let bytes = Limits::default().event_bytes_max - 1;
    for byte in [1, b'"', 0xff] {
        let fields = vec![(Bytes::from_static(b"x"), vec![byte; bytes].into())];
        let letter = with_fields(&desk, fields.clone()).await;
        assert_eq!(read_fields(&letter), fields);
    }
}

async fn with_fields(desk: &Desk, fields: Vec<(Bytes, Bytes)>) -> Letter {
    let position = Position {
        partition: 0,
        entry_id: EntryId::new(77, 0),
    };
    let new = NewLetter {
        position,
        entry: Some(Recorded {
            position,
            revision: 0,
            schema: Schema::AsStored,
            body: Body::Undecodable(Undecodable {
                reason: "the field type is missing".into(),
                fields,
            }),
        }),
        reason: Reason::Undecodable,
        ..desk.letter(0).await
    };
    desk.letters().add(new).await.unwrap();
    desk.letters().get(position).await.unwrap().unwrap()
}

fn read_fields(letter: &Letter) -> Vec<(Bytes, Bytes)> {
    let entry = letter.entry.as_ref().expect("the letter holds the entry");
    match Line::parse(entry.as_bytes()).unwrap().body {
        LineBody::Fields(fields) => fields,
        LineBody::Event(event) => panic!("{event:?} is no undecodable entry"),
    }
}

fn with_data(data: &str) -> Event {
    Event::builder(EventType::MessageAdded, "s1")
        .id("e")
        .timestamp(Timestamp::saturating_from_millis(1))
        .user("u".repeat(128))
        .agent("\"".repeat(128))
        .data(JsonObject::parse(data.to_owned()).unwrap())
        .build()
        .unwrap()
}

/// With as much history as a letter keeps.
async fn letter_of(event: Event) -> (Desk, Letter) {
    let desk = Desk::holding(vec![event]).await;
    let error = "\u{1}".repeat(10_000);
    let new = NewLetter {
        attempts: (1..50).map(|n| attempt(n, &error)).collect(),
        error: error.clone(),
        ..desk.letter(0).await
    };
    desk.letters().add(new).await.unwrap();
    let letter = desk.letters().get(desk.positions[0]).await.unwrap();
    (desk, letter.unwrap())
}

#[tokio::test]
async fn an_event_of_the_largest_legal_size_fits() {
    let wire = with_data(r#"{"x":""}"#).wire_bytes();
    let room = Limits::default().event_bytes_max - wire;
    let event = with_data(&format!(r#"{{"x":"{}"}}"#, "x".repeat(room)));
    assert_eq!(event.wire_bytes(), Limits::default().event_bytes_max);
    let (_, letter) = letter_of(event.clone()).await;
    assert!(
        letter.event() == Some(event),
        "the letter holds another event"
    );
    assert_eq!(letter.attempts.len(), Letter::ATTEMPTS_MAX);
}

/// As deep as JSON may be: within a letter it would be deeper. And as much of it to escape as there can be.
#[tokio::test]
async fn the_deepest_and_largest_legal_event_fits() {
    let nested = |quotes: usize| {
        let (open, close) = ("[".repeat(125), "]".repeat(125));
        with_data(&format!(
            r#"{{"a":{open}{close},"x":"{}"}}"#,
            r#"\""#.repeat(quotes)
        ))
    };
    let room = Limits::default().event_bytes_max - nested(0).wire_bytes();
    let event = nested(room / 2);
    let (_, letter) = letter_of(event.clone()).await;
    assert!(
        letter.event() == Some(event),
        "the letter holds another event"
    );
    let json = letter.json();
    assert!(json.contains(r#""state":"open""#), "{json:.300}");
}

/// The stream of letters takes less than it should.
#[tokio::test]
async fn what_does_not_fit_is_told_by_its_position() {
    let desk = Desk::holding(vec![with_data(&format!(
        r#"{{"x":"{}"}}"#,
        "x".repeat(5_000)
    ))])
    .await;
    let letters = desk.letters_with(MemoryOptions {
        limits: Limits {
            event_bytes_max: 3_000,
            ..Limits::default()
        },
        ..options()
    });
    letters.add(desk.letter(0).await).await.unwrap();
    let letter = letters.get(desk.positions[0]).await.unwrap().unwrap();
    assert_eq!(letter.entry, None);
    assert!(letter.error.contains("too large"), "{}", letter.error);
    assert_eq!(letter.session_id.as_deref(), Some("s1"));
    assert_eq!(open_positions(&letters).await, desk.positions);
}

/// Neither an append nor a decoder lets such an event in, but a letter is kept of whatever comes.
#[tokio::test]
async fn an_event_of_an_empty_session_has_a_letter_of_its_own() {
    let desk = Desk::with(&["s1", "s2"]).await;
    let letters = desk.letters();
    for n in 0..2 {
        let mut new = desk.letter(n).await;
        if let Some(Recorded {
            body: Body::Event(event),
            ..
        }) = &mut new.entry
        {
            event.session_id.clear();
            event.user_id = Some(String::new());
        }
        letters.add(new).await.unwrap();
    }
    assert_eq!(open_positions(&letters).await, desk.positions);
    assert!(letters.blocked_sessions().await.unwrap().is_empty());
    let retried = letters.retry(&desk.positions, &*desk.log).await.unwrap();
    assert_eq!(retried.retried, desk.positions);
}

#[tokio::test]
async fn an_entry_that_is_trimmed_already_has_a_letter_without_it() {
    let desk = Desk::with(&["s1"]).await;
    let new = NewLetter {
        entry: None,
        ..desk.letter(0).await
    };
    desk.letters().add(new).await.unwrap();
    let letter = desk
        .letters()
        .get(desk.positions[0])
        .await
        .unwrap()
        .unwrap();
    assert_eq!((letter.entry, letter.session_id), (None, None));
}

#[tokio::test]
async fn a_letter_is_one_line_of_json() {
    let desk = Desk::with(&["s1"]).await;
    desk.letters().add(desk.letter(0).await).await.unwrap();
    let letter = desk
        .letters()
        .get(desk.positions[0])
        .await
        .unwrap()
        .unwrap();
    let json = letter.json();
    assert!(!json.contains('\n'), "{json}");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["state"], "open");
    assert_eq!(json["reason"], "max_deliveries");
    assert_eq!(json["retries"], 0);
    assert_eq!(json["attempts"][0]["at"], "1970-01-01T00:00:00.001Z");
    assert_eq!(json["entry"]["id"], "e0");
    assert_eq!(json["entry_id"], json["entry"]["entry_id"]);
}

/// The stream of letters is a stream as any other: an event in it survives a reader that knows no letters.
#[tokio::test]
async fn letters_are_found_by_the_session_of_their_entries() {
    use recount_core::{EventLog, Query};
    let desk = Desk::with(&["s1", "s2"]).await;
    for n in 0..2 {
        desk.letters().add(desk.letter(n).await).await.unwrap();
    }
    let log = MemoryLog::open(&desk.letters, dead_options());
    let page = log.query(&Query::session("s2")).await.unwrap();
    assert_eq!(page.entries.len(), 1);
}
