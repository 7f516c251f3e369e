//! What a log keeps.

use std::time::Duration;

use crate::HeldUp;

/// What a log keeps. Whoever writes it trims the rest as it goes; what somebody still needs stays, as
/// with any trim.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// At most so many entries of each partition, the newest.
    pub max_length: Option<MaxLength>,
    /// Entries recorded less than this ago. Looked at every twentieth part of it, but at least every
    /// minute and at most every second.
    pub period: Option<Duration>,
    /// What becomes of these limits where somebody still needs what they would remove.
    pub held_up: HeldUp,
}

impl Retention {
    /// What is set, as names and values for [`crate::LogInfo`].
    pub fn details(self) -> impl Iterator<Item = (String, String)> {
        let length = self.max_length;
        let exact = length.map(|length| ("max_length_exact", length.exact.to_string()));
        let length = length.map(|length| ("max_length", length.entries.to_string()));
        let period = self
            .period
            .map(|period| ("retention_period_ms", period.as_millis().to_string()));
        let held_up = match self.held_up {
            HeldUp::Block => None,
            HeldUp::Force => Some("force".to_owned()),
            HeldUp::ExpireGroupsAfter(ms) => Some(format!("expire-groups-after {ms}")),
        };
        let held_up = held_up.map(|policy| ("held_up", policy));
        let set = [length, exact, period, held_up].into_iter().flatten();
        set.map(|(name, value)| (name.to_owned(), value))
    }
}

/// How many entries a log keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxLength {
    /// How many.
    pub entries: u64,
    /// Whether never more than that are shown after an append that was acknowledged later, which costs
    /// every append something. Otherwise the log may grow by a tenth, and by a thousand at least,
    /// before it is cut back.
    pub exact: bool,
}
