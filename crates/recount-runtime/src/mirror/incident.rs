//! What a mirror does not have, or has otherwise than the server: recorded, and never hidden.

mod file;

use std::fmt;

use recount_core::{EntryId, IdRange, Partition, Timestamp};

pub(crate) use file::Incidents;

/// Something that came between a stream and its mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// When it was noticed.
    pub at: Timestamp,
    /// In which partition.
    pub partition: Partition,
    /// What.
    pub kind: IncidentKind,
    /// Whether nobody need be warned of it any more: somebody took note of it, or what it tells of was
    /// set aside since.
    pub settled: bool,
}

impl Incident {
    /// Whether anything that is missing because of it, or was given out and lost, has an id in `ids`.
    pub fn touches(&self, ids: IdRange) -> bool {
        let (first, last) = match &self.kind {
            IncidentKind::Gap { after, before, .. } => {
                let last = before.map_or(Some(EntryId::MAX), EntryId::previous);
                (after.next(), last)
            }
            IncidentKind::Divergence { common, ours, .. } => (common.next(), Some(*ours)),
        };
        let (Some(first), Some(last), Some(asked)) = (first, last, ids.inclusive()) else {
            return false;
        };
        first <= asked.1 && asked.0 <= last
    }
}

/// What came between a stream and its mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IncidentKind {
    /// Entries were removed from the server before they were mirrored.
    Gap {
        /// The last entry before them.
        after: EntryId,
        /// The first one after them, where there was one yet.
        before: Option<EntryId>,
        /// How many are missing, where the server counts its entries.
        missing: Option<u64>,
        /// Whether it is known that any are. Otherwise nothing tells.
        certain: bool,
    },
    /// The server no longer has what was mirrored: it lost it, and may have given its ids to other entries.
    Divergence {
        /// How that was noticed.
        cause: String,
        /// The last entry that both have; the mirror goes on from there. `0-0` where there is none.
        common: EntryId,
        /// The mirror's last entry by then.
        ours: EntryId,
        /// The last id of the server by then.
        theirs: EntryId,
        /// Under what name the mirrored partition was set aside.
        set_aside: Option<String>,
    },
}

impl fmt::Display for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, partition {}: ", self.at, self.partition)?;
        match &self.kind {
            IncidentKind::Gap {
                after,
                before,
                missing,
                certain,
            } => {
                let what = match (certain, missing) {
                    (true, Some(1)) => "an entry is missing".to_owned(),
                    (true, Some(missing)) => format!("{missing} entries are missing"),
                    (true, None) => "entries are missing".to_owned(),
                    (false, _) => "entries may be missing".to_owned(),
                };
                write!(f, "{what} from the mirror after {after}")?;
                if let Some(before) = before {
                    write!(f, " and before {before}")?;
                }
                f.write_str(": they were removed from the server before they were mirrored")
            }
            IncidentKind::Divergence {
                cause,
                common,
                ours,
                set_aside,
                ..
            } => {
                write!(
                    f,
                    "the server lost what was mirrored after {common} up to {ours} ({cause})"
                )?;
                match set_aside {
                    Some(stream) => {
                        write!(f, "; it is kept in the mirror's data as stream {stream}")
                    }
                    None => Ok(()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Bound;

    use super::*;

    #[test]
    fn an_incident_touches_the_ids_it_took() {
        let id = |ms| EntryId::new(ms, 0);
        let range = |first, last| IdRange {
            start: Bound::Included(id(first)),
            end: Bound::Included(id(last)),
        };
        let touches = |kind: &IncidentKind, ids| {
            let incident = Incident {
                at: Timestamp::saturating_from_millis(0),
                partition: 0,
                kind: kind.clone(),
                settled: false,
            };
            incident.touches(ids)
        };
        let gap = |before| IncidentKind::Gap {
            after: id(10),
            before,
            missing: None,
            certain: true,
        };
        let divergence = IncidentKind::Divergence {
            cause: String::new(),
            common: id(10),
            ours: id(20),
            theirs: id(10),
            set_aside: None,
        };
        for (kind, at_20) in [
            (gap(Some(id(20))), false),
            (gap(None), true),
            (divergence, true),
        ] {
            let found = [
                range(0, 10),
                range(0, 11),
                range(15, 16),
                range(20, 30),
                range(9, 3),
            ]
            .map(|ids| touches(&kind, ids));
            assert_eq!(found, [false, true, true, at_20, false], "{kind:?}");
        }
    }
}
