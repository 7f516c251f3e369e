//! Reading and converting, on a thread of its own and a little ahead of the publishing.

mod convert;
mod lines;
mod runs;

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use recount::{EntryId, Event, Field, Limits, Position, Timestamp};
use tokio::sync::mpsc;

use super::format::{Detected, Format, FormatArg, detect};
use super::progress::Progress;

/// Chunks that may wait to be published. With [`CHUNK_BYTES`] it bounds what is in memory.
const CHUNKS_AHEAD: usize = 4;
/// Bytes of events after which a chunk is handed over.
const CHUNK_BYTES: usize = 1 << 20;
const READ_BYTES: usize = 256 << 10;

/// What the input holds.
pub(super) enum Item {
    Record(Record),
    Invalid(Invalid),
}

/// One thing to be recorded.
pub(super) enum Record {
    /// An event, and where it was recorded before.
    Event(Event, Option<Position>),
    /// An entry that is no event, as an export has it.
    Fields(Vec<Field>, Option<Position>),
}

impl Item {
    pub fn is_record(&self) -> bool {
        matches!(self, Self::Record(_))
    }
}

impl Record {
    fn bytes(&self) -> usize {
        match self {
            Self::Event(event, _) => event.wire_bytes(),
            Self::Fields(fields, _) => fields
                .iter()
                .map(|(name, value)| name.len() + value.len())
                .sum(),
        }
    }

    /// The entry id it had.
    pub fn entry_id(&self) -> Option<EntryId> {
        let (Self::Event(_, position) | Self::Fields(_, position)) = self;
        position.map(|position| position.entry_id)
    }
}

/// A part of the input that cannot be recorded.
#[derive(Debug)]
pub(super) struct Invalid {
    pub place: Place,
    pub reason: String,
    /// Whether reading ends here.
    pub last: bool,
    /// Whether reading could have gone on.
    pub skippable: bool,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}

/// Where in the input; told from 1 on, `run` is an index from 0. A column of 0 is not known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub run: Option<u64>,
    pub line: u64,
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, line, column } = *self;
        if let Some(run) = run {
            write!(f, "run {}", run + 1)?;
        }
        if line > 0 {
            let comma = if run.is_some() { ", " } else { "" };
            write!(f, "{comma}line {line}")?;
            if column > 0 {
                write!(f, ", column {column}")?;
            }
        }
        Ok(())
    }
}

/// What the command line says about reading.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    /// When the first run began that does not say so.
    pub synthetic_start: Timestamp,
    pub skip_invalid: bool,
    pub limits: Limits,
}

/// How many bytes were read so far.
#[derive(Clone, Default)]
pub(super) struct Counter(Arc<AtomicU64>);

impl Counter {
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct Counting {
    input: Box<dyn Read + Send>,
    counter: Counter,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.counter.0.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// A file that was opened and not yet read.
pub(super) struct Source {
    input: Counting,
    wanted: FormatArg,
    bytes: Option<u64>,
}

impl Source {
    pub fn open(path: &Path, wanted: FormatArg) -> io::Result<Self> {
        let (input, bytes): (Box<dyn Read + Send>, _) = if path.as_os_str() == "-" {
            (Box::new(io::stdin()), None)
        } else {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            if metadata.is_dir() {
                return Err(io::Error::new(
                    io::ErrorKind::IsADirectory,
                    "it is a directory, name a file in it",
                ));
            }
            let bytes = metadata.is_file().then_some(metadata.len());
            (Box::new(file), bytes)
        };
        Ok(Self {
            input: Counting {
                input,
                counter: Counter::default(),
            },
            wanted,
            bytes,
        })
    }

    pub fn counter(&self) -> Counter {
        self.input.counter.clone()
    }

    pub fn progress(&self, quiet: bool) -> Progress {
        Progress::new(self.bytes, quiet)
    }

    /// Starts reading. The thread ends at the end of the input, or once nobody receives.
    pub fn start(self, options: Options) -> mpsc::Receiver<Vec<Item>> {
        let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
        thread::spawn(move || {
            let mut chunks = Chunks {
                sender,
                options,
                items: Vec::new(),
                bytes: 0,
            };
            // Both ways of ending early were told to the receiver, or it is gone.
            let _ = read(self, &mut chunks);
            let _ = chunks.send();
        });
        receiver
    }
}

fn read(source: Source, chunks: &mut Chunks) -> Result<(), Done> {
    let input = BufReader::with_capacity(READ_BYTES, source.input);
    let detected = match detect(input, source.wanted) {
        Ok(detected) => detected,
        Err(error) => {
            return chunks.broken(
                Place {
                    run: None,
                    line: 1,
                    column: 0,
                },
                &error,
            );
        }
    };
    let Detected {
        format,
        lines_before,
        input,
    } = detected;
    match format {
        Format::Events => lines::events(input, lines_before, chunks),
        Format::RunLines => lines::runs(input, lines_before, chunks),
        Format::RunObjects => runs::objects(input, lines_before, chunks),
        Format::RunList => runs::list(input, lines_before, chunks),
    }
}

/// Reading is over: the input cannot be read on, or nobody receives any more.
struct Done;

/// Gathers items into chunks and hands them over.
struct Chunks {
    sender: mpsc::Sender<Vec<Item>>,
    options: Options,
    items: Vec<Item>,
    bytes: usize,
}

impl Chunks {
    fn record(&mut self, record: Record) -> Result<(), Done> {
        self.bytes += record.bytes();
        self.items.push(Item::Record(record));
        if self.bytes >= CHUNK_BYTES {
            self.send()?;
        }
        Ok(())
    }

    /// Something that cannot be recorded; reading could go on behind it.
    fn invalid(&mut self, place: Place, reason: String) -> Result<(), Done> {
        let last = !self.options.skip_invalid;
        self.items.push(Item::Invalid(Invalid {
            place,
            reason,
            last,
            skippable: true,
        }));
        if last { Err(Done) } else { Ok(()) }
    }

    /// Something behind which reading cannot go on.
    fn broken(&mut self, place: Place, reason: &impl fmt::Display) -> Result<(), Done> {
        self.items.push(Item::Invalid(Invalid {
            place,
            reason: reason.to_string(),
            last: true,
            skippable: false,
        }));
        Err(Done)
    }

    fn send(&mut self) -> Result<(), Done> {
        self.bytes = 0;
        let items = std::mem::take(&mut self.items);
        if items.is_empty() {
            return Ok(());
        }
        self.sender.blocking_send(items).map_err(|_| Done)
    }
}
