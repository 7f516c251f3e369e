//! What is remembered of an event's content: enough to tell a retry from another event under its id.

use std::fmt::Write as _;

use recount_core::{Event, TimestampSource};
use twox_hash::XxHash3_64;

/// A hash of everything but the time, and the time where the producer gave one: `<16 hex digits> <ms or
/// nothing>`.
pub(crate) fn mark(event: &Event) -> String {
    let mut bytes = Vec::with_capacity(event.wire_bytes());
    let mut add = |part: Option<&[u8]>| {
        // Lengths keep parts apart; a part that is absent is not one that is empty.
        let length = part.map_or(u64::MAX, |part| part.len() as u64);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(part.unwrap_or_default());
    };
    add(Some(event.event_type.as_str().as_bytes()));
    add(Some(event.session_id.as_bytes()));
    for optional in [
        &event.user_id,
        &event.agent_id,
        &event.trace_id,
        &event.causation_id,
    ] {
        add(optional.as_ref().map(String::as_bytes));
    }
    add(Some(&event.version.to_le_bytes()));
    add(Some(event.data.as_bytes()));
    let mut mark = format!("{:016x} ", XxHash3_64::oneshot(&bytes));
    if event.timestamp_source == TimestampSource::Given {
        let _ = write!(mark, "{}", event.timestamp.as_millis());
    }
    mark
}

#[cfg(test)]
mod tests {
    use super::*;
    use recount_core::{EventType, JsonObject, Timestamp};

    fn event() -> Event {
        Event::builder(EventType::MessageAdded, "s1")
            .user("u1")
            .timestamp(Timestamp::from_millis(5).expect("a time"))
            .data(JsonObject::parse(r#"{"a":1}"#.to_owned()).expect("data"))
            .build()
            .expect("an event")
    }

    #[test]
    fn a_mark_tells_contents_apart_and_not_ids() {
        let base = mark(&event());
        assert_eq!(base.len(), 18);
        assert!(base.ends_with(" 5"));
        let mut again = event();
        again.replayed = true;
        assert_eq!(mark(&again), base);
        let changes: [fn(&mut Event); 7] = [
            |e| e.event_type = EventType::ToolCalled,
            |e| e.session_id = "s2".into(),
            |e| (e.user_id, e.agent_id) = (None, Some("u1".into())),
            |e| e.trace_id = Some(String::new()),
            |e| e.causation_id = Some("c".into()),
            |e| e.version = 2,
            |e| e.data = JsonObject::empty(),
        ];
        for change in changes {
            let mut other = event();
            change(&mut other);
            assert_ne!(mark(&other), base, "{other:?}");
        }
        let mut filled = event();
        filled.timestamp_source = TimestampSource::Filled;
        assert_eq!(mark(&filled), base[..17]);
    }
}
