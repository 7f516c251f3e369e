//! When a run's events happened: what the run says, or times made up for it.

use recount_core::Timestamp;
use serde_json::{Map, Value};

/// Where made-up times begin: 2024-01-01T00:00:00Z.
pub const SYNTHETIC_START: &str = "2024-01-01T00:00:00Z";

/// Made-up time from one message to the next: about what reading and answering takes.
const STEP_MS: i64 = 4_000;
/// Made-up time from the start of one run to the start of the next. Runs overlap, as in life.
const RUN_OFFSET_MS: i64 = 60_000;

const KEYS: [&str; 2] = ["timestamp", "created_at"];

/// A time, and whether it was made up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub at: Timestamp,
    pub synthetic: bool,
}

impl Moment {
    /// Milliseconds from here to `later`, where both times are real.
    pub fn until(self, later: Self) -> Option<u64> {
        let real = !self.synthetic && !later.synthetic;
        real.then(|| later.at.as_millis() - self.at.as_millis())
            .and_then(|ms| u64::try_from(ms).ok())
    }
}

/// Goes through a run's messages and tells each one's time.
#[derive(Debug)]
pub(super) struct RunClock {
    start: Moment,
    now: Timestamp,
}

impl RunClock {
    /// A clock that starts where the run says, else as long before its first dated message as
    /// that one's place demands, else at the run's own offset from `start`.
    pub fn new(
        run: &Map<String, Value>,
        messages: &[Map<String, Value>],
        index: u64,
        start: Timestamp,
    ) -> Self {
        let first = || {
            let (place, at) = (0_i64..)
                .zip(messages)
                .find_map(|(place, message)| Some((place, read(message)?.1)))?;
            Some(Moment {
                at: later(at, place.saturating_mul(-STEP_MS)),
                synthetic: place > 0,
            })
        };
        let own = read(run).map(|(_, at)| Moment {
            at,
            synthetic: false,
        });
        let start = own.or_else(first).unwrap_or_else(|| Moment {
            at: later(start, index.cast_signed().saturating_mul(RUN_OFFSET_MS)),
            synthetic: true,
        });
        Self {
            start,
            now: start.at,
        }
    }

    /// When the run began.
    pub fn start(&self) -> Moment {
        self.start
    }

    /// When the next message was written. Takes the time out of the message if it has one.
    pub fn message(&mut self, message: &mut Map<String, Value>) -> Moment {
        let given = read(message);
        if let Some((key, at)) = given {
            message.remove(key);
            self.now = at;
        } else {
            self.now = later(self.now, STEP_MS);
        }
        Moment {
            at: self.now,
            synthetic: given.is_none(),
        }
    }
}

fn later(at: Timestamp, ms: i64) -> Timestamp {
    Timestamp::from_millis(at.as_millis().saturating_add(ms)).unwrap_or(at)
}

fn read(object: &Map<String, Value>) -> Option<(&'static str, Timestamp)> {
    KEYS.into_iter()
        .find_map(|key| Some((key, parse(object.get(key)?)?)))
}

/// From this many seconds on (the year 5138), a number is taken for milliseconds.
const MILLISECONDS_FROM: f64 = 1e11;

fn parse(value: &Value) -> Option<Timestamp> {
    if let Value::String(text) = value {
        // Programs that print a local time without an offset mostly mean UTC.
        return text.parse().or_else(|_| format!("{text}Z").parse()).ok();
    }
    let number = value.as_f64()?;
    let ms = if number.abs() >= MILLISECONDS_FROM {
        number
    } else {
        number * 1000.0
    };
    Timestamp::from_millis(ms.round() as i64).ok()
}
