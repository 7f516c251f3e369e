//! One line or run into records.

use std::hash::Hasher as _;

use recount::json::{self, Line, LineBody};
use recount::{EntryId, Event, Limits, Timestamp, TimestampSource, chat};
use serde_json::{Map, Value};
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use super::{Options, Record};

/// Why something cannot be recorded, and at which column of its line; 0 if that is not known.
pub(super) struct Refused {
    pub reason: String,
    pub column: usize,
}

impl Refused {
    fn whole(reason: &impl ToString) -> Self {
        Self {
            reason: reason.to_string(),
            column: 0,
        }
    }

    pub fn json(error: &serde_json::Error) -> Self {
        Self {
            reason: json::reason(error),
            column: error.column(),
        }
    }
}

/// An event in the shape of an export.
pub(super) fn event_line(line: &[u8], number: u64, limits: &Limits) -> Result<Record, Refused> {
    let parsed = Line::parse(line).map_err(|error| Refused {
        column: error.column(),
        reason: error.to_string(),
    })?;
    let event = match parsed.body {
        LineBody::Fields(fields) => return Ok(Record::Fields(fields, parsed.position)),
        LineBody::Event(event) => event,
    };
    let entry_id = parsed.position.map(|position| position.entry_id);
    let gives_id = event.gives_id();
    let mut builder = event.into_builder();
    if !gives_id {
        builder = builder.id(made_up_id(line, number, entry_id));
    }
    let mut event = builder.build().map_err(|error| Refused::whole(&error))?;
    if let (TimestampSource::Filled, Some(id)) = (event.timestamp_source, entry_id) {
        event.timestamp = Timestamp::saturating_from_millis(id.ms);
    }
    checked(&event, limits)?;
    Ok(Record::Event(event, parsed.position))
}

/// An id for an event without one, the same at every import: its entry's, or one made of the line
/// and its number, since equal lines are different events.
fn made_up_id(line: &[u8], number: u64, entry_id: Option<EntryId>) -> String {
    entry_id.map_or_else(
        || {
            let mut hasher = SipHasher13::new();
            hasher.write(&number.to_le_bytes());
            hasher.write(line.trim_ascii());
            format!("line-{number}-{:032x}", hasher.finish128().as_u128())
        },
        |id| id.to_string(),
    )
}

/// A chat run that is one line.
pub(super) fn run_line(line: &[u8], index: u64, options: &Options) -> Result<Vec<Event>, Refused> {
    let run: Map<String, Value> =
        serde_json::from_slice(line).map_err(|error| Refused::json(&error))?;
    run_object(run, index, options)
}

/// A chat run.
pub(super) fn run_object(
    run: Map<String, Value>,
    index: u64,
    options: &Options,
) -> Result<Vec<Event>, Refused> {
    let events = chat::events(run, index, options.synthetic_start)
        .map_err(|error| Refused::whole(&error))?;
    events
        .iter()
        .try_for_each(|event| checked(event, &options.limits))?;
    Ok(events)
}

/// Refuses here what would make the log refuse the whole batch.
fn checked(event: &Event, limits: &Limits) -> Result<(), Refused> {
    event
        .validate(limits)
        .map_err(|error| Refused::whole(&error))
}
