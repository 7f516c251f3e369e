//! Input of one event or run a line.

use std::io::{BufRead, Read as _};

use super::convert::{self, Refused};
use super::{Chunks, Done, Place, Record};
use crate::cli::import::format::LINE_BYTES_MAX;

pub(super) fn events(
    input: impl BufRead,
    lines_before: u64,
    chunks: &mut Chunks,
) -> Result<(), Done> {
    each(
        input,
        lines_before,
        chunks,
        |line, number, chunks| match convert::event_line(line, number, &chunks.options.limits) {
            Ok(record) => chunks.record(record),
            Err(refused) => refuse(chunks, None, number, refused),
        },
    )
}

pub(super) fn runs(
    input: impl BufRead,
    lines_before: u64,
    chunks: &mut Chunks,
) -> Result<(), Done> {
    let mut index = 0;
    let options = chunks.options;
    each(input, lines_before, chunks, |line, number, chunks| {
        let run = index;
        index += 1;
        match convert::run_line(line, run, &options) {
            Ok(events) => events
                .into_iter()
                .try_for_each(|event| chunks.record(Record::Event(event, None))),
            Err(refused) => refuse(chunks, Some(run), number, refused),
        }
    })
}

fn refuse(chunks: &mut Chunks, run: Option<u64>, line: u64, refused: Refused) -> Result<(), Done> {
    let column = refused.column;
    chunks.invalid(Place { run, line, column }, refused.reason)
}

/// Calls `take` with every line that is not blank, and its number.
fn each(
    mut input: impl BufRead,
    lines_before: u64,
    chunks: &mut Chunks,
    mut take: impl FnMut(&[u8], u64, &mut Chunks) -> Result<(), Done>,
) -> Result<(), Done> {
    let mut line = Vec::new();
    let mut number = lines_before;
    loop {
        line.clear();
        number += 1;
        let place = Place {
            run: None,
            line: number,
            column: 0,
        };
        let read = (&mut input)
            .take(LINE_BYTES_MAX as u64 + 1)
            .read_until(b'\n', &mut line);
        match read {
            Ok(0) => return Ok(()),
            Ok(bytes) if bytes > LINE_BYTES_MAX => {
                let mib = LINE_BYTES_MAX >> 20;
                return chunks.broken(place, &format_args!("the line is longer than {mib} MiB"));
            }
            Ok(_) if line.trim_ascii().is_empty() => {}
            Ok(_) => take(&line, number, chunks)?,
            Err(error) => return chunks.broken(place, &error),
        }
    }
}
