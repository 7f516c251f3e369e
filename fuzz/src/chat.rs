//! Any JSON object is a chat run.

use std::collections::HashSet;

use recount::{Limits, chat};

/// What is converted is legal, each event has an id of its own, and a second time gives the same.
pub fn run(data: &[u8]) {
    let Ok(run) = serde_json::from_slice::<serde_json::Map<_, _>>(data) else {
        return;
    };
    let start = chat::SYNTHETIC_START.parse().expect("a legal time");
    let index = data.len() as u64 % 3;
    let convert = || chat::events(run.clone(), index, start);
    let events = match convert() {
        Ok(events) => events,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let wide = Limits {
        event_bytes_max: usize::MAX,
        ..Limits::default()
    };
    let mut ids = HashSet::new();
    for event in &events {
        assert_eq!(event.validate(&wide), Ok(()), "{event:?}");
        assert_eq!(event.session_id, events[0].session_id);
        assert!(ids.insert(event.id.as_str()), "{} stands twice", event.id);
    }
    assert_eq!(convert().expect("it was converted before"), events);
}
