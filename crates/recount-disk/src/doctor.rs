//! Checking a data directory, and repairing it without inventing anything.
//!
//! [`examine`] reads everything of a stream and changes nothing; it works beside a process that
//! writes, and then looks no further than what that process answers for. [`repair`] takes the
//! writer's place, keeps every record that checks out, and says exactly what did not. What it takes out
//! of a file is saved first. `FORMAT.md`, "Repair", says in which order things happen.
//!
//! ```
//! use recount_core::{Event, EventLog, EventType};
//! use recount_disk::{DiskLog, DiskOptions, doctor};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let log = DiskLog::open(dir.path(), "memory:events", DiskOptions::default()).await?;
//! log.append(Event::builder(EventType::SessionStarted, "s1").build()?.into()).await?;
//! log.close().await?;
//! let report = doctor::examine(
//!     dir.path(),
//!     "memory:events",
//!     &DiskOptions::default(),
//!     &mut |progress| println!("{} of {} bytes", progress.done, progress.total),
//! )?;
//! assert_eq!(report.entries, 1);
//! assert!(report.findings.is_empty());
//! # Ok(())
//! # }
//! ```

mod cross;
mod exam;
mod files;
mod floor;
mod groups;
mod hiding;
mod mend;
mod names;
mod repair;
mod rewrite;
mod root;
mod segments;
mod tables;
mod walk;
mod words;

use std::fmt;
use std::path::Path;

use recount_core::EntryId;

use crate::error::OpenError;
use crate::options::DiskOptions;

pub use root::{Root, examine_root, repair_root};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something acknowledged cannot be read, or may be wrong.
    Damage,
    /// Something is missing or wrong that can be made again from the records, nothing lost.
    Rebuildable,
    /// Worth knowing; nothing is wrong with what is recorded.
    Notice,
}

impl Severity {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Damage => "damage",
            Self::Rebuildable => "rebuildable",
            Self::Notice => "notice",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name for programs.
    pub code: &'static str,
    /// The file, by its name in the stream's directory.
    pub file: String,
    /// Where in it, if it is one place.
    pub offset: Option<u64>,
    /// What is wrong, in a sentence.
    pub what: String,
    /// What a repair does about it, or what a person can do.
    pub remedy: String,
    /// What cannot be read any more.
    pub lost: Option<Loss>,
}

/// Entries that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// How many; none where nothing tells.
    pub entries: Option<u64>,
    /// They come after this entry; none where there is none before them.
    pub after: Option<EntryId>,
    /// They come before this entry; none where there is none behind them.
    pub before: Option<EntryId>,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.entries {
            Some(entries) => f.write_str(&words::count(entries, "entry", "entries"))?,
            None => f.write_str("an unknown number of entries")?,
        }
        match (self.after, self.before) {
            (Some(after), Some(before)) => write!(f, " between {after} and {before}"),
            (Some(after), None) => write!(f, " after {after}"),
            (None, Some(before)) => write!(f, " before {before}"),
            (None, None) => Ok(()),
        }
    }
}

/// A file and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    /// Its name in the directory.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// What it is, in words.
    pub what: String,
}

/// What an examination found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The stream.
    pub stream: String,
    /// Its directory.
    pub path: String,
    /// The process that is writing it, if one is: then its files were read up to what it answers for.
    pub writer: Option<String>,
    /// How many retained entries check out.
    pub entries: u64,
    /// Every file, by name.
    pub files: Vec<FileReport>,
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
}

impl Report {
    /// How many findings there are of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        let of = |finding: &&Finding| finding.severity == severity;
        self.findings.iter().filter(of).count()
    }
}

/// Something that a repair did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The file, by its name in the directory.
    pub file: String,
    /// What was done, in a sentence.
    pub what: String,
    /// What is lost for good.
    pub lost: Option<Loss>,
    /// Where the bytes are now that were taken out of the file.
    pub saved_to: Option<String>,
}

/// What a repair found, did and left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// What was found before.
    pub before: Report,
    /// What was done, in order.
    pub done: Vec<Done>,
    /// What is found now.
    pub after: Report,
}

impl Repaired {
    /// Whether nothing is lost for good, and nothing is damaged any more.
    pub fn is_whole(&self) -> bool {
        self.done.iter().all(|done| done.lost.is_none()) && self.after.count(Severity::Damage) == 0
    }
}

/// How far an examination is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// What is being looked at.
    pub what: &'a str,
    /// How many bytes were looked at.
    pub done: u64,
    /// Of how many.
    pub total: u64,
}

/// Is told how far it is.
pub type OnProgress<'a> = &'a mut dyn FnMut(Progress<'_>);

/// Checks every file of a stream. Changes nothing.
///
/// Fails where there is no such stream, where the data is of a newer version, or where the system
/// refuses to read; damage is no failure.
pub fn examine(
    dir: &Path,
    stream: &str,
    options: &DiskOptions,
    progress: OnProgress<'_>,
) -> Result<Report, OpenError> {
    exam::examine(dir, stream, options, progress)
}

/// Repairs what [`examine`] finds, as far as that can be done without inventing anything, and
/// examines again. Afterwards the stream opens, unless `after` says why not.
///
/// Fails with [`OpenError::Locked`] while another process writes. May be stopped at any time and run
/// again.
pub fn repair(
    dir: &Path,
    stream: &str,
    options: &DiskOptions,
    progress: OnProgress<'_>,
) -> Result<Repaired, OpenError> {
    repair::repair(dir, stream, options, progress)
}
