use std::collections::{HashMap, HashSet};

use super::*;

const EVENTS: usize = 200_000;

#[test]
fn the_same_seed_gives_the_same_events() {
    let run = |seed| Generator::new(seed, IdOrder::Random).take(5_000);
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn payloads_are_as_large_as_real_ones() {
    let mut generator = Generator::new(7, IdOrder::Ordered);
    let mut sizes: Vec<usize> = generator
        .take(EVENTS)
        .iter()
        .map(|event| event.data.as_bytes().len())
        .collect();
    sizes.sort_unstable();
    let mean = sizes.iter().sum::<usize>() / EVENTS;
    assert!((370..=470).contains(&mean), "mean {mean}");
    let median = sizes[EVENTS / 2];
    assert!((170..=260).contains(&median), "median {median}");
    assert!(sizes[EVENTS - 1] > 5_000, "largest {}", sizes[EVENTS - 1]);
    let pool = generator.pool.bytes();
    assert!(pool < 20 << 20, "the pool takes {pool} bytes");
}

#[test]
fn sessions_start_and_end_once_and_within_bounds() {
    let mut lengths: HashMap<String, u64> = HashMap::new();
    let mut ended = HashMap::new();
    let mut users = HashSet::new();
    let (mut open, mut open_max) = (0_u64, 0);
    for event in Generator::new(3, IdOrder::Ordered).take(EVENTS) {
        let length = lengths.entry(event.session_id.clone()).or_default();
        *length += 1;
        assert_eq!(*length == 1, event.event_type == EventType::SessionStarted);
        open += u64::from(*length == 1);
        open_max = open_max.max(open);
        assert!(
            !ended.contains_key(&event.session_id),
            "an event after the end"
        );
        users.extend(event.user_id);
        if event.event_type == EventType::SessionEnded {
            ended.insert(event.session_id, *length);
            open -= 1;
        }
    }
    assert!(ended.values().all(|length| SESSION_EVENTS.contains(length)));
    assert!(ended.values().any(|length| *length > 100));
    assert!(ended.len() > 200, "{} sessions ended", ended.len());
    assert!(SESSIONS_OPEN.contains(&open) && SESSIONS_OPEN.contains(&open_max));
    assert_eq!(
        users.len(),
        lengths.len().div_ceil(SESSIONS_PER_USER as usize)
    );
}

#[test]
fn every_known_kind_occurs() {
    let events = Generator::new(5, IdOrder::Ordered).take(EVENTS);
    let mut counts = HashMap::new();
    for event in &events {
        *counts.entry(event.event_type.clone()).or_insert(0_usize) += 1;
    }
    let share = |event_type| counts.get(&event_type).copied().unwrap_or(0) * 1_000 / EVENTS;
    assert!((400..=650).contains(&share(EventType::MessageAdded)));
    assert!((150..=300).contains(&share(EventType::ToolCalled)));
    assert!((150..=300).contains(&share(EventType::ToolReturned)));
    assert!((1..=40).contains(&share(EventType::ErrorOccurred)));
    for rare in [
        EventType::SearchPerformed,
        EventType::SummaryCreated,
        EventType::MemoryCleared,
        EventType::SessionEnded,
    ] {
        assert!(counts.contains_key(&rare), "{rare}");
    }
}

#[test]
fn ids_are_unique_and_ordered_where_they_should_be() {
    for order in [IdOrder::Ordered, IdOrder::Random] {
        let events = Generator::new(9, order).take(50_000);
        let ids: HashSet<&str> = events.iter().map(|event| event.id.as_str()).collect();
        assert_eq!(ids.len(), events.len());
        let version = if order == IdOrder::Ordered { '7' } else { '4' };
        assert!(ids.iter().all(|id| id.len() == 36
            && id.match_indices('-').map(|(at, _)| at).eq([8, 13, 18, 23])
            && id.chars().nth(14) == Some(version)));
        let sorted = events.is_sorted_by(|a, b| a.id < b.id);
        assert_eq!(sorted, order == IdOrder::Ordered);
    }
}

#[test]
fn scattered_sessions_lie_evenly_among_the_others() {
    let (sessions, events) = (4_u64, 50_u64);
    let among = 10_000;
    let mut generator = Generator::new(11, IdOrder::Ordered).scattering(Scatter::new(
        sessions,
        events,
        among as u64,
    ));
    let made = generator.take(among);
    for session in 0..sessions {
        let id = Scatter::session(session);
        let places: Vec<usize> = (0..among).filter(|&at| made[at].session_id == id).collect();
        assert_eq!(places.len() as u64, events);
        let even = |pair: &[usize]| pair[1] - pair[0] == among / events as usize;
        assert!(places.windows(2).all(even), "{places:?}");
        let ends = [places[0], places[places.len() - 1]].map(|at| made[at].event_type.clone());
        assert_eq!(ends, [EventType::SessionStarted, EventType::SessionEnded]);
    }
    let others = generator.take(1_000);
    let scattered = |event: &Event| event.session_id.starts_with("scattered-");
    assert!(!others.iter().any(scattered), "they ended");
}
