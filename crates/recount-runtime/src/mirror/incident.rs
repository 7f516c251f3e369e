//! What a mirror does not have, or has otherwise than the server: recorded, and never hidden.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use recount_core::{EntryId, Partition, Timestamp};
use serde::{Deserialize, Serialize};

use super::MirrorError;
use super::place::failed;

/// Something that came between a stream and its mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// When it was noticed.
    pub at: Timestamp,
    /// In which partition.
    pub partition: Partition,
    /// What.
    pub kind: IncidentKind,
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

/// The incidents of one mirror, in a file that only grows.
pub(crate) struct Incidents {
    path: PathBuf,
    known: Vec<Incident>,
    /// How long the file was when it was read.
    bytes: u64,
}

impl Incidents {
    /// What is recorded so far.
    pub(crate) fn load(path: PathBuf) -> Result<Self, MirrorError> {
        let mut incidents = Self {
            path,
            known: Vec::new(),
            bytes: 0,
        };
        incidents.refresh()?;
        Ok(incidents)
    }

    pub(crate) fn all(&self) -> &[Incident] {
        &self.known
    }

    /// Reads what another process recorded; whether there was anything.
    pub(crate) fn refresh(&mut self) -> Result<bool, MirrorError> {
        let text = match fs::metadata(&self.path) {
            Ok(metadata) if metadata.len() == self.bytes => return Ok(false),
            Ok(_) => fs::read_to_string(&self.path)
                .map_err(|error| failed("reading", &self.path, &error))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(failed("reading", &self.path, &error)),
        };
        self.bytes = text.len() as u64;
        // A line cut short by a crash, before anything was done about it, says nothing.
        let lines = text.lines().map(serde_json::from_str::<Line>);
        self.known = lines.filter_map(|line| line.ok()?.incident()).collect();
        Ok(true)
    }

    /// Records an incident; it is on stable storage afterwards.
    pub(crate) fn record(&mut self, incident: Incident) -> Result<(), MirrorError> {
        tracing::warn!(%incident, "the mirror differs from its stream");
        let mut text = String::new();
        if self.ends_within_a_line() {
            text.push('\n');
        }
        // Text and numbers always are JSON.
        text.push_str(&serde_json::to_string(&Line::of(&incident)).unwrap_or_default());
        text.push('\n');
        let written = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            });
        written.map_err(|error| failed("writing", &self.path, &error))?;
        self.bytes += text.len() as u64;
        self.known.push(incident);
        Ok(())
    }

    fn ends_within_a_line(&self) -> bool {
        fs::read(&self.path).is_ok_and(|bytes| bytes.last().is_some_and(|&last| last != b'\n'))
    }
}

/// An incident as a line of the file.
#[derive(Serialize, Deserialize)]
struct Line {
    at: String,
    partition: Partition,
    #[serde(flatten)]
    kind: LineKind,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "incident", rename_all = "snake_case")]
enum LineKind {
    Gap {
        after: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        before: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        missing: Option<u64>,
        certain: bool,
    },
    Divergence {
        cause: String,
        common: String,
        ours: String,
        theirs: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        set_aside: Option<String>,
    },
}

impl Line {
    fn of(incident: &Incident) -> Self {
        let kind = match incident.kind.clone() {
            IncidentKind::Gap {
                after,
                before,
                missing,
                certain,
            } => LineKind::Gap {
                after: after.to_string(),
                before: before.map(|before| before.to_string()),
                missing,
                certain,
            },
            IncidentKind::Divergence {
                cause,
                common,
                ours,
                theirs,
                set_aside,
            } => LineKind::Divergence {
                cause,
                common: common.to_string(),
                ours: ours.to_string(),
                theirs: theirs.to_string(),
                set_aside,
            },
        };
        Self {
            at: incident.at.to_string(),
            partition: incident.partition,
            kind,
        }
    }

    fn incident(self) -> Option<Incident> {
        let kind = match self.kind {
            LineKind::Gap {
                after,
                before,
                missing,
                certain,
            } => IncidentKind::Gap {
                after: after.parse().ok()?,
                before: before.and_then(|before| before.parse().ok()),
                missing,
                certain,
            },
            LineKind::Divergence {
                cause,
                common,
                ours,
                theirs,
                set_aside,
            } => IncidentKind::Divergence {
                cause,
                common: common.parse().ok()?,
                ours: ours.parse().ok()?,
                theirs: theirs.parse().ok()?,
                set_aside,
            },
        };
        Some(Incident {
            at: self.at.parse().ok()?,
            partition: self.partition,
            kind,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incidents() -> Vec<Incident> {
        let (one, two) = (EntryId::new(1, 0), EntryId::new(2, 3));
        let kinds = [
            IncidentKind::Gap {
                after: one,
                before: Some(two),
                missing: Some(7),
                certain: true,
            },
            IncidentKind::Gap {
                after: one,
                before: None,
                missing: None,
                certain: false,
            },
            IncidentKind::Divergence {
                cause: "its last id, 1-0, is below ours".into(),
                common: one,
                ours: two,
                theirs: one,
                set_aside: Some("s:diverged-1".into()),
            },
        ];
        let kinds = kinds.into_iter().zip(0..);
        let incidents = kinds.map(|(kind, partition)| Incident {
            at: Timestamp::saturating_from_millis(1_700_000_000_000),
            partition,
            kind,
        });
        incidents.collect()
    }

    #[test]
    fn what_is_recorded_is_there_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("incidents");
        let mut first = Incidents::load(path.clone()).unwrap();
        let mut second = Incidents::load(path.clone()).unwrap();
        for incident in incidents() {
            first.record(incident).unwrap();
        }
        assert_eq!(first.all(), incidents());
        assert!(!first.refresh().unwrap());
        assert!(second.refresh().unwrap());
        assert_eq!(second.all(), incidents());
        assert_eq!(Incidents::load(path).unwrap().all(), incidents());
    }

    #[test]
    fn a_line_that_was_cut_short_hides_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("incidents");
        let mut log = Incidents::load(path.clone()).unwrap();
        log.record(incidents()[0].clone()).unwrap();
        let mut text = fs::read(&path).unwrap();
        text.extend_from_slice(&text.clone()[..20]);
        fs::write(&path, text).unwrap();
        let mut log = Incidents::load(path.clone()).unwrap();
        log.record(incidents()[1].clone()).unwrap();
        assert_eq!(Incidents::load(path).unwrap().all(), &incidents()[..2]);
    }

    #[test]
    fn an_incident_says_what_happened() {
        let said: Vec<String> = incidents().iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "2023-11-14T22:13:20.000Z, partition 0: 7 entries are missing from the mirror after 1-0 and before 2-3: they were removed from the server before they were mirrored",
                "2023-11-14T22:13:20.000Z, partition 1: entries may be missing from the mirror after 1-0: they were removed from the server before they were mirrored",
                "2023-11-14T22:13:20.000Z, partition 2: the server lost what was mirrored after 1-0 up to 2-3 (its last id, 1-0, is below ours); it is kept in the mirror's data as stream s:diverged-1",
            ]
        );
    }
}
