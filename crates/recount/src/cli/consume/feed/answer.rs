//! What a fed command writes.

use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// `{"id": "e1", "ok": true}` or `{"id": "e1", "ok": false, "error": "no such user"}`.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Answer {
    pub(super) id: String,
    ok: bool,
    error: Option<String>,
}

impl Answer {
    /// Reads a line; what else it may hold is passed over.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    pub(super) fn outcome(self) -> Result<(), String> {
        if self.ok {
            return Ok(());
        }
        let error = self.error.filter(|error| !error.is_empty());
        Err(error.unwrap_or_else(|| "the command answered \"ok\": false".to_owned()))
    }
}

/// Lines of what is read, those of a reasonable length.
pub(super) struct Lines<R> {
    from: R,
    buffer: Vec<u8>,
    /// What is read and belongs to no line yet.
    rest: Vec<u8>,
    /// How much of it holds no end of a line.
    searched: usize,
}

const LINE_BYTES_MAX: usize = 1 << 20;

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(from: R) -> Self {
        Self {
            from,
            buffer: vec![0; 64 << 10],
            rest: Vec::new(),
            searched: 0,
        }
    }

    /// The next line without its end, once it is whole; what exceeds the limit comes in pieces. None at
    /// the end. The future may be dropped.
    pub(super) async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            let found = self.rest[self.searched..].iter().position(|&b| b == b'\n');
            let end = found.map(|at| self.searched + at);
            if let Some(end) = end.or((self.rest.len() > LINE_BYTES_MAX).then_some(LINE_BYTES_MAX))
            {
                let after = self.rest.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.rest, after);
                self.searched = 0;
                line.pop_if(|byte| *byte == b'\n');
                return Some(line);
            }
            self.searched = self.rest.len();
            match self.from.read(&mut self.buffer).await {
                Ok(bytes @ 1..) => self.rest.extend_from_slice(&self.buffer[..bytes]),
                // The last line may lack its end. One that was cut short cannot be read as an answer.
                _ if self.rest.is_empty() => return None,
                _ => {
                    self.searched = 0;
                    return Some(std::mem::take(&mut self.rest));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_with_whatever_else_they_hold() {
        let outcome = |line: &str| Answer::read(line.as_bytes()).unwrap().outcome();
        assert_eq!(outcome(r#"{"id":"e1","ok":true}"#), Ok(()));
        assert_eq!(outcome(r#" {"ok": true, "took": 7, "id": "e1"} "#), Ok(()));
        let failed = r#"{"id":"e1","ok":false,"error":"no"}"#;
        assert_eq!(outcome(failed), Err("no".to_owned()));
        assert!(outcome(r#"{"id":"e1","ok":false}"#).is_err());
        for bad in [
            "",
            "ok",
            "{}",
            r#"{"id":"e1"}"#,
            r#"{"id":1,"ok":true}"#,
            "[]",
        ] {
            assert_eq!(Answer::read(bad.as_bytes()), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn lines_come_whole_and_bounded() {
        let long = vec![b'x'; 3 * LINE_BYTES_MAX];
        let text = [&b"one\n\ntwo\n"[..], &long, b"\nthree\ncut"].concat();
        let mut lines = Lines::new(&*text);
        let mut all = Vec::new();
        while let Some(line) = lines.next().await {
            all.push(line);
        }
        assert_eq!(all[..3], [&b"one"[..], b"", b"two"]);
        let [pieces @ .., three, last] = &all[3..] else {
            panic!("{} lines", all.len());
        };
        assert_eq!((&**three, &**last), (&b"three"[..], &b"cut"[..]));
        assert_eq!(pieces.concat(), long);
        assert!(pieces.iter().all(|piece| piece.len() < 2 * LINE_BYTES_MAX));
    }
}
