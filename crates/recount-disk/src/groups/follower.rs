//! The groups of a stream in a process that reads it.

use std::sync::Arc;

use parking_lot::Mutex;

use super::frame::{FILE_HEADER, FileHeader, salt};
use super::load::{replay, synced_behind};
use super::state::State;
use crate::dir::StreamDir;
use crate::error::{Doing, Fault};
use crate::storage::{OpenHow, read_exact};

/// Follows `groups.log`.
pub(crate) struct Following {
    dir: Arc<StreamDir>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    state: State,
    /// The number of the file that was read, and up to where.
    at: Option<(u64, u64)>,
}

impl Following {
    pub(crate) fn new(dir: &Arc<StreamDir>) -> Self {
        Self {
            dir: Arc::clone(dir),
            seen: Mutex::default(),
        }
    }

    /// Looks at the state that was read last.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.seen.lock().state)
    }

    /// Reads what is new. Behind the last whole frame one may be on its way, or torn: it is left alone.
    pub(crate) fn refresh(&self) -> Result<(), Fault> {
        let path = self.dir.groups();
        let mut seen = self.seen.lock();
        let file = match self.dir.storage.open(&path, OpenHow::Read) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                *seen = Seen::default();
                return Ok(());
            }
            other => other.doing("opening", &path)?,
        };
        let len = file.len().doing("reading", &path)?;
        let head = read_exact(&*file, 0, FILE_HEADER.min(len as usize)).doing("reading", &path)?;
        let header = FileHeader::decode(&head, &self.dir.meta)
            .map_err(|what| Fault::corrupt(&path, 0, what))?;
        let from = match seen.at {
            Some((number, end)) if number == header.number && end <= len => end,
            _ => {
                seen.state = State::default();
                FILE_HEADER as u64
            }
        };
        // Forgotten if it cannot be read on.
        seen.at = None;
        let mut bytes = vec![0; (len - from) as usize];
        let read = file.read_at(&mut bytes, from).doing("reading", &path)?;
        bytes.truncate(read);
        let salt = salt(&self.dir.meta, header.number);
        let mut end = from;
        loop {
            let at = (end - from) as usize;
            if at == bytes.len() {
                break;
            }
            match replay(&mut seen.state, &bytes[at..], salt, end) {
                Ok(taken) => end += taken as u64,
                Err(bad) if bad.whole => return Err(Fault::corrupt(&path, end, bad.what)),
                // Behind a frame that is on its way nothing says that it was on stable storage.
                Err(bad) if synced_behind(&bytes[at..], end, salt) > end => {
                    return Err(Fault::corrupt(&path, end, bad.what));
                }
                Err(_) => break,
            }
        }
        if end < header.snapshot {
            return Err(Fault::corrupt(
                &path,
                end,
                "a frame is incomplete or damaged",
            ));
        }
        seen.at = Some((header.number, end));
        Ok(())
    }
}
