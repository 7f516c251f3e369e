//! Buffers that go round between those who encode and the writer.
//!
//! A large buffer fresh from the system costs a page fault for every four kilobytes; one that was used
//! before costs nothing.

use parking_lot::Mutex;

/// Buffers kept for the next batch.
const KEPT: usize = 8;
/// A larger one is given back to the system.
const BYTES_MAX: usize = 2 << 20;

/// Empty buffers that were used before.
#[derive(Default)]
pub(crate) struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    /// An empty buffer with room for `bytes`.
    pub(crate) fn take(&self, bytes: usize) -> Vec<u8> {
        let mut buffer = self.0.lock().pop().unwrap_or_default();
        buffer.reserve(bytes);
        buffer
    }

    /// Takes back buffers that are no longer needed.
    pub(crate) fn give_back(&self, buffers: Vec<Vec<u8>>) {
        let mut kept = self.0.lock();
        for mut buffer in buffers {
            if kept.len() < KEPT && buffer.capacity() <= BYTES_MAX {
                buffer.clear();
                kept.push(buffer);
            }
        }
    }
}
