//! The group `audit`: every entry of a stream goes into a file, each line sealed by the hash of the line before.
//!
//! ```text
//! cargo run --example audit_group -- audit.ndjson [--drain]
//! ```
//!
//! A line is `{"prev":HASH,"entry":EVENT,"hash":HASH}`, its hash that of everything before it in the line. So
//! no line can be changed, taken out or put in between without changing the last hash: keep that one elsewhere.
//!
//! An entry is acknowledged once its line is on stable storage, and stands in the file once: what comes again after
//! a crash is known by its position. Two processes must not write one file; the second is told.

use std::collections::HashSet;
use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use recount::config::Sources;
use recount::json::Line;
use recount::{
    BatchHandler, GroupStart, HandlerError, Message, Position, Recorded, Recount, async_trait,
};
use sha2::{Digest, Sha256};

/// How many entries share one write and one sync at most.
const BATCH: usize = 256;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = Sources {
        variable: &|name| std::env::var_os(name), // RECOUNT_URL, RECOUNT_STREAM and the others
        ..Sources::default()
    };
    let config = settings.resolve()?.config;
    let (options, files): (Vec<_>, Vec<_>) = std::env::args()
        .skip(1)
        .partition(|argument| argument == "--drain");
    let path = files.first().map_or("audit.ndjson", String::as_str);
    let audit = AuditFile::open(path)?;
    eprintln!(
        "{path}: {} entries, last hash {}",
        audit.held.len(),
        audit.last_hash
    );

    let recount = Recount::builder().config(config).open().await?;
    let consumer = recount
        .consumer("audit")?
        .create_from(GroupStart::Start)
        .concurrency(1) // one file, one writer
        .hand_undecodable(true) // what is no event belongs into the audit as well
        .drain(!options.is_empty())
        .start_batch(Audit(Mutex::new(audit)), BATCH)
        .await?;
    let report = tokio::select! {
        report = consumer.finished() => report?,
        pressed = tokio::signal::ctrl_c() => {
            pressed?;
            consumer.stop().await?
        }
    };
    eprintln!("{path}: {} entries came", report.metrics.handled);
    recount.close().await?;
    Ok(())
}

struct Audit(Mutex<AuditFile>);

#[async_trait]
impl BatchHandler for Audit {
    async fn handle(&self, messages: &[Message]) -> Vec<Result<(), HandlerError>> {
        let written = tokio::task::block_in_place(|| {
            let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            file.append(messages.iter().map(|message| &message.entry))
        });
        // All of them or none: a full disk, say, is tried again until there is room, or the dead letters have them.
        let outcome = written.map_err(HandlerError::from);
        vec![outcome; messages.len()]
    }
}

struct AuditFile {
    file: File,
    /// Up to where the lines are whole.
    bytes: u64,
    last_hash: String,
    held: HashSet<Position>,
}

impl AuditFile {
    /// Opens a file and checks all of it. A last line that a crash left unfinished is cut off: its entry was not
    /// acknowledged.
    fn open(path: &str) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).open(path)?;
        file.try_lock().map_err(io::Error::from)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let mut audit = Self {
            file,
            bytes: 0,
            last_hash: "0".repeat(64),
            held: HashSet::new(),
        };
        for (n, line) in text.split_inclusive('\n').enumerate() {
            let Some(line) = line.strip_suffix('\n') else {
                break;
            };
            let broken =
                || io::Error::other(format!("{path}: the chain is broken in line {}", n + 1));
            let (position, hash) = audit.checked(line).ok_or_else(broken)?;
            audit.held.insert(position);
            hash.clone_into(&mut audit.last_hash);
            audit.bytes += line.len() as u64 + 1;
        }
        audit.file.set_len(audit.bytes)?;
        Ok(audit)
    }

    /// The position and the hash of a line that follows on the last one.
    fn checked<'a>(&self, line: &'a str) -> Option<(Position, &'a str)> {
        let (sealed, hash) = line.strip_suffix("\"}")?.rsplit_once(",\"hash\":\"")?;
        let entry = sealed.strip_prefix(&begun(&self.last_hash))?;
        let position = Line::parse(entry.as_bytes()).ok()?.position?;
        (seal(sealed) == hash).then_some((position, hash))
    }

    /// Adds those entries that are not there yet, in one write and one sync.
    fn append<'a>(&mut self, entries: impl Iterator<Item = &'a Recorded>) -> io::Result<()> {
        let (mut lines, mut last_hash) = (String::new(), self.last_hash.clone());
        let new: Vec<_> = entries
            .filter(|e| !self.held.contains(&e.position))
            .collect();
        for entry in &new {
            let sealed = begun(&last_hash) + &recount::json::line(entry);
            last_hash = seal(&sealed);
            lines.extend([&sealed, ",\"hash\":\"", &last_hash, "\"}\n"]);
        }
        let written = self.file.write_all(lines.as_bytes());
        if let Err(error) = written.and_then(|()| self.file.sync_data()) {
            // Half a line would break the chain.
            self.file.set_len(self.bytes)?;
            self.file.seek(SeekFrom::End(0))?;
            return Err(error);
        }
        self.bytes += lines.len() as u64;
        self.last_hash = last_hash;
        self.held.extend(new.iter().map(|entry| entry.position));
        Ok(())
    }
}

fn begun(prev: &str) -> String {
    format!("{{\"prev\":\"{prev}\",\"entry\":")
}

fn seal(text: &str) -> String {
    format!("{:x}", Bytes::copy_from_slice(&Sha256::digest(text)))
}
