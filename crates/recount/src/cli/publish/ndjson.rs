//! Events from a stream of JSON lines, as they arrive.

use std::io;
use std::thread;

use recount::json::{InvalidLine, Line, LineBody};
use recount::{Event, Limits};
use tokio::sync::mpsc;

use crate::cli::input::{BYTE_ORDER_MARK, foreign};

/// A line's event, or why it holds none.
pub(super) type Parsed = Result<Read, BadLine>;

/// An event that was read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) event: Event,
    /// Whether the line gives its id; otherwise it was made here.
    pub(super) own_id: bool,
    /// The line's number, from 1.
    pub(super) line: u64,
}

/// A line that is no event.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLine {
    /// Its number, from 1.
    pub(super) line: u64,
    /// Where in it, from 1; 0 where the whole line is meant.
    pub(super) column: usize,
    /// What is wrong.
    pub(super) message: String,
}

impl std::fmt::Display for BadLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}", self.line)?;
        if self.column > 0 {
            write!(f, ", column {}", self.column)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Bytes after which a line is refused rather than kept: no legal event is as long, however much of
/// it is escaped.
fn line_bytes_max(limits: &Limits) -> usize {
    8 * limits.event_bytes_max.max(1 << 20)
}

/// Reads `input` on a thread of its own, and hands over what arrived together. At most a few
/// pieces are read ahead.
pub(super) fn read(
    mut input: impl io::Read + Send + 'static,
    limits: Limits,
) -> mpsc::Receiver<io::Result<Vec<Parsed>>> {
    const READ_BYTES: usize = 256 << 10;
    let (sender, receiver) = mpsc::channel(4);
    thread::spawn(move || {
        let mut splitter = Splitter::new(line_bytes_max(&limits), limits);
        let mut bytes = vec![0; READ_BYTES];
        loop {
            let events = match input.read(&mut bytes) {
                Ok(0) => {
                    // The receiver may be gone, and then nobody misses the rest.
                    let _ = sender.blocking_send(Ok(splitter.finish()));
                    return;
                }
                Ok(count) => Ok(splitter.push(&bytes[..count])),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            if sender.blocking_send(events).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Cuts bytes into lines and lines into events.
struct Splitter {
    line_bytes_max: usize,
    limits: Limits,
    /// The beginning of a line whose end has not arrived.
    partial: Vec<u8>,
    /// Whether the beginning of that line was thrown away because it is too long.
    overlong: bool,
    /// Lines that ended.
    lines: u64,
}

impl Splitter {
    fn new(line_bytes_max: usize, limits: Limits) -> Self {
        Self {
            line_bytes_max,
            limits,
            partial: Vec::new(),
            overlong: false,
            lines: 0,
        }
    }

    fn push(&mut self, bytes: &[u8]) -> Vec<Parsed> {
        let mut parsed = Vec::new();
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.partial.len() + piece.len() > self.line_bytes_max {
                self.overlong = true;
                self.partial.clear();
            }
            match piece.strip_suffix(b"\n") {
                Some(end) if self.partial.is_empty() => parsed.extend(self.line(end)),
                Some(end) => {
                    let mut line = std::mem::take(&mut self.partial);
                    line.extend_from_slice(end);
                    parsed.extend(self.line(&line));
                }
                None if self.overlong => {}
                None => self.partial.extend_from_slice(piece),
            }
        }
        parsed
    }

    /// The last line, if it has no end.
    fn finish(&mut self) -> Vec<Parsed> {
        let rest = std::mem::take(&mut self.partial);
        if rest.is_empty() && !self.overlong {
            return Vec::new();
        }
        self.line(&rest).into_iter().collect()
    }

    /// None for a blank line.
    fn line(&mut self, line: &[u8]) -> Option<Parsed> {
        self.lines += 1;
        let bad = |(column, message)| BadLine {
            line: self.lines,
            column,
            message,
        };
        if std::mem::take(&mut self.overlong) {
            let limit = self.line_bytes_max >> 20;
            return Some(Err(bad((0, format!("longer than {limit} MiB")))));
        }
        let line = match self.lines {
            1 => {
                if let Some(what) = foreign(line) {
                    return Some(Err(bad((0, what.to_owned()))));
                }
                line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line)
            }
            _ => line,
        };
        if line.trim_ascii().is_empty() {
            return None;
        }
        let read = |(event, own_id)| Read {
            event,
            own_id,
            line: self.lines,
        };
        Some(parse(line, &self.limits).map(read).map_err(bad))
    }
}

/// The event of a line and whether the line gives its id, or the column and the reason.
fn parse(line: &[u8], limits: &Limits) -> Result<(Event, bool), (usize, String)> {
    let invalid = |error: InvalidLine| (error.column(), error.to_string());
    let line = match Line::parse(line).map_err(invalid)?.body {
        LineBody::Event(line) => line,
        LineBody::Fields(_) => {
            let message = "holds the fields of an entry that is no event: recount import takes it";
            return Err((0, message.to_owned()));
        }
    };
    let own_id = line.gives_id();
    let event = line.into_event();
    let event = event.map_err(|error| (0, error.to_string()))?;
    match event.validate(limits) {
        Ok(()) => Ok((event, own_id)),
        Err(error) => Err((0, error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = r#"{"id":"a","type":"t","session_id":"s"}"#;

    fn splitter(line_bytes_max: usize) -> Splitter {
        Splitter::new(line_bytes_max, Limits::default())
    }

    fn ids(parsed: &[Parsed]) -> Vec<String> {
        let told = parsed.iter().map(|line| match line {
            Ok(read) => read.event.id.to_string(),
            Err(bad) => bad.to_string(),
        });
        told.collect()
    }

    #[test]
    fn lines_are_found_wherever_the_input_is_cut() {
        let input = format!(
            "{A}\r\n\n  \n{}\n{}",
            A.replace('a', "b"),
            A.replace("\"a\"", "\"c\"")
        );
        for cut in 0..=input.len() {
            let mut splitter = splitter(1 << 20);
            let mut parsed = splitter.push(&input.as_bytes()[..cut]);
            parsed.extend(splitter.push(&input.as_bytes()[cut..]));
            parsed.extend(splitter.finish());
            assert_eq!(parsed.len(), 3, "cut at {cut}");
            assert_eq!(ids(&parsed)[2], "c");
        }
    }

    #[test]
    fn a_bad_line_is_named_by_number_and_column_and_the_next_one_is_read() {
        let input = format!("{A}\n{{\"type\": nope}}\n[]\n{{\"type\":\"t\"}}\n{A}\n");
        let parsed = splitter(1 << 20).push(input.as_bytes());
        let told = ids(&parsed);
        assert_eq!(told[0], "a");
        assert!(
            told[1].starts_with("line 2, column 11: expected a JSON value"),
            "{}",
            told[1]
        );
        assert!(told[2].ends_with("but this is an array"), "{}", told[2]);
        assert_eq!(told[3], "line 4: the key \"session_id\" is missing");
        assert_eq!(told[4], "a");
    }

    #[test]
    fn a_byte_order_mark_is_passed_over_and_what_is_no_text_is_named() {
        let marked = splitter(1 << 20).push(format!("\u{feff}{A}\n").as_bytes());
        assert_eq!(ids(&marked), ["a"]);
        // Only at the beginning.
        let inside = splitter(1 << 20).push(format!("{A}\n\u{feff}{A}\n").as_bytes());
        assert!(ids(&inside)[1].starts_with("line 2"));
        let gzip = splitter(1 << 20).push(b"\x1f\x8b\x08\0\n");
        assert!(ids(&gzip)[0].contains("gzip"));
    }

    #[test]
    fn an_overlong_line_is_refused_without_being_kept() {
        let mut splitter = splitter(64);
        let mut parsed = splitter.push(format!("{A}\n").as_bytes());
        for _ in 0..100 {
            parsed.extend(splitter.push(&[b'x'; 60]));
            assert!(splitter.partial.len() <= 64);
        }
        parsed.extend(splitter.push(format!("\n{A}\n").as_bytes()));
        let told = ids(&parsed);
        assert_eq!(told.len(), 3);
        assert_eq!(told[1], "line 2: longer than 0 MiB");
        assert_eq!(told[2], "a");
    }

    #[test]
    fn an_event_over_the_limit_is_a_bad_line() {
        let data = "x".repeat(1 << 20);
        let line = format!(r#"{{"type":"t","session_id":"s","data":{{"x":"{data}"}}}}"#);
        let parsed =
            splitter(line_bytes_max(&Limits::default())).push(format!("{line}\n").as_bytes());
        assert!(ids(&parsed)[0].contains("at most 1048576 are allowed"));
    }
}
