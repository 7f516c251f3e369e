//! Input of runs that span lines: a JSON list, or objects one after the other. One run is in memory
//! at a time.

use std::fmt;
use std::io::BufRead;

use recount::json;
use serde::Deserializer as _;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde_json::{Deserializer, Value};

use super::convert::{self, Refused};
use super::{Chunks, Done, Place, Record};

pub(super) fn list(
    input: impl BufRead,
    lines_before: u64,
    chunks: &mut Chunks,
) -> Result<(), Done> {
    let mut parser = Deserializer::from_reader(input);
    let mut index = 0;
    let mut stop = None;
    let runs = Runs {
        chunks,
        index: &mut index,
        stop: &mut stop,
    };
    let error = match parser.deserialize_seq(runs).and_then(|()| parser.end()) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    let at = |line: usize| Place {
        run: Some(index),
        line: lines_before + line as u64,
        column: error.column(),
    };
    match stop {
        // The list goes on behind a run that is none, but reading was to stop.
        Some(Stop::Refused(reason)) => chunks.invalid(at(error.line()), reason),
        Some(Stop::Done) => Err(Done),
        None => chunks.broken(at(error.line()), &json::reason(&error)),
    }
}

/// Why the visitor gave up, other than for broken JSON.
enum Stop {
    Refused(String),
    Done,
}

struct Runs<'a> {
    chunks: &'a mut Chunks,
    index: &'a mut u64,
    stop: &'a mut Option<Stop>,
}

impl<'de> Visitor<'de> for Runs<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of chat runs")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(value) = list.next_element::<Value>()? {
            if let Err(stop) = self.take(value) {
                *self.stop = Some(stop);
                // Only an error makes serde_json tell where it is.
                return Err(A::Error::custom("stopped"));
            }
            *self.index += 1;
        }
        Ok(())
    }
}

impl Runs<'_> {
    fn take(&mut self, value: Value) -> Result<(), Stop> {
        let done = match convert(value, *self.index, self.chunks) {
            Ok(events) => record(events, self.chunks),
            Err(refused) if self.chunks.options.skip_invalid => {
                let place = Place {
                    run: Some(*self.index),
                    line: 0,
                    column: 0,
                };
                self.chunks.invalid(place, refused.reason)
            }
            Err(refused) => return Err(Stop::Refused(refused.reason)),
        };
        done.map_err(|Done| Stop::Done)
    }
}

pub(super) fn objects(
    input: impl BufRead,
    lines_before: u64,
    chunks: &mut Chunks,
) -> Result<(), Done> {
    let runs = Deserializer::from_reader(input).into_iter::<Value>();
    for (index, value) in (0_u64..).zip(runs) {
        let place = |line: usize, column: usize| Place {
            run: Some(index),
            line: if line == 0 {
                0
            } else {
                lines_before + line as u64
            },
            column,
        };
        match value {
            Ok(value) => match convert(value, index, chunks) {
                Ok(events) => record(events, chunks)?,
                Err(refused) => chunks.invalid(place(0, 0), refused.reason)?,
            },
            Err(error) => {
                let place = place(error.line(), error.column());
                return chunks.broken(place, &json::reason(&error));
            }
        }
    }
    Ok(())
}

fn convert(value: Value, index: u64, chunks: &Chunks) -> Result<Vec<recount::Event>, Refused> {
    match value {
        Value::Object(run) => convert::run_object(run, index, &chunks.options),
        _ => Err(Refused {
            reason: "it is not an object with `messages` or `traj`".to_owned(),
            column: 0,
        }),
    }
}

fn record(events: Vec<recount::Event>, chunks: &mut Chunks) -> Result<(), Done> {
    events
        .into_iter()
        .try_for_each(|event| chunks.record(Record::Event(event, None)))
}
