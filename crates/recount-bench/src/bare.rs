//! The physical baseline: the least that a log on this disk can do.
//!
//! Segments of 64 MiB; a batch is one frame (length, CRC-32C, the events' fields with their
//! lengths) and one write, followed by `fdatasync` where it is to be synced. No entry ids, no
//! index, no duplicates found, no readers, one thread.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use recount_core::Event;

const SEGMENT_BYTES: u64 = 64 << 20;
const FRAME_HEADER_BYTES: usize = 8;

/// The log, open for appending.
pub struct BareLog {
    dir: PathBuf,
    sync: bool,
    segment: File,
    segment_bytes: u64,
    segments: u64,
    frame: Vec<u8>,
}

impl BareLog {
    /// Starts a log in the empty directory `dir`; `sync` makes every append wait for the disk.
    pub fn create(dir: &Path, sync: bool) -> io::Result<Self> {
        Ok(Self {
            dir: dir.to_owned(),
            sync,
            segment: create_segment(dir, 0, sync)?,
            segment_bytes: 0,
            segments: 1,
            frame: Vec::new(),
        })
    }

    /// Appends a batch as one frame.
    pub fn append(&mut self, events: &[Event]) -> io::Result<()> {
        self.frame.clear();
        self.frame.resize(FRAME_HEADER_BYTES, 0);
        self.frame
            .extend_from_slice(&(events.len() as u32).to_le_bytes());
        for event in events {
            encode(&mut self.frame, event);
        }
        let body = &self.frame[FRAME_HEADER_BYTES..];
        let length = (body.len() as u32).to_le_bytes();
        let checksum = crc32c::crc32c(body).to_le_bytes();
        self.frame[..4].copy_from_slice(&length);
        self.frame[4..8].copy_from_slice(&checksum);

        if self.segment_bytes >= SEGMENT_BYTES {
            self.segment = create_segment(&self.dir, self.segments, self.sync)?;
            self.segments += 1;
            self.segment_bytes = 0;
        }
        self.segment.write_all(&self.frame)?;
        if self.sync {
            self.segment.sync_data()?;
        }
        self.segment_bytes += self.frame.len() as u64;
        Ok(())
    }
}

fn create_segment(dir: &Path, number: u64, sync: bool) -> io::Result<File> {
    let segment = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(dir.join(format!("{number:08}.log")))?;
    if sync {
        // Else a power failure could take the file's name, and with it all that was synced into it.
        File::open(dir)?.sync_all()?;
    }
    Ok(segment)
}

fn encode(frame: &mut Vec<u8>, event: &Event) {
    frame.extend_from_slice(&event.timestamp.as_millis().to_le_bytes());
    frame.extend_from_slice(&event.version.to_le_bytes());
    field(frame, event.id.as_str().as_bytes());
    field(frame, event.event_type.as_str().as_bytes());
    field(frame, event.session_id.as_bytes());
    for (_, id) in event.optional_ids() {
        field(frame, id.unwrap_or_default().as_bytes());
    }
    field(frame, event.data.as_bytes());
}

fn field(frame: &mut Vec<u8>, value: &[u8]) {
    frame.extend_from_slice(&(value.len() as u32).to_le_bytes());
    frame.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::{Generator, IdOrder};

    #[test]
    fn it_reads_back_what_it_wrote_over_several_segments() {
        let dir = tempfile::tempdir().unwrap();
        let events = Generator::new(1, IdOrder::Random).take(3_000);
        let rounds = 60;
        let mut log = BareLog::create(dir.path(), false).unwrap();
        for _ in 0..rounds {
            for batch in events.chunks(64) {
                log.append(batch).unwrap();
            }
        }
        assert!(log.segments > 1);

        let mut expected = Vec::new();
        for event in &events {
            encode(&mut expected, event);
        }
        let mut found = Vec::new();
        for number in 0..log.segments {
            read(&dir.path().join(format!("{number:08}.log")), &mut found);
        }
        assert_eq!(found, expected.repeat(rounds));
    }

    #[test]
    fn a_synced_log_holds_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let events = Generator::new(2, IdOrder::Ordered).take(10);
        BareLog::create(dir.path(), true)
            .unwrap()
            .append(&events)
            .unwrap();
        let (mut found, mut expected) = (Vec::new(), Vec::new());
        read(&dir.path().join("00000000.log"), &mut found);
        for event in &events {
            encode(&mut expected, event);
        }
        assert_eq!(found, expected);
    }

    /// Appends the events of a segment, as they were encoded, to `events`.
    fn read(path: &Path, events: &mut Vec<u8>) {
        let segment = std::fs::read(path).unwrap();
        let mut rest = segment.as_slice();
        while !rest.is_empty() {
            let number = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
            let end = FRAME_HEADER_BYTES + number(0) as usize;
            let body = &rest[FRAME_HEADER_BYTES..end];
            assert_eq!(crc32c::crc32c(body), number(4));
            events.extend_from_slice(&body[4..]);
            rest = &rest[end..];
        }
    }
}
