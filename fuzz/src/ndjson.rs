//! Any bytes are read as lines of JSON.

use recount::json::{self, Line, LineBody};
use recount::{Body, EntryId, Limits, Position, Recorded, Schema, Undecodable, same_content};

/// Every line by itself, and everything as if it were one.
pub fn run(data: &[u8]) {
    line(data);
    data.split(|&byte| byte == b'\n').for_each(line);
}

fn line(bytes: &[u8]) {
    let read = match Line::parse(bytes) {
        Ok(read) => read,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert!(error.column() <= bytes.len() + 1, "{error}");
            return;
        }
    };
    let position = read.position.unwrap_or(Position {
        partition: 0,
        entry_id: EntryId::MIN,
    });
    let body = match read.body {
        LineBody::Fields(fields) => Body::Undecodable(Undecodable {
            reason: String::new(),
            fields,
        }),
        LineBody::Event(event) => match event.into_event() {
            Ok(event) => Body::Event(event),
            Err(_) => return,
        },
    };
    if let Body::Event(event) = &body {
        // What is too large is told when it is appended; all else was checked by now.
        let wide = Limits {
            event_bytes_max: usize::MAX,
            ..Limits::default()
        };
        assert_eq!(event.validate(&wide), Ok(()));
    }
    let recorded = Recorded {
        position,
        revision: 0,
        schema: Schema::default(),
        body,
    };
    let written = json::line(&recorded);
    assert!(!written.contains('\n'), "{written}");
    let again = Line::parse(written.as_bytes()).expect("what was written is read");
    assert_eq!(again.position, Some(position));
    match (again.body, recorded.body) {
        (LineBody::Fields(again), Body::Undecodable(entry)) => assert_eq!(again, entry.fields),
        (LineBody::Event(again), Body::Event(event)) => {
            let mut again = again.into_event().expect("it was an event");
            assert!(same_content(&again, &event), "{again:?}, not {event:?}");
            // A line that was written gives what the one before left out, and its data stands on it.
            again.timestamp_source = event.timestamp_source;
            again.data = event.data.clone();
            assert_eq!(again, event);
        }
        _ => panic!("it is something else now: {written}"),
    }
}
