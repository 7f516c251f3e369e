//! What is kept of a replay with a name: a file of JSON.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use recount::{Cursor, EntryId, Partition, Position, ReplayMark, Timestamp};
use serde::{Deserialize, Serialize};

use super::asked::Selection;
use crate::cli::error::{Failure, Result};

/// The version of the files.
const VERSION: u32 = 1;

/// What is kept of a replay.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    version: u32,
    /// The log, without secrets.
    pub(super) url: String,
    pub(super) stream: String,
    pub(super) selection: Selection,
    pub(super) to: To,
    /// How fast, unless it is said otherwise.
    pub(super) speed: String,
    pub(super) max_gap_ms: Option<u64>,
    /// What was recorded when it began: the last entry id of each partition.
    end: BTreeMap<Partition, String>,
    /// Where it is; none before the first event.
    mark: Option<Mark>,
    pub(super) delivered: u64,
    /// Of these, the ones that the command failed at.
    pub(super) failed: u64,
    pub(super) finished: bool,
    pub(super) began: String,
    pub(super) changed: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Mark {
    partition: Partition,
    entry_id: String,
    happened_ms: Option<i64>,
}

/// Where the events go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum To {
    Output,
    Command,
    Stream {
        /// Without secrets.
        url: String,
        /// As it can be given again; none where that would tell a secret.
        again: Option<String>,
        stream: String,
    },
}

impl To {
    /// In words.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Output => "standard output".to_owned(),
            Self::Command => "a command".to_owned(),
            Self::Stream { url, stream, .. } => format!("stream {stream} of {url}"),
        }
    }

    /// Whether it is the same place.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Stream { url, stream, .. },
                Self::Stream {
                    url: other_url,
                    stream: other,
                    ..
                },
            ) => url == other_url && stream == other,
            _ => self == other,
        }
    }
}

impl Kept {
    /// One that begins now.
    pub(super) fn begin(
        (url, stream): (String, String),
        selection: Selection,
        to: To,
        end: &Cursor,
    ) -> Self {
        let now = Timestamp::now().to_string();
        let end = end.iter();
        Self {
            version: VERSION,
            url,
            stream,
            selection,
            to,
            speed: String::new(),
            max_gap_ms: None,
            end: end
                .map(|at| (at.partition, at.entry_id.to_string()))
                .collect(),
            mark: None,
            delivered: 0,
            failed: 0,
            finished: false,
            began: now.clone(),
            changed: now,
        }
    }

    pub(super) fn reached(&mut self, mark: Option<ReplayMark>) {
        self.mark = mark.map(|mark| Mark {
            partition: mark.position.partition,
            entry_id: mark.position.entry_id.to_string(),
            happened_ms: mark.happened.map(Timestamp::as_millis),
        });
    }

    pub(super) fn end(&self) -> Option<Cursor> {
        let positions = self.end.iter().map(|(&partition, id)| {
            let entry_id: EntryId = id.parse().ok()?;
            Some(Position {
                partition,
                entry_id,
            })
        });
        positions.collect()
    }

    /// Where it is; none where nothing was delivered or what stands there is damaged, which [`Names::open`] refuses.
    pub(super) fn mark(&self) -> Option<ReplayMark> {
        let mark = self.mark.as_ref()?;
        let happened = mark.happened_ms.map(Timestamp::from_millis).transpose();
        Some(ReplayMark {
            position: Position {
                partition: mark.partition,
                entry_id: mark.entry_id.parse().ok()?,
            },
            happened: happened.ok()?,
        })
    }

    fn is_sound(&self) -> bool {
        self.end().is_some() && (self.mark.is_none() || self.mark().is_some())
    }
}

/// What the files of all versions hold.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// What the file holds; none where there is none.
pub(super) fn load(path: &Path) -> Result<Option<Kept>> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(reading(path, &error)),
    };
    let shown = path.display();
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let refused = |what: String| {
        Failure::new(format!("{shown} {what}")).hint(format!(
            "recount replay --forget {name} forgets it; the replay then begins anew"
        ))
    };
    let version: Result<Versioned, _> = serde_json::from_slice(&text);
    match version {
        Ok(Versioned { version: VERSION }) => {}
        Ok(Versioned { version }) => {
            return Err(refused(format!(
                "was written by another version of recount (it is of version {version}, this one reads {VERSION})"
            )));
        }
        Err(error) => return Err(refused(format!("is damaged: {error}"))),
    }
    let kept: Kept =
        serde_json::from_slice(&text).map_err(|error| refused(format!("is damaged: {error}")))?;
    if kept.is_sound() {
        Ok(Some(kept))
    } else {
        Err(refused(
            "is damaged: a place in it cannot be read".to_owned(),
        ))
    }
}

pub(super) fn reading(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("reading {}: {error}", path.display()))
}
