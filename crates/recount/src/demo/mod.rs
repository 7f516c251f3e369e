//! A morning at a support desk, made up: something believable to record, watch and count.
//!
//! Four customers talk to a support agent in overlapping sessions. The agent remembers, searches,
//! calls tools, meets one that fails and tries again, sums up, and forgets when it is asked to.
//! [`workload`] makes all of it from a seed, without a clock and without I/O.

mod random;
mod script;
mod stories;

use std::time::Duration;

use recount_core::{Event, Timestamp};

use random::Random;
use script::Script;

/// An event and when it is to be published, counted from the start.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// How long after the start.
    pub at: Duration,
    /// What is published then; its timestamp is that moment.
    pub event: Event,
}

/// The events of the morning in the order in which they happen, the last one at `start` + `span`.
///
/// The same arguments give the same events. Names, numbers, words and pauses follow from `seed`;
/// the session ids also from `start`, so that a second run on the same stream tells new sessions.
pub fn workload(seed: u64, start: Timestamp, span: Duration) -> Vec<Step> {
    let mut random = Random::new(seed);
    // Both are mixed first: a seed that was taken from the time would cancel it out.
    let moment = Random::new(start.as_millis().cast_unsigned()).next();
    let run = Random::new(Random::new(seed).next() ^ moment).next() & 0xff_ffff;
    let mut users = ["ada", "ben", "chloe", "dmitri"];
    random.shuffle(&mut users);

    let mut lines = Vec::new();
    for (nth, story) in stories::ALL.iter().enumerate() {
        let begin = nth as u64 * 420 + random.between(0, 200);
        let mut script = Script::new(
            format!("{}-{run:06x}", story.name),
            users[story.user % users.len()],
            begin,
            random.fork(),
        );
        (story.tell)(&mut script);
        lines.extend(script.lines);
    }
    // Lines of one session are in order and stay so: the sort is stable.
    lines.sort_by_key(|line| line.at_ms);

    let last_ms = lines.last().map_or(1, |line| line.at_ms.max(1));
    let scale = span.as_secs_f64() * 1000.0 / last_ms as f64;
    lines
        .into_iter()
        .map(|line| {
            let at = Duration::from_millis(line.at_ms).mul_f64(scale);
            let timestamp = Timestamp::from_millis(start.as_millis() + at.as_millis() as i64);
            Step {
                at,
                event: line.into_event(timestamp.unwrap_or(start), scale),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use recount_core::payload::Payload;
    use recount_core::{EventType, Limits};

    use super::*;

    const SPAN: Duration = Duration::from_secs(5);

    fn start() -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000).unwrap()
    }

    fn sessions(steps: &[Step]) -> BTreeMap<&str, Vec<&Step>> {
        let mut sessions = BTreeMap::<_, Vec<_>>::new();
        for step in steps {
            let session = step.event.session_id.as_str();
            sessions.entry(session).or_default().push(step);
        }
        sessions
    }

    #[test]
    fn every_type_occurs_and_every_event_is_legal_and_typed() {
        for seed in 0..20 {
            let steps = workload(seed, start(), SPAN);
            let types: BTreeSet<_> = steps
                .iter()
                .map(|step| step.event.event_type.as_str())
                .collect();
            for known in EventType::KNOWN {
                if *known != EventType::SessionForked {
                    assert!(types.contains(known.as_str()), "{known} with seed {seed}");
                }
            }
            let ids: BTreeSet<_> = steps.iter().map(|step| &step.event.id).collect();
            assert_eq!(ids.len(), steps.len());
            for step in &steps {
                step.event.validate(&Limits::default()).unwrap();
                Payload::of(&step.event).unwrap();
            }
        }
    }

    #[test]
    fn the_seed_decides_and_the_start_only_moves() {
        let steps = workload(7, start(), SPAN);
        assert_eq!(steps, workload(7, start(), SPAN));
        let data = |steps: &[Step]| -> Vec<_> {
            steps.iter().map(|step| step.event.data.clone()).collect()
        };
        assert_ne!(data(&steps), data(&workload(8, start(), SPAN)));

        let later = Timestamp::from_millis(start().as_millis() + 1).unwrap();
        let moved = workload(7, later, SPAN);
        assert_eq!(data(&steps), data(&moved));
        assert_ne!(steps[0].event.session_id, moved[0].event.session_id);
    }

    #[test]
    fn demos_that_take_their_seed_from_the_time_do_not_meet() {
        let session = |ms: i64| {
            let start = Timestamp::from_millis(ms).unwrap();
            let steps = workload(ms.unsigned_abs() % 100_000, start, SPAN);
            steps[0].event.session_id.clone()
        };
        let first = start().as_millis();
        let names: BTreeSet<_> = (0..100).map(|n| session(first + n * 137)).collect();
        assert_eq!(names.len(), 100);
    }

    #[test]
    fn sessions_overlap_start_and_end_and_fill_the_span() {
        let steps = workload(1, start(), SPAN);
        assert!(steps.is_sorted_by_key(|step| step.at));
        let last = steps.last().unwrap().at;
        assert_eq!(last.as_millis(), SPAN.as_millis());
        let sessions = sessions(&steps);
        let users: BTreeSet<_> = steps.iter().map(|step| &step.event.user_id).collect();
        assert!(users.len() >= 3 && sessions.len() > users.len());
        for steps in sessions.values() {
            let types: Vec<_> = steps.iter().map(|step| &step.event.event_type).collect();
            assert_eq!(types[0], &EventType::SessionStarted);
            assert_eq!(types[types.len() - 1], &EventType::SessionEnded);
        }
        let overlapping = sessions.values().any(|one| {
            sessions
                .values()
                .any(|other| one[0].at < other[0].at && other[0].at < one[one.len() - 1].at)
        });
        assert!(overlapping);
    }

    #[test]
    fn a_failed_tool_is_called_again_and_then_answers() {
        let steps = workload(3, start(), SPAN);
        let failed = steps
            .iter()
            .position(|step| step.event.event_type == EventType::ErrorOccurred)
            .unwrap();
        let tool = steps[failed].event.data.to_map()["tool"].clone();
        let after: Vec<_> = steps[failed..]
            .iter()
            .filter(|step| step.event.session_id == steps[failed].event.session_id)
            .filter(|step| step.event.data.to_map().get("tool") == Some(&tool))
            .map(|step| step.event.event_type.as_str())
            .collect();
        assert_eq!(after, ["error.occurred", "tool.called", "tool.returned"]);
    }

    #[test]
    fn a_tool_takes_as_long_as_it_says() {
        let steps = workload(3, start(), SPAN);
        for (called, returned) in sessions(&steps).values().flat_map(|steps| {
            let of = |name: EventType| {
                steps
                    .iter()
                    .filter(move |step| step.event.event_type == name)
            };
            of(EventType::ToolCalled)
                .zip(of(EventType::ToolReturned))
                .collect::<Vec<_>>()
        }) {
            let data = returned.event.data.to_map();
            assert_eq!(called.event.data.to_map()["call_id"], data["call_id"]);
            let apart = (returned.at.saturating_sub(called.at)).as_secs_f64() * 1000.0;
            assert!((apart - data["duration_ms"].as_f64().unwrap()).abs() < 2.0);
        }
    }
}
