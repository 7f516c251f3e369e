//! What an import did, in words and in JSON.

use std::collections::{BTreeMap, HashSet};
use std::hash::Hasher as _;
use std::time::Duration;

use serde_json::{Value, json};
use siphasher::sip::SipHasher13;

use super::source::Record;
use crate::cli::output::{count, thousands};

/// Counted along the way.
#[derive(Default)]
pub(super) struct Summary {
    /// Hashes of the session ids: a large import has many sessions.
    sessions: HashSet<u64>,
    by_type: BTreeMap<String, u64>,
    pub added: u64,
    /// Of those, the ones that kept their entry ids.
    pub kept_ids: u64,
    /// Whether the input has entry ids, as an export has.
    has_entry_ids: bool,
    pub already: u64,
    skipped: BTreeMap<&'static str, u64>,
}

impl Summary {
    /// Why an event was skipped whose id another one has.
    pub const CONFLICT: &'static str = "conflicting with what is there";
    const UNDECODABLE: &'static str = "undecodable";

    pub fn read(&mut self, record: &Record) {
        self.has_entry_ids |= record.entry_id().is_some();
        let name = match record {
            Record::Event(event, _) => {
                let mut hasher = SipHasher13::new();
                hasher.write(event.session_id.as_bytes());
                self.sessions.insert(hasher.finish());
                event.event_type.as_str()
            }
            Record::Fields(..) => Self::UNDECODABLE,
        };
        match self.by_type.get_mut(name) {
            Some(number) => *number += 1,
            None => _ = self.by_type.insert(name.to_owned(), 1),
        }
    }

    pub fn skip(&mut self, reason: &'static str) {
        *self.skipped.entry(reason).or_default() += 1;
    }

    /// Whether the input has entry ids, as an export has.
    pub fn has_entry_ids(&self) -> bool {
        self.has_entry_ids
    }

    pub fn events(&self) -> u64 {
        self.by_type.values().sum()
    }

    pub fn invalid(&self) -> u64 {
        self.skipped.get("invalid").copied().unwrap_or(0)
    }

    pub fn conflicts(&self) -> u64 {
        self.skipped.get(Self::CONFLICT).copied().unwrap_or(0)
    }

    fn skipped(&self) -> u64 {
        self.skipped.values().sum()
    }

    /// With what only the end tells.
    pub fn measured(&self, bytes: u64, took: Duration, dry_run: bool) -> Measured<'_> {
        Measured {
            summary: self,
            bytes,
            took,
            dry_run,
        }
    }
}

/// Events a second.
pub(super) fn rate(events: u64, took: Duration) -> u64 {
    (u128::from(events) * 1_000 / took.as_millis().max(1)) as u64
}

/// A summary at the end.
pub(super) struct Measured<'a> {
    summary: &'a Summary,
    bytes: u64,
    took: Duration,
    dry_run: bool,
}

impl Measured<'_> {
    fn rate(&self) -> u64 {
        rate(self.summary.events(), self.took)
    }

    fn added(&self) -> &'static str {
        if self.dry_run {
            "would be added"
        } else {
            "added"
        }
    }

    /// As one JSON object; `stopped` says where reading ended early and why.
    pub fn json(&self, stopped: Option<&str>) -> Value {
        let summary = self.summary;
        let mut object = json!({
            "sessions": summary.sessions.len(),
            "events": summary.events(),
            "by_type": summary.by_type,
            "added": summary.added,
            "kept_entry_ids": summary.kept_ids,
            "already_there": summary.already,
            "skipped": summary.skipped(),
            "skipped_by_reason": summary.skipped,
            "bytes": self.bytes,
            "seconds": (self.took.as_secs_f64() * 1000.0).round() / 1000.0,
            "events_per_second": self.rate(),
            "dry_run": self.dry_run,
        });
        if let Some(stopped) = stopped {
            object["stopped_at"] = stopped.into();
        }
        object
    }

    /// In words; `stopped` says where reading ended early.
    pub fn lines(&self, name: &str, stopped: Option<&str>) -> Vec<String> {
        let summary = self.summary;
        if summary.events() == 0 && summary.skipped() == 0 && stopped.is_none() {
            return vec![format!("{name} holds no events: nothing {}", self.added())];
        }
        let mut lines = vec![format!(
            "{} in {}",
            count(summary.events(), "event"),
            count(summary.sessions.len() as u64, "session")
        )];
        let width = summary
            .by_type
            .keys()
            .map(|name| name.chars().count())
            .max();
        for (name, number) in &summary.by_type {
            let width = width.unwrap_or(0);
            lines.push(format!("  {name:width$}  {:>11}", thousands(*number)));
        }
        let added = self.added();
        lines.push(format!(
            "{} {added}, {} already there, {} skipped",
            thousands(summary.added),
            thousands(summary.already),
            thousands(summary.skipped())
        ));
        if summary.has_entry_ids && summary.added > 0 {
            lines.push(format!(
                "  {} kept their entry ids, {} got new ones",
                thousands(summary.kept_ids),
                thousands(summary.added - summary.kept_ids)
            ));
        }
        for (reason, number) in &summary.skipped {
            lines.push(format!("  {} {reason}", thousands(*number)));
        }
        lines.extend(stopped.map(|stopped| format!("stopped at {stopped}")));
        lines.push(format!(
            "{:.1} MB in {:.1} s, {} events/s",
            self.bytes as f64 / 1e6,
            self.took.as_secs_f64(),
            thousands(self.rate())
        ));
        lines
    }
}
