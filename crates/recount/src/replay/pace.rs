//! When the next event of a replay is due.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use recount_core::Recorded;

/// How fast events are replayed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Pace {
    /// As they happened.
    #[default]
    Original,
    /// So many times as fast; less than 1 is slower. A number that is not above 0 is taken for
    /// [`Pace::Fast`].
    Times(f64),
    /// As fast as they can be read.
    Fast,
}

impl FromStr for Pace {
    type Err = InvalidPace;

    /// Reads `1x`, `10x`, `0.5x` or `max`.
    fn from_str(text: &str) -> Result<Self, InvalidPace> {
        if text == "max" {
            return Ok(Self::Fast);
        }
        let times = text.strip_suffix('x').and_then(|times| times.parse().ok());
        match times {
            Some(1.0) => Ok(Self::Original),
            Some(times) if (0.001..=1_000_000.0).contains(&times) => Ok(Self::Times(times)),
            _ => Err(InvalidPace(text.chars().take(32).collect())),
        }
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Original => f.write_str("1x"),
            Self::Times(times) => write!(f, "{times}x"),
            Self::Fast => f.write_str("max"),
        }
    }
}

/// A text that names no pace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a pace: write 1x (as it happened), 10x, 0.5x (0.001x to 1000000x) or max")]
pub struct InvalidPace(String);

/// Tells when each event is due, counted from the first.
#[derive(Debug)]
pub(super) struct Schedule {
    pace: Pace,
    gap_max: Option<Duration>,
    /// The latest time at which an event so far happened, and when it was due.
    reached: Option<(i64, Duration)>,
}

impl Schedule {
    pub(super) fn new(pace: Pace, gap_max: Option<Duration>) -> Self {
        Self {
            pace,
            gap_max,
            reached: None,
        }
    }

    pub(super) fn pace(&self) -> Pace {
        self.pace
    }

    pub(super) fn gap_max(&self) -> Option<Duration> {
        self.gap_max
    }

    /// When `recorded` is due. What cannot be decoded is due at once, and so is what happened before
    /// an event that is due already.
    pub(super) fn due(&mut self, recorded: &Recorded) -> Duration {
        let speed = match self.pace {
            Pace::Original => 1.0,
            Pace::Times(times) if times > 0.0 => times,
            Pace::Times(_) | Pace::Fast => return Duration::ZERO,
        };
        let happened = recorded.event().map(|event| event.timestamp.as_millis());
        let (latest, due) = match (self.reached, happened) {
            (Some((latest, due)), Some(happened)) if happened > latest => {
                let gap = Duration::from_millis(happened.abs_diff(latest));
                let gap = gap.min(self.gap_max.unwrap_or(gap));
                let gap = Duration::try_from_secs_f64(gap.as_secs_f64() / speed);
                // A silence that no clock can count is as long as one can.
                let due = due.saturating_add(gap.unwrap_or(LONGEST)).min(LONGEST);
                (happened, due)
            }
            (Some(reached), _) => reached,
            (None, Some(happened)) => (happened, Duration::ZERO),
            (None, None) => return Duration::ZERO,
        };
        self.reached = Some((latest, due));
        due
    }
}

/// Some thirty years: no clock overflows before that.
const LONGEST: Duration = Duration::from_hours(24 * 365 * 30);

#[cfg(test)]
mod tests {
    use recount_core::{Body, EntryId, Event, EventType, Position, Schema, Timestamp};

    use super::*;

    fn at(ms: i64) -> Recorded {
        let event = Event::builder(EventType::MessageAdded, "s")
            .timestamp(Timestamp::from_millis(ms).unwrap())
            .build()
            .unwrap();
        Recorded {
            position: Position {
                partition: 0,
                entry_id: EntryId::new(1, 0),
            },
            revision: 1,
            schema: Schema::AsStored,
            body: Body::Event(event),
        }
    }

    fn due(pace: Pace, gap_max: Option<u64>, times: &[i64]) -> Vec<u64> {
        let mut schedule = Schedule::new(pace, gap_max.map(Duration::from_millis));
        let due = times
            .iter()
            .map(|&ms| schedule.due(&at(ms)).as_millis() as u64);
        due.collect()
    }

    #[test]
    fn events_are_due_as_they_happened() {
        let times = [5_000, 6_000, 6_000, 5_500, 9_000];
        assert_eq!(
            due(Pace::Original, None, &times),
            [0, 1_000, 1_000, 1_000, 4_000]
        );
        assert_eq!(
            due(Pace::Times(2.0), None, &times),
            [0, 500, 500, 500, 2_000]
        );
        assert_eq!(
            due(Pace::Times(0.5), None, &times),
            [0, 2_000, 2_000, 2_000, 8_000]
        );
        assert_eq!(due(Pace::Fast, None, &times), [0; 5]);
        assert_eq!(due(Pace::Times(-1.0), None, &times), [0; 5]);
    }

    #[test]
    fn a_long_silence_is_cut_short_where_that_is_asked_for() {
        assert_eq!(
            due(Pace::Original, Some(500), &[0, 100, 10_000, 10_100]),
            [0, 100, 600, 700]
        );
        assert_eq!(due(Pace::Times(10.0), Some(1_000), &[0, 10_000]), [0, 100]);
        let year_9999 = 253_402_000_000_000;
        let ever = LONGEST.as_millis() as u64;
        assert_eq!(
            due(Pace::Times(0.001), None, &[0, year_9999, year_9999 + 1]),
            [0, ever, ever]
        );
    }

    #[test]
    fn paces_parse_and_print() {
        for text in ["1x", "10x", "0.5x", "max"] {
            assert_eq!(text.parse::<Pace>().unwrap().to_string(), text);
        }
        for bad in ["", "x", "0x", "-1x", "10", "fast", "NaNx", "infx", "1e9x"] {
            assert!(bad.parse::<Pace>().is_err(), "{bad}");
        }
    }
}
