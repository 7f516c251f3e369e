//! Reading replies: where one ends, and what it holds.

use std::io;

use bytes::Bytes;
use recount_core::{EntryId, Field, Position, Recorded, Schema, codec};

/// Finds the end of a reply as it comes in, looking at every part of it once.
pub struct End {
    /// How much of the reply was looked at; all of it once the end is found.
    pub at: usize,
    /// How many values are still to come.
    values: usize,
}

impl Default for End {
    fn default() -> Self {
        Self { at: 0, values: 1 }
    }
}

impl End {
    /// Whether the reply that `bytes` begin with ends within them.
    pub fn found(&mut self, bytes: &[u8]) -> io::Result<bool> {
        while self.values > 0 {
            let Some((kind, number, head)) = head(&bytes[self.at..])? else {
                return Ok(false);
            };
            match kind {
                b'$' => {
                    let after = self.at + head + number as usize + 2;
                    if bytes.len() < after {
                        return Ok(false);
                    }
                    self.at = after;
                }
                _ => self.at += head,
            }
            self.values -= 1;
            if kind == b'*' {
                self.values += number as usize;
            }
        }
        Ok(true)
    }
}

/// A value's kind, its number (an integer, a length or a count), and how many bytes say so.
fn head(bytes: &[u8]) -> io::Result<Option<(u8, u64, usize)>> {
    let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else {
        return Ok(None);
    };
    let line = &bytes[..end];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let number = line.get(1..).and_then(|digits| {
        let digits = std::str::from_utf8(digits).ok()?;
        digits.parse().ok()
    });
    match (line.first(), number) {
        (Some(&kind @ (b'*' | b'$' | b':')), Some(number)) => Ok(Some((kind, number, end + 1))),
        _ => Err(unexpected(line)),
    }
}

fn unexpected(bytes: &[u8]) -> io::Error {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
    io::Error::other(format!("redis-server says {start}"))
}

/// What a whole reply that is an integer says.
pub fn number(reply: &[u8]) -> io::Result<u64> {
    match head(reply)? {
        Some((b':', number, _)) => Ok(number),
        _ => Err(unexpected(reply)),
    }
}

/// The entries that a whole reply to XRANGE holds, decoded. Fields are parts of the reply, not copies.
pub fn entries(reply: Bytes) -> io::Result<Vec<Recorded>> {
    let mut rest = Rest { reply, at: 0 };
    let mut entries = Vec::new();
    for _ in 0..rest.count()? {
        rest.count()?;
        let id = rest.bulk()?;
        let id: EntryId = std::str::from_utf8(&id)
            .map_err(io::Error::other)?
            .parse()
            .map_err(io::Error::other)?;
        let count = rest.count()?;
        let mut fields: Vec<Field> = Vec::with_capacity(count / 2);
        for _ in 0..count / 2 {
            fields.push((rest.bulk()?, rest.bulk()?));
        }
        entries.push(Recorded {
            position: Position {
                partition: 0,
                entry_id: id,
            },
            revision: 0,
            schema: Schema::AsStored,
            body: codec::decode(id, fields),
        });
    }
    Ok(entries)
}

/// What is left of a whole reply.
struct Rest {
    reply: Bytes,
    at: usize,
}

impl Rest {
    fn count(&mut self) -> io::Result<usize> {
        self.head(b'*')
    }

    fn bulk(&mut self) -> io::Result<Bytes> {
        let length = self.head(b'$')?;
        let start = self.at;
        self.at += length + 2;
        Ok(self.reply.slice(start..start + length))
    }

    fn head(&mut self, wanted: u8) -> io::Result<usize> {
        let rest = &self.reply[self.at..];
        match head(rest)? {
            Some((kind, number, length)) if kind == wanted => {
                self.at += length;
                Ok(number as usize)
            }
            _ => Err(unexpected(rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE_ENTRY: &[u8] =
        b"*1\r\n*2\r\n$3\r\n5-1\r\n*4\r\n$4\r\ntype\r\n$3\r\na.b\r\n$10\r\nsession_id\r\n$2\r\ns1\r\n";

    #[test]
    fn the_end_is_found_however_the_reply_arrives() {
        let wire = [ONE_ENTRY, b":7\r\n"].concat();
        for cut in 0..ONE_ENTRY.len() {
            let mut end = End::default();
            assert!(!end.found(&wire[..cut]).unwrap(), "cut at {cut}");
            assert!(end.found(&wire).unwrap());
            assert_eq!(end.at, ONE_ENTRY.len());
        }
        let error = End::default().found(b"-ERR full\r\n").unwrap_err();
        assert!(error.to_string().contains("ERR full"));
    }

    #[test]
    fn entries_are_decoded() {
        let entries = entries(Bytes::from_static(ONE_ENTRY)).unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].position.entry_id, EntryId::new(5, 1));
        assert_eq!(entries[0].event().unwrap().session_id, "s1");
        assert_eq!(super::entries(Bytes::from_static(b"*0\r\n")).unwrap(), []);
        assert!(super::entries(Bytes::from_static(b":1\r\n")).is_err());
    }

    #[test]
    fn a_number_is_read() {
        assert_eq!(number(b":2500\r\n").unwrap(), 2_500);
        assert!(number(b"*0\r\n").is_err());
    }
}
