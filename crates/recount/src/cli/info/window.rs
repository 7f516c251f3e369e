//! What it costs a server to remember event ids.

use recount::{Clock as _, LogInfo, SystemClock};

use super::{size, span};
use crate::cli::output::{count, thousands};

/// How long ids are remembered and, where the engine says so, how many there are and what they take.
pub(super) fn rows(info: &LogInfo) -> Vec<(String, String)> {
    let remembered = match info.idempotency_window_ms {
        0 => "not at all: publishing an event again adds it again".to_owned(),
        ms => span(ms),
    };
    let mut rows = vec![("ids remembered".to_owned(), remembered)];
    rows.extend(held(info, SystemClock.now_ms()).map(|held| ("ids held".to_owned(), held)));
    rows
}

/// Whether a fact is told here.
pub(super) fn tells(name: &str) -> bool {
    name.starts_with("window_")
}

fn held(info: &LogInfo, now_ms: u64) -> Option<String> {
    let fact = |name: &str| {
        let found = info.details.iter().find(|(known, _)| known == name);
        found.and_then(|(_, value)| value.parse::<u64>().ok())
    };
    let (ids, max) = (fact("window_ids")?, fact("window_ids_max")?);
    let bytes = fact("window_bytes")?;
    let held = format!(
        "{} of {} at most, {}",
        thousands(ids),
        thousands(max),
        size(bytes)
    );
    let Some(since_ms) = fact("window_since_ms").filter(|_| ids > 0) else {
        return Some(held);
    };
    let took_ms = now_ms.saturating_sub(since_ms).max(1);
    let rate = u128::from(ids) * 1_000 / u128::from(took_ms);
    // As many as come in a window, but not more than are held.
    let full = u128::from(ids) * u128::from(info.idempotency_window_ms) / u128::from(took_ms);
    let full = full.clamp(u128::from(ids), u128::from(max.max(ids)));
    let cost = full * u128::from(bytes) / u128::from(ids);
    Some(format!(
        "{held}; at the present rate of {} a second the window comes to hold {}, about {}",
        thousands(rate as u64),
        count(full as u64, "id"),
        size(cost as u64)
    ))
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
        assert_eq!(held(&info(&[]), 0), None);
        let facts = |ids, max| {
            info(&[
                ("window_ids", ids),
                ("window_ids_max", max),
                ("window_bytes", ids * 200),
                ("window_since_ms", 1_000_000),
            ])
        };
        // A minute of the ten.
        let told = held(&facts(6_000, 1_000_000), 1_060_000).unwrap();
        assert!(
            told.starts_with("6,000 of 1,000,000 at most, 1.1 MiB"),
            "{told}"
        );
        assert!(told.contains("rate of 100 a second"), "{told}");
        assert!(told.contains("hold 60,000 ids, about 11.4 MiB"), "{told}");
        let told = held(&facts(6_000, 10_000), 1_060_000).unwrap();
        assert!(told.contains("hold 10,000 ids, about 1.9 MiB"), "{told}");
        let none = info(&[
            ("window_ids", 0),
            ("window_ids_max", 5),
            ("window_bytes", 0),
        ]);
        assert_eq!(held(&none, 0).unwrap(), "0 of 5 at most, 0 bytes");
    }
}
