//! What is to go wrong, and when.

use std::io;

/// Something to go wrong once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The `nth` write from now on, from 0, finds the disk full after so many bytes.
    FullAtWrite {
        /// Which write.
        nth: u64,
        /// How many bytes still find a place.
        written: usize,
    },
    /// The `nth` sync of a file or a directory from now on, from 0, fails.
    SyncFails {
        /// Which sync.
        nth: u64,
    },
    /// The `nth` read from now on, from 0, fails.
    ReadFails {
        /// Which read.
        nth: u64,
    },
}

/// How a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It is killed; what it wrote stays.
    Kill,
    /// The power fails; what was not synced may be lost.
    Power,
}

/// When, seen from an operation, a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before the operation did anything.
    Before,
    /// After a write has written so many of its bytes. Before any other operation.
    During(usize),
    /// When the operation is done, but whoever asked for it does not learn it.
    After,
}

/// Everything that is scheduled, counted down.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    scheduled: Vec<Fault>,
    stop: Option<(u64, Moment, Stop)>,
    operations: u64,
    stopped: bool,
}

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.scheduled.push(fault);
    }

    pub(super) fn stop_at(&mut self, operation: u64, moment: Moment, how: Stop) {
        self.stop = Some((self.operations + operation, moment, how));
    }

    pub(super) fn clear(&mut self) {
        self.scheduled.clear();
        self.stop = None;
    }

    pub(super) fn operations(&self) -> u64 {
        self.operations
    }

    pub(super) fn stopped(&self) -> bool {
        self.stopped
    }

    pub(super) fn end(&mut self) {
        self.stopped = true;
    }

    /// Counts an operation; says if the process ends at it.
    pub(super) fn count(&mut self) -> Option<(Moment, Stop)> {
        let now = self.operations;
        self.operations += 1;
        let (_, moment, how) = self.stop.filter(|&(at, ..)| at == now)?;
        Some((moment, how))
    }

    /// Counts a write; after how many bytes it finds the disk full, if it does.
    pub(super) fn write(&mut self) -> Option<usize> {
        let mut full = None;
        self.scheduled.retain_mut(|fault| match fault {
            Fault::FullAtWrite { nth: 0, written } => {
                full = Some(*written);
                false
            }
            Fault::FullAtWrite { nth, .. } => {
                *nth -= 1;
                true
            }
            _ => true,
        });
        full
    }

    /// Counts a sync.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.due(|fault| match fault {
            Fault::SyncFails { nth } => Some(nth),
            _ => None,
        })
    }

    /// Counts a read.
    pub(super) fn read(&mut self) -> io::Result<()> {
        self.due(|fault| match fault {
            Fault::ReadFails { nth } => Some(nth),
            _ => None,
        })
    }

    fn due(&mut self, countdown: impl Fn(&mut Fault) -> Option<&mut u64>) -> io::Result<()> {
        let before = self.scheduled.len();
        self.scheduled.retain_mut(|fault| match countdown(fault) {
            Some(0) => false,
            Some(nth) => {
                *nth -= 1;
                true
            }
            None => true,
        });
        if self.scheduled.len() < before {
            return Err(failed());
        }
        Ok(())
    }
}

/// The disk is full: `ENOSPC`.
pub(super) fn full() -> io::Error {
    io::Error::from_raw_os_error(28)
}

/// The disk failed: `EIO`.
fn failed() -> io::Error {
    io::Error::from_raw_os_error(5)
}

/// What a process that is gone gets for an answer.
pub(super) fn refused() -> io::Error {
    io::Error::other("the simulated process has ended")
}
