//! The state and its file together: every change is written before it is applied.

use std::time::{Duration, Instant};

use recount_core::{EntryId, GroupError, ReadError};

use super::change::Change;
use super::journal::Journal;
use super::load::{self, Loaded};
use super::state::State;
use crate::dir::StreamDir;
use crate::error::{Doing, Fault};
use crate::open::save;
use crate::storage::OpenHow;

/// How long calls go on without a look whether the file is still in its place.
const CHECK_EVERY: Duration = Duration::from_millis(10);

/// What the groups' lock guards.
pub(super) struct Inner {
    pub(super) state: State,
    /// None until the file is written the first time in this life, if there was none or the last life did
    /// not end in order.
    pub(super) journal: Option<Journal>,
    /// The number of the file that was found.
    number: u64,
    /// What stands behind its last whole frame, from where on, until that is set aside.
    torn: Option<(u64, Vec<u8>)>,
    /// Whether the file tells that this life began.
    began: bool,
    /// The log's last id when it did.
    tail: EntryId,
    /// How many frames were written in this life.
    pub(super) written: u64,
    pub(super) closed: bool,
    /// Why nothing more is written.
    pub(super) stopped: Option<String>,
    checked_at: Instant,
}

impl Inner {
    /// Of a log that ends at `tail`.
    pub(super) fn new(tail: EntryId) -> Self {
        Self {
            state: State::default(),
            journal: None,
            number: 0,
            torn: None,
            began: false,
            tail,
            written: 0,
            closed: false,
            stopped: None,
            checked_at: Instant::now(),
        }
    }

    /// Takes in what the file holds.
    pub(super) fn take_in(
        &mut self,
        dir: &StreamDir,
        bytes: &[u8],
        notes: &mut Vec<String>,
    ) -> Result<(), Fault> {
        let path = dir.groups();
        let Loaded {
            state,
            header,
            end,
            bad,
        } = load::load(bytes, &dir.meta).map_err(|what| Fault::corrupt(&path, 0, what))?;
        if let Some(bad) = bad.filter(|bad| bad.was_synced) {
            return Err(Fault::corrupt(&path, end, bad.what));
        }
        self.state = state;
        self.number = header.number;
        let ended = self.state.ended && bad.is_none();
        let ahead = self.state.ahead_of(self.tail);
        for name in &ahead {
            notes.push(format!(
                "group {name} had been delivered entries that the log lost: it goes on after {}",
                self.tail
            ));
        }
        let begin = Change::Begin { tail: self.tail };
        applied(self.state.apply(&begin));
        if ended && ahead.is_empty() {
            let file = dir
                .storage
                .open(&path, OpenHow::Write)
                .doing("opening", &path)?;
            self.journal = Some(Journal::going_on(
                file,
                dir,
                header.number,
                end,
                header.snapshot,
            ));
            return Ok(());
        }
        if bad.is_none() && ahead.is_empty() {
            return Ok(());
        }
        self.torn = Some((end, bytes[end as usize..].to_vec()));
        match self.write_anew(dir, notes) {
            // There may be space by the time something changes; until then the file stays as it is.
            Err(fault @ Fault::Io { full: true, .. }) if ahead.is_empty() => {
                tracing::warn!(%fault, "the consumer groups' file is written anew later");
                Ok(())
            }
            done => done,
        }
    }

    /// Writes the state to a new file.
    fn write_anew(&mut self, dir: &StreamDir, notes: &mut Vec<String>) -> Result<(), Fault> {
        if let Some((end, torn)) = &self.torn
            && torn.iter().any(|&byte| byte != 0)
        {
            let lost = dir.new_lost_groups(self.number, *end);
            save(&*dir.storage, &lost, torn)?;
            let note = format!(
                "{} ended in an incomplete write: {} bytes from byte {end} on were set aside in {}; at worst, entries are delivered again",
                dir.groups().display(),
                torn.len(),
                lost.display()
            );
            notes.push(note);
        }
        self.torn = None;
        self.journal = Some(Journal::write_anew(dir, &self.state, self.number + 1)?);
        // What the file holds is this life's.
        self.began = true;
        Ok(())
    }

    /// The number of the last file there was.
    fn number(&self) -> u64 {
        let journal = self.journal.as_ref();
        journal.map_or(self.number, |journal| journal.number)
    }

    /// Writes changes as one frame, and applies them.
    pub(super) fn commit(
        &mut self,
        dir: &StreamDir,
        mut changes: Vec<Change<'_>>,
    ) -> Result<(), GroupError> {
        self.check_open()?;
        self.write(dir, &mut changes).map_err(|fault| {
            if fault.is_failed_sync() || matches!(fault, Fault::Corrupt { .. }) {
                self.stop(&fault)
            } else {
                group_error(fault)
            }
        })?;
        for change in &changes {
            applied(self.state.apply(change));
        }
        self.written += 1;
        Ok(())
    }

    fn write(&mut self, dir: &StreamDir, changes: &mut [Change<'_>]) -> Result<(), Fault> {
        let path = dir.groups();
        if self.journal.is_none() {
            self.write_anew(dir, &mut Vec::new())?;
        }
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        if self.checked_at.elapsed() >= CHECK_EVERY {
            if !journal.file.still_stands().doing("checking", &path)? {
                let what = "it was removed or replaced while it was being written";
                return Err(Fault::corrupt(&path, 0, what));
            }
            self.checked_at = Instant::now();
        }
        if self.began {
            return journal.append(changes, &path);
        }
        // The state began this life when it was opened; the file is told now.
        let begin = [Change::Begin { tail: self.tail }];
        let with_begin: Vec<Change<'_>> =
            begin.into_iter().chain(changes.iter().cloned()).collect();
        journal.append(&with_begin, &path)?;
        self.began = true;
        Ok(())
    }

    pub(super) fn check_open(&self) -> Result<(), GroupError> {
        if self.closed {
            return Err(ReadError::Closed.into());
        }
        match &self.stopped {
            Some(reason) => Err(GroupError::Stopped {
                reason: reason.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Stops writing for good.
    pub(super) fn stop(&mut self, fault: &Fault) -> GroupError {
        let reason = fault.to_string();
        tracing::error!(%reason, "the consumer groups can no longer be written");
        self.stopped = Some(reason.clone());
        GroupError::Stopped { reason }
    }
}

/// A change is made for the state it is applied to.
fn applied(done: Option<()>) {
    assert!(
        done.is_some(),
        "a change of the groups does not fit their state"
    );
}

pub(super) fn group_error(fault: Fault) -> GroupError {
    match fault {
        Fault::Io {
            path, full: true, ..
        } => GroupError::Full { path },
        Fault::Io {
            action,
            path,
            message,
            ..
        } => GroupError::Storage {
            action,
            path,
            message,
        },
        corrupt @ Fault::Corrupt { .. } => GroupError::Read(corrupt.into()),
    }
}

impl Inner {
    /// Tells the file that this life ends in order.
    pub(super) fn end(&mut self, dir: &StreamDir) -> Result<(), Fault> {
        if self.stopped.is_some() {
            return Ok(());
        }
        if self.state.groups.values().any(|group| group.untold) {
            // The times of calls and of pending entries as they are, told once.
            self.state.ended = true;
            match Journal::write_anew(dir, &self.state, self.number() + 1) {
                Ok(_) => return Ok(()),
                Err(fault) if fault.is_failed_sync() => return Err(fault),
                Err(fault) => {
                    tracing::debug!(%fault, "the last calls of consumers are not written down");
                }
            }
        }
        let path = dir.groups();
        let Some(journal) = self.journal.as_mut().filter(|_| self.began) else {
            return Ok(());
        };
        let end = journal.end;
        journal.append(&[Change::End], &path)?;
        journal
            .file
            .sync()
            .doing("syncing", &path)
            .inspect_err(|_| {
                // Nobody knows what is on stable storage: the next opening writes it all anew.
                journal.take_back(end);
            })
    }
}
