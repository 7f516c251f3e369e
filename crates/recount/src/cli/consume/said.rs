//! What a command says on its standard error: passed on, and its last line kept.

use std::io::{self, Write as _};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The most of a line that is kept, and passed on at once.
const LINE_BYTES_MAX: usize = 8 << 10;

/// What was said so far.
#[derive(Default)]
pub(super) struct Said {
    /// The line that is not at its end yet.
    line: Vec<u8>,
    last: Vec<u8>,
}

impl Said {
    /// Listens until nobody can say anything any more. Lines of several commands do not mix.
    pub(super) async fn listen(&mut self, mut from: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; LINE_BYTES_MAX];
        while let Ok(bytes @ 1..) = from.read(&mut buffer).await {
            for part in buffer[..bytes].split_inclusive(|&byte| byte == b'\n') {
                self.line.extend_from_slice(part);
                if part.ends_with(b"\n") || self.line.len() >= LINE_BYTES_MAX {
                    self.end_line();
                }
            }
        }
        if !self.line.is_empty() {
            self.end_line();
        }
    }

    fn end_line(&mut self) {
        // Where standard error is gone, there is nobody to tell.
        let _ = io::stderr().lock().write_all(&self.line);
        if !self.line.trim_ascii().is_empty() {
            std::mem::swap(&mut self.line, &mut self.last);
        }
        self.line.clear();
    }

    /// The last line that is not empty.
    pub(super) fn last(&self) -> Option<String> {
        const CHARS_MAX: usize = 1_000;
        let last = String::from_utf8_lossy(self.last.trim_ascii());
        (!last.is_empty()).then(|| last.chars().take(CHARS_MAX).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_line_that_says_something_is_kept() {
        for (text, last) in [
            (&b""[..], None),
            (b"\n \n", None),
            (b"one\ntwo\n\n", Some("two")),
            (b"one\n two", Some("two")),
            (b"\xff\n", Some("\u{fffd}")),
        ] {
            let mut said = Said::default();
            said.listen(text).await;
            assert_eq!(said.last().as_deref(), last, "{text:?}");
        }
        let mut said = Said::default();
        said.listen(&*vec![b'x'; 3 * LINE_BYTES_MAX]).await;
        assert_eq!(said.last().unwrap().len(), 1_000);
    }
}
