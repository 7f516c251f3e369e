//! The rival: a Redis server of our own, with an append-only file.

mod reply;

use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use bytes::{Bytes, BytesMut};
use clap::ValueEnum;
use recount_core::{EntryId, Event, Recorded, codec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::ours::STREAM;

/// Another process may take the port between our finding it free and the server's taking it.
const START_ATTEMPTS: usize = 5;

/// The server that is started where no other is named.
pub const PROGRAM: &str = "redis-server";

/// What is said where there is none.
pub const MISSING: &str = "no redis-server in the PATH: install one to compare with it";

/// What the installed server calls itself, if there is one.
pub fn version() -> Option<String> {
    version_of(Path::new(PROGRAM))
}

/// What a server calls itself; none where there is no such program.
pub fn version_of(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text
        .split_whitespace()
        .find_map(|word| word.strip_prefix("v="))?;
    Some(version.to_owned())
}

/// When the server syncs what it wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fsync {
    /// Before every acknowledgement
    Always,
    /// Once a second
    Everysec,
    /// When the operating system sees fit
    No,
    /// Never: there is no append-only file
    Off,
}

impl Fsync {
    fn arguments(self) -> [&'static str; 4] {
        let (appendonly, appendfsync) = match self {
            Self::Always => ("yes", "always"),
            Self::Everysec => ("yes", "everysec"),
            Self::No => ("yes", "no"),
            Self::Off => ("no", "no"),
        };
        ["--appendonly", appendonly, "--appendfsync", appendfsync]
    }
}

/// A running server; stopped when dropped.
pub struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Starts a server that keeps its append-only file in `dir`, on a free port.
    pub fn start(dir: &Path, fsync: Fsync) -> io::Result<Self> {
        Self::start_program(Path::new(PROGRAM), dir, fsync, &[])
    }

    /// The same with another program, and with further arguments.
    pub fn start_program(
        program: &Path,
        dir: &Path,
        fsync: Fsync,
        more: &[&str],
    ) -> io::Result<Self> {
        for _ in 0..START_ATTEMPTS {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
                .local_addr()?
                .port();
            let mut child = Command::new(program)
                .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
                .args(fsync.arguments())
                // No snapshots and no rewrites in between: only what is asked for is measured.
                .args(["--save", "", "--auto-aof-rewrite-percentage", "0"])
                .args(more)
                .arg("--dir")
                .arg(dir)
                .stdout(Stdio::piped())
                .spawn()?;
            let mut log = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
            let server = Self { child, port };
            let mut line = String::new();
            while log.read_line(&mut line)? > 0 {
                if line.contains("Ready to accept connections") {
                    // Read on, so that the server never waits for its own log.
                    thread::spawn(move || io::copy(&mut log, &mut io::sink()));
                    return Ok(server);
                }
                line.clear();
            }
        }
        Err(io::Error::other(format!(
            "{} does not start",
            program.display()
        )))
    }

    /// The port of this machine that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Opens a connection.
    pub async fn connect(&self) -> io::Result<Connection> {
        Connection::open(self.port).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone after the wait.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One client.
pub struct Connection {
    stream: TcpStream,
    out: Vec<u8>,
    replies: Replies,
    buffer: Vec<u8>,
    /// What came in of a reply that is kept.
    incoming: BytesMut,
}

/// How much is read of a reply at a time at least.
const READ_BYTES: usize = 256 << 10;

impl Connection {
    /// Connects to the server at `port` of this machine.
    pub async fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            out: Vec::new(),
            replies: Replies::default(),
            buffer: vec![0; 16 << 10],
            incoming: BytesMut::new(),
        })
    }

    /// The first `limit` entries after `after`, decoded.
    pub async fn page(&mut self, after: EntryId, limit: usize) -> io::Result<Vec<Recorded>> {
        let start = format!("({after}");
        let limit = limit.to_string();
        let reply = self
            .command(&["XRANGE", STREAM, &start, "+", "COUNT", &limit])
            .await?;
        reply::entries(reply)
    }

    /// Cuts the stream back to its newest `length` entries; how many were removed.
    pub async fn trim(&mut self, length: u64) -> io::Result<u64> {
        let length = length.to_string();
        let reply = self
            .command(&["XTRIM", STREAM, "MAXLEN", "=", &length])
            .await?;
        reply::number(&reply)
    }

    /// Sends a command and waits for the whole reply.
    async fn command(&mut self, arguments: &[&str]) -> io::Result<Bytes> {
        self.out.clear();
        header(&mut self.out, b'*', arguments.len());
        for argument in arguments {
            bulk(&mut self.out, argument.as_bytes());
        }
        self.stream.write_all(&self.out).await?;
        let mut end = reply::End::default();
        while !end.found(&self.incoming)? {
            self.incoming.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.incoming).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.incoming.split_to(end.at).freeze())
    }

    /// Sends one XADD an event in one go and waits for all of the replies.
    pub async fn append(&mut self, events: &[Event]) -> io::Result<()> {
        self.out.clear();
        for event in events {
            xadd(&mut self.out, event);
        }
        self.stream.write_all(&self.out).await?;
        let mut missing = events.len();
        while missing > 0 {
            let read = self.stream.read(&mut self.buffer).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            missing -= self.replies.count(&self.buffer[..read])?;
        }
        Ok(())
    }
}

/// Writes the command that adds `event`, with the fields that Recount would give it.
fn xadd(out: &mut Vec<u8>, event: &Event) {
    let fields = codec::encode(event);
    header(out, b'*', 3 + 2 * fields.len());
    for argument in [&b"XADD"[..], STREAM.as_bytes(), b"*"] {
        bulk(out, argument);
    }
    for (name, value) in &fields {
        bulk(out, name);
        bulk(out, value);
    }
}

fn bulk(out: &mut Vec<u8>, value: &[u8]) {
    header(out, b'$', value.len());
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn header(out: &mut Vec<u8>, kind: u8, number: usize) {
    out.push(kind);
    out.extend_from_slice(number.to_string().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Counts the replies to XADD as they come in: `$15\r\n1700000000000-0\r\n`, two lines each.
#[derive(Default)]
struct Replies {
    line: Vec<u8>,
    within: bool,
}

impl Replies {
    /// How many replies end in `bytes`.
    fn count(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut replies = 0;
        for &byte in bytes {
            if byte != b'\n' {
                self.line.push(byte);
                continue;
            }
            if !self.within && self.line.first() != Some(&b'$') {
                let line = String::from_utf8_lossy(&self.line);
                return Err(io::Error::other(format!("redis-server says {line}")));
            }
            replies += usize::from(self.within);
            self.within = !self.within;
            self.line.clear();
        }
        Ok(replies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_counted_however_they_arrive() {
        let wire = b"$3\r\n1-0\r\n$3\r\n1-1\r\n";
        for cut in 0..wire.len() {
            let mut replies = Replies::default();
            let counted =
                replies.count(&wire[..cut]).unwrap() + replies.count(&wire[cut..]).unwrap();
            assert_eq!(counted, 2, "cut at {cut}");
        }
        let error = Replies::default().count(b"-ERR full\r\n").unwrap_err();
        assert!(error.to_string().contains("ERR full"));
    }

    #[test]
    fn the_command_is_an_array_of_bulk_strings() {
        let event = Event::builder(recount_core::EventType::ToolCalled, "s1")
            .id("e1")
            .build()
            .unwrap();
        let mut out = Vec::new();
        xadd(&mut out, &event);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with(
            "*15\r\n$4\r\nXADD\r\n$13\r\nmemory:events\r\n$1\r\n*\r\n$2\r\nid\r\n$2\r\ne1\r\n"
        ));
        assert!(text.ends_with("$4\r\ndata\r\n$2\r\n{}\r\n"));
    }
}
