//! Buffers that go round between those who encode and the writer.
//!
//! A large buffer fresh from the system costs a page fault for every four kilobytes; one that was used
//! before costs nothing.

use parking_lot::Mutex;

use crate::prepare::PreparedRecord;

/// Buffers kept for the next batch.
const KEPT: usize = 8;
/// A larger one is given back to the system.
const BYTES_MAX: usize = 2 << 20;

/// Records kept for the next batch, at most.
const RECORDS_MAX: usize = 4096;

/// Empty buffers that were used before.
#[derive(Default)]
pub(crate) struct Buffers {
    frames: Mutex<Vec<Vec<u8>>>,
    records: Mutex<Vec<Vec<PreparedRecord>>>,
}

impl Buffers {
    /// An empty buffer with room for `bytes`.
    pub(crate) fn take(&self, bytes: usize) -> Vec<u8> {
        let mut buffer = self.frames.lock().pop().unwrap_or_default();
        buffer.reserve(bytes);
        buffer
    }

    /// Takes back buffers that are no longer needed.
    pub(crate) fn give_back(&self, buffers: Vec<Vec<u8>>) {
        let mut kept = self.frames.lock();
        for mut buffer in buffers {
            if kept.len() < KEPT && buffer.capacity() <= BYTES_MAX {
                buffer.clear();
                kept.push(buffer);
            }
        }
    }

    /// An empty list with room for `count` records.
    pub(crate) fn take_records(&self, count: usize) -> Vec<PreparedRecord> {
        let mut records = self.records.lock().pop().unwrap_or_default();
        records.reserve(count);
        records
    }

    /// Takes back a list that is no longer needed.
    pub(crate) fn give_back_records(&self, mut records: Vec<PreparedRecord>) {
        let mut kept = self.records.lock();
        if kept.len() < KEPT && records.capacity() <= RECORDS_MAX {
            records.clear();
            kept.push(records);
        }
    }
}
