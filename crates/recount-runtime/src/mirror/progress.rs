//! How far a mirror is, and what a process does for it.

use recount_core::{EntryId, EventLog, ReadError, Standing};
use recount_disk::DiskLog;

use super::compare::tail_of;

/// How far a partition's mirror is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// How many entries it holds.
    pub mirrored: u64,
    /// How many there are to hold, as far as could be told when it last connected: an estimate.
    pub expected: u64,
    /// Its last entry.
    pub last: EntryId,
    /// Whether it has caught up and gets entries as they come.
    pub live: bool,
}

impl Progress {
    /// How far a log is.
    pub(super) async fn of(log: &DiskLog) -> Result<Self, ReadError> {
        let added = log
            .info()
            .await?
            .partitions
            .first()
            .map(|p| p.entries_added);
        let mirrored = added.unwrap_or(0);
        Ok(Self {
            mirrored,
            expected: mirrored,
            last: tail_of(log).await?,
            live: false,
        })
    }
}

/// What a process does for a mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It mirrors.
    Maintainer,
    /// It reads what another process mirrors.
    Follower,
}

/// What a mirror does at present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    /// None while it is opened, again too.
    pub(crate) role: Option<Role>,
    /// Why it cannot go on by itself at present.
    pub(crate) trouble: Option<ReadError>,
    /// Whether each partition was compared with the server since the logs were opened and, if this process
    /// mirrors, since it last connected.
    pub(crate) compared: Vec<bool>,
    /// Why the server does not know of the mirror; none where it does.
    pub(crate) unregistered: Option<ReadError>,
    /// Counts the times that logs were replaced.
    pub(crate) replaced: u64,
    pub(crate) closing: bool,
}

/// About how many entries follow `tail`: as if the server's were spread evenly over their time.
pub(super) fn still_to_come(tail: EntryId, standing: &Standing) -> u64 {
    let Some(first) = standing.first.filter(|_| standing.last > tail) else {
        return 0;
    };
    if first > tail {
        return standing.length;
    }
    let left = (standing.last.ms - tail.ms) as f64;
    let all = (standing.last.ms - first.ms).max(1) as f64;
    ((standing.length as f64 * left / all) as u64).clamp(1, standing.length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_come_is_estimated_by_time() {
        let standing = Standing {
            length: 100,
            first: Some(EntryId::new(1_000, 0)),
            last: EntryId::new(2_000, 0),
            entries_added: None,
            trimmed_to: None,
        };
        let to_come = |ms| still_to_come(EntryId::new(ms, 0), &standing);
        assert_eq!(
            [0, 999, 1_500, 1_999, 2_000, 3_000].map(to_come),
            [100, 100, 50, 1, 0, 0]
        );
        let empty = Standing {
            length: 0,
            first: None,
            ..standing
        };
        assert_eq!(still_to_come(EntryId::MIN, &empty), 0);
    }
}
