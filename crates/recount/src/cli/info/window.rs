//! What it costs a server to remember event ids.

use std::fmt;

use recount::{Clock as _, LogInfo, SystemClock};

use super::{size, span};
use crate::cli::output::{count, thousands};

/// How long ids are remembered and, where the engine says so, how many there are and what they take,
/// now and in a full window.
pub(super) fn rows(info: &LogInfo) -> Vec<(String, String)> {
    let remembered = match info.idempotency_window_ms {
        0 => "not at all: publishing an event again adds it again".to_owned(),
        ms => span(ms),
    };
    let mut rows = vec![("ids remembered".to_owned(), remembered)];
    rows.extend(held(info).map(|held| ("ids held".to_owned(), held)));
    let full = at_this_rate(info).map(|full| full.to_string());
    rows.extend(full.map(|full| ("at this rate".to_owned(), full)));
    rows
}

/// What a window takes that is full.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FullWindow {
    pub(super) ids: u64,
    pub(super) bytes: u64,
    /// How many come.
    pub(super) ids_a_second: u64,
}

impl fmt::Display for FullWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, about {} ({} a second)",
            count(self.ids, "id"),
            size(self.bytes),
            thousands(self.ids_a_second)
        )
    }
}

/// What a full window takes at the present rate, if ids come at one.
pub(super) fn at_this_rate(info: &LogInfo) -> Option<FullWindow> {
    comes_to(info, SystemClock.now_ms())
}

/// Whether a fact is told here.
pub(super) fn tells(name: &str) -> bool {
    name.starts_with("window_")
}

fn number(info: &LogInfo, name: &str) -> Option<u64> {
    let found = info.details.iter().find(|(known, _)| known == name);
    found.and_then(|(_, value)| value.parse().ok())
}

fn held(info: &LogInfo) -> Option<String> {
    Some(format!(
        "{} of {} at most, {}",
        thousands(number(info, "window_ids")?),
        thousands(number(info, "window_ids_max")?),
        size(number(info, "window_bytes")?)
    ))
}

/// Fewer milliseconds than that show no rate.
const RATE_MS_MIN: u64 = 10_000;

/// What a full window takes at the rate of those that are held; none where they show no rate.
fn comes_to(info: &LogInfo, now_ms: u64) -> Option<FullWindow> {
    let (ids, max) = (number(info, "window_ids")?, number(info, "window_ids_max")?);
    let bytes = number(info, "window_bytes")?;
    let took_ms = now_ms.saturating_sub(number(info, "window_since_ms")?);
    if took_ms < RATE_MS_MIN {
        return None;
    }
    let rate = u128::from(ids) * 1_000 / u128::from(took_ms);
    if rate == 0 {
        return None;
    }
    // As many as come in a window, but not more than are held.
    let full = u128::from(ids) * u128::from(info.idempotency_window_ms) / u128::from(took_ms);
    let full = full.clamp(u128::from(ids), u128::from(max.max(ids)));
    let cost = full * u128::from(bytes) / u128::from(ids);
    Some(FullWindow {
        ids: full as u64,
        bytes: cost as u64,
        ids_a_second: rate as u64,
    })
}

#[cfg(test)]
mod tests {
    use recount::Durability;

    use super::*;

    fn info(facts: &[(&str, u64)]) -> LogInfo {
        let details = facts.iter();
        LogInfo {
            engine: "redis",
            stream: "s".to_owned(),
            location: "l".to_owned(),
            durability: Durability::Accepted,
            durability_note: String::new(),
            idempotency_window_ms: 600_000,
            partitions: Vec::new(),
            bytes: 0,
            details: details
                .map(|(name, value)| ((*name).to_owned(), value.to_string()))
                .collect(),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn the_cost_at_the_present_rate_is_told_and_bounded() {
        assert_eq!(held(&info(&[])), None);
        assert_eq!(comes_to(&info(&[]), 0), None);
        let facts = |ids, max| {
            info(&[
                ("window_ids", ids),
                ("window_ids_max", max),
                ("window_bytes", ids * 200),
                ("window_since_ms", 1_000_000),
            ])
        };
        // A minute of the ten.
        let told = held(&facts(6_000, 1_000_000)).unwrap();
        assert!(
            told.starts_with("6,000 of 1,000,000 at most, 1.1 MiB"),
            "{told}"
        );
        let told = comes_to(&facts(6_000, 1_000_000), 1_060_000);
        let told = told.unwrap().to_string();
        assert!(told.starts_with("60,000 ids, about 11.4 MiB"), "{told}");
        assert!(told.ends_with("(100 a second)"), "{told}");
        let told = comes_to(&facts(6_000, 10_000), 1_060_000);
        let told = told.unwrap().to_string();
        assert!(told.starts_with("10,000 ids, about 1.9 MiB"), "{told}");
        let none = info(&[
            ("window_ids", 0),
            ("window_ids_max", 5),
            ("window_bytes", 0),
        ]);
        assert_eq!(held(&none).unwrap(), "0 of 5 at most, 0 bytes");
        assert_eq!(comes_to(&none, 1_060_000), None);
    }

    #[test]
    fn too_little_shows_no_rate() {
        let facts = |ids| {
            info(&[
                ("window_ids", ids),
                ("window_ids_max", 1_000_000),
                ("window_bytes", ids * 200),
                ("window_since_ms", 1_000_000),
            ])
        };
        // However many came within a moment, or less than one a second.
        assert_eq!(comes_to(&facts(5_000), 1_009_999), None);
        assert!(comes_to(&facts(5_000), 1_010_000).is_some());
        assert_eq!(comes_to(&facts(9), 1_010_000), None);
        assert!(comes_to(&facts(10), 1_010_000).is_some());
    }
}
