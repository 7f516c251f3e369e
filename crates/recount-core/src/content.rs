//! When two events with one id are the same event.

use crate::{Event, JsonObject, TimestampSource};

/// Whether `b` records the same thing as `a`: equal type, session, user, agent, trace, causation,
/// version and data, and equal timestamps where both producers gave one.
///
/// Data is compared as bytes first and then in the canonical form of RFC 8785, so that key order,
/// white space and the spelling of numbers do not matter. The events' ids are not looked at,
/// nor whether one is a replay.
pub fn same_content(a: &Event, b: &Event) -> bool {
    let times_agree = a.timestamp == b.timestamp
        || a.timestamp_source == TimestampSource::Filled
        || b.timestamp_source == TimestampSource::Filled;
    times_agree
        && a.event_type == b.event_type
        && a.session_id == b.session_id
        && a.user_id == b.user_id
        && a.agent_id == b.agent_id
        && a.trace_id == b.trace_id
        && a.causation_id == b.causation_id
        && a.version == b.version
        && (a.data == b.data || canonical_data(&a.data) == canonical_data(&b.data))
}

/// `data` in the canonical form of RFC 8785; the text itself where it has none.
pub fn canonical_data(data: &JsonObject) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(&data.to_map()).unwrap_or_else(|_| data.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EventType;

    fn event(data: &str) -> Event {
        Event::builder(EventType::MessageAdded, "s1")
            .id("e1")
            .data(JsonObject::parse(data.to_owned()).unwrap())
            .build()
            .unwrap()
    }

    #[test]
    fn key_order_space_and_number_spelling_do_not_matter() {
        let a = event(r#"{"a":1.0,"b":[true]}"#);
        assert!(same_content(&a, &event(r#"{ "b": [true], "a": 1 }"#)));
        assert!(!same_content(&a, &event(r#"{"b":[false],"a":1}"#)));
    }

    #[test]
    fn only_given_timestamps_are_compared() {
        let filled = event("{}");
        let mut given = filled.clone();
        given.timestamp = crate::Timestamp::from_millis(5).unwrap();
        given.timestamp_source = TimestampSource::Given;
        assert!(same_content(&filled, &given));
        let mut other = given.clone();
        other.timestamp = crate::Timestamp::from_millis(6).unwrap();
        assert!(!same_content(&given, &other));
    }

    #[test]
    fn every_compared_field_counts() {
        let base = event("{}");
        let changes: [fn(&mut Event); 7] = [
            |e| e.event_type = EventType::ToolCalled,
            |e| e.session_id = "other".into(),
            |e| e.user_id = Some("u".into()),
            |e| e.agent_id = Some("a".into()),
            |e| e.trace_id = Some("t".into()),
            |e| e.causation_id = Some("c".into()),
            |e| e.version = 2,
        ];
        for change in changes {
            let mut other = base.clone();
            change(&mut other);
            assert!(!same_content(&base, &other), "{other:?}");
        }
    }
}
