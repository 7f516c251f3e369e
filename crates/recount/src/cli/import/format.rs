//! What a file holds, told from its beginning.

use std::io::{self, BufRead, Cursor, Read};

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::cli::input::{BYTE_ORDER_MARK, foreign};

/// Longer lines are refused: no event is so large, and a line stands in memory whole.
pub(super) const LINE_BYTES_MAX: usize = 64 << 20;

/// The choice on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum FormatArg {
    /// Look at the beginning of the file
    Auto,
    /// Events as `recount export` writes them, one a line
    Ndjson,
    /// Chat runs, in a JSON list or one a line
    Chat,
}

/// How to read the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// An event a line.
    Events,
    /// A chat run a line.
    RunLines,
    /// Chat runs one after the other, each over several lines.
    RunObjects,
    /// A list of chat runs.
    RunList,
}

/// An input with its beginning put back.
type PutBack<R> = io::Chain<Cursor<Vec<u8>>, R>;

/// A file with its beginning looked at, and put back.
pub(super) struct Detected<R> {
    pub format: Format,
    /// How many lines were left out before what is read now.
    pub lines_before: u64,
    pub input: PutBack<PutBack<R>>,
}

/// Bytes that tell what kind of file it is. Little enough to be waited for.
const HEAD_BYTES: u64 = 64;

pub(super) fn detect<R: BufRead>(mut input: R, wanted: FormatArg) -> io::Result<Detected<R>> {
    let mut head = Vec::new();
    (&mut input).take(HEAD_BYTES).read_to_end(&mut head)?;
    if let Some(what) = foreign(&head) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    if head.starts_with(BYTE_ORDER_MARK) {
        head.drain(..BYTE_ORDER_MARK.len());
    }
    let mut input = Cursor::new(head).chain(input);
    let lines_before = skip_blank(&mut input)?;
    let first_byte = input.fill_buf()?.first().copied();
    let mut first = Vec::new();
    let format = match (wanted, first_byte) {
        (FormatArg::Ndjson, _) => Format::Events,
        (_, Some(b'[')) => Format::RunList,
        _ => {
            (&mut input)
                .take(LINE_BYTES_MAX as u64)
                .read_until(b'\n', &mut first)?;
            match (wanted, kind(&first)) {
                (FormatArg::Auto, Kind::Event) => Format::Events,
                (_, Kind::Unfinished) => Format::RunObjects,
                _ => Format::RunLines,
            }
        }
    };
    Ok(Detected {
        format,
        lines_before,
        input: Cursor::new(first).chain(input),
    })
}

enum Kind {
    Event,
    Run,
    Unfinished,
}

fn kind(line: &[u8]) -> Kind {
    #[derive(Deserialize)]
    struct Probe {
        messages: Option<IgnoredAny>,
        traj: Option<IgnoredAny>,
    }
    match serde_json::from_slice::<Probe>(line) {
        Ok(probe) if probe.messages.is_some() || probe.traj.is_some() => Kind::Run,
        Err(error) if error.is_eof() && line.ends_with(b"\n") => Kind::Unfinished,
        // Whatever else it is, reading it as an event says best what is wrong with it.
        _ => Kind::Event,
    }
}

/// Passes over blank lines, and counts them.
fn skip_blank(input: &mut impl BufRead) -> io::Result<u64> {
    let mut lines = 0;
    loop {
        let bytes = input.fill_buf()?;
        let blank = bytes
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
        lines += bytes[..blank].split(|byte| *byte == b'\n').count() as u64 - 1;
        let more = blank == bytes.len() && blank > 0;
        input.consume(blank);
        if !more {
            return Ok(lines);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_tells_the_format_and_nothing_is_lost() {
        let event = r#"{"type":"t","session_id":"s"}"#;
        let run = r#"{"task":1,"traj":[]}"#;
        for (text, wanted, format, blank) in [
            ("", FormatArg::Auto, Format::Events, 0),
            (event, FormatArg::Auto, Format::Events, 0),
            ("nonsense", FormatArg::Auto, Format::Events, 0),
            (run, FormatArg::Auto, Format::RunLines, 0),
            (
                "{\n  \"messages\": []\n}",
                FormatArg::Auto,
                Format::RunObjects,
                0,
            ),
            ("\n\n [1]", FormatArg::Auto, Format::RunList, 2),
            ("[", FormatArg::Ndjson, Format::Events, 0),
            (event, FormatArg::Chat, Format::RunLines, 0),
        ] {
            let mut detected = detect(text.as_bytes(), wanted).unwrap();
            assert_eq!(detected.format, format, "{text}");
            assert_eq!(detected.lines_before, blank, "{text}");
            let mut rest = String::new();
            detected.input.read_to_string(&mut rest).unwrap();
            assert_eq!(rest, text.trim_start(), "{text}");
        }
        let marked = detect("\u{feff}[]".as_bytes(), FormatArg::Auto).unwrap();
        assert_eq!(marked.format, Format::RunList);
        let Err(error) = detect(&b"\x1f\x8b\x08\0"[..], FormatArg::Auto) else {
            panic!("taken for text");
        };
        assert!(error.to_string().contains("gzip"));
    }
}
