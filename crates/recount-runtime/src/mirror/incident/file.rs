//! The file in which incidents are recorded.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use recount_core::{Partition, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Incident, IncidentKind};
use crate::mirror::MirrorError;
use crate::mirror::place::failed;

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
        self.known.clear();
        for line in text.lines() {
            // A line cut short by a crash, before anything was done about it, says nothing.
            if let Ok(line) = serde_json::from_str(line) {
                self.take(line);
            }
        }
        Ok(true)
    }

    /// Adds what a line says to what the lines before it said.
    fn take(&mut self, line: Line) {
        if matches!(line.kind, LineKind::Settled {}) {
            self.known
                .iter_mut()
                .for_each(|incident| incident.settled = true);
        } else if let Some(incident) = line.incident() {
            self.add(incident);
        }
    }

    fn add(&mut self, new: Incident) {
        if let IncidentKind::Divergence {
            common, set_aside, ..
        } = &new.kind
        {
            // One name, one divergence: it was looked at again before the partition was set aside.
            self.known.retain(|known| {
                let again = matches!(&known.kind, IncidentKind::Divergence { set_aside: name, .. }
                    if name.is_some() && name == set_aside);
                known.partition != new.partition || !again
            });
            for known in &mut self.known {
                known.settled |= known.partition == new.partition
                    && matches!(&known.kind, IncidentKind::Gap { after, .. } if after >= common);
            }
        }
        self.known.push(new);
    }

    /// Takes note of everything that was recorded; returns of how many incidents nobody had.
    pub(crate) fn settle(&mut self, at: Timestamp) -> Result<usize, MirrorError> {
        self.refresh()?;
        let open = self.known.iter().filter(|known| !known.settled).count();
        if open > 0 {
            let line = Line {
                at: at.to_string(),
                partition: 0,
                kind: LineKind::Settled {},
            };
            self.write(line)?;
        }
        Ok(open)
    }

    /// Records an incident; it is on stable storage afterwards.
    pub(crate) fn record(&mut self, incident: &Incident) -> Result<(), MirrorError> {
        tracing::warn!(%incident, "the mirror differs from its stream");
        self.write(Line::of(incident))
    }

    fn write(&mut self, line: Line) -> Result<(), MirrorError> {
        let mut text = String::new();
        if self.ends_within_a_line() {
            text.push('\n');
        }
        // Text and numbers always are JSON.
        text.push_str(&serde_json::to_string(&line).unwrap_or_default());
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
        self.take(line);
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
    /// Somebody took note of everything above.
    Settled {},
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
            LineKind::Settled {} => return None,
        };
        Some(Incident {
            at: self.at.parse().ok()?,
            partition: self.partition,
            kind,
            settled: false,
        })
    }
}

#[cfg(test)]
mod tests;
