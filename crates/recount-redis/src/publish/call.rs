//! The script call that appends a batch, and what it answers.

use std::collections::HashMap;

use recount_core::{AppendError, EntryId, Partition};
use redis::{Cmd, Value};
use twox_hash::XxHash3_64;

use super::Prepared;
use super::judge::Told;
use crate::error::Failed;
use crate::keys::Keys;
use crate::net::Call;
use crate::pack::Packed;
use crate::scripts::{self, PUBLISH};
use crate::shared::Shared;
use crate::wire::{self, Unexpected};

/// What an event takes packed besides its fields.
const PACKED_MORE: usize = 100;
/// In how many events a session's list is given to the script once.
const LIST_GIVEN_ONCE_IN: u64 = 4;

/// What a call may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Write what is new.
    Write,
    /// The same, but nothing where a content is found that the client has to compare.
    Hold,
    /// Nothing.
    Look,
}

/// The events of a batch in the shape that the script takes.
pub(super) struct Batch<'a> {
    pub(super) shared: &'a Shared,
    pub(super) partition: Partition,
    pub(super) events: &'a [Prepared],
    /// For each event, the first one of the batch with its id: mostly itself.
    pub(super) first: Vec<usize>,
    /// The events that are the first with their ids.
    pub(super) unique: Vec<usize>,
    sessions: Vec<&'a str>,
    /// For each of `unique`, its session's number from 0.
    pub(super) session_of: Vec<usize>,
    /// About what the events take packed.
    bytes: usize,
}

/// What the window remembers of an id.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// Where the first event with the id is.
    pub(super) first: EntryId,
    /// Its [`crate::content::mark`].
    pub(super) mark: String,
}

/// Where the new events of a batch went.
pub(super) struct Placed {
    /// The id of the first one; the others follow without a gap.
    pub(super) first: Option<EntryId>,
    /// The revision that each session had before.
    pub(super) before: Vec<u64>,
}

pub(super) enum Answer {
    /// What is new was written. `known` is by place in [`Batch::unique`].
    Done {
        known: HashMap<usize, Known>,
        placed: Placed,
    },
    /// Nothing was written.
    Held { known: HashMap<usize, Known> },
}

impl<'a> Batch<'a> {
    pub(super) fn new(shared: &'a Shared, partition: Partition, events: &'a [Prepared]) -> Self {
        let mut seen = HashMap::with_capacity(events.len());
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        let mut batch = Self {
            shared,
            partition,
            events,
            first: Vec::with_capacity(events.len()),
            unique: Vec::with_capacity(events.len()),
            sessions: Vec::new(),
            session_of: Vec::with_capacity(events.len()),
            bytes: 0,
        };
        for (index, prepared) in events.iter().enumerate() {
            let first = *seen.entry(prepared.event.id.as_str()).or_insert(index);
            batch.first.push(first);
            if first == index {
                let session = prepared.event.session_id.as_str();
                let number = *numbers.entry(session).or_insert_with(|| {
                    batch.sessions.push(session);
                    batch.sessions.len() - 1
                });
                batch.session_of.push(number);
                batch.bytes += prepared.event.wire_bytes() + PACKED_MORE;
                batch.unique.push(index);
            }
        }
        batch
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.shared.partitions[self.partition as usize]
    }

    /// Whether an id stands twice with contents that differ as bytes. Whether that is a conflict depends on
    /// the log too: of an entry that was trimmed, only bytes are compared.
    pub(super) fn repeats_differ(&self) -> bool {
        self.first.iter().enumerate().any(|(index, &first)| {
            first != index && self.events[first].mark != self.events[index].mark
        })
    }

    /// Sends the batch and reads the answer. Sending it again is safe.
    pub(super) async fn send(
        &self,
        mode: Mode,
        expected: Option<u64>,
        told: &Told,
    ) -> Result<Answer, AppendError> {
        let keys = self.keys();
        let mut commands = vec![self.command(mode, expected, told)];
        commands.extend(self.shared.wait_command());
        let call = Call {
            script: Some(&PUBLISH),
            patience: self.shared.wait_patience(),
            ..Call::of(&commands)
        };
        let answered = self.shared.net.call(keys.slot, call).await;
        let mut values = answered
            .map_err(|error| Failed::from(error).append(&keys.stream))?
            .into_iter();
        let reply = values.next().unwrap_or(Value::Nil);
        let answer = self.answer(reply)?;
        if matches!(answer, Answer::Done { .. })
            && let Some(waited) = values.next()
        {
            self.shared.check_waited(&waited)?;
        }
        Ok(answer)
    }

    fn command(&self, mode: Mode, expected: Option<u64>, told: &Told) -> Cmd {
        let Self { shared, .. } = self;
        let options = &shared.options;
        let keys = self.keys();
        let lists = self.lists();
        let named: Vec<String> = lists
            .iter()
            .map(|&of| keys.session(self.sessions[of]))
            .collect();
        let mut command = scripts::call(&PUBLISH, &keys.to_append(&named));
        command
            .arg(options.clock_argument())
            .arg(options.window_ms())
            .arg(options.idempotency_ids_max.div_ceil(3))
            .arg(match mode {
                Mode::Write => "write",
                Mode::Hold => "hold",
                Mode::Look => "look",
            })
            .arg(expected.map_or_else(String::new, |revision| revision.to_string()))
            .arg(u8::from(told.conflicts))
            .arg(u8::from(options.waits()))
            .arg(&told.mismatches);
        let mut sessions = Packed::default();
        sessions.list(self.sessions.len());
        for session in &self.sessions {
            sessions.text(session);
        }
        let (mut marks, mut listed) = (Packed::default(), Packed::default());
        marks.list(self.unique.len());
        let mut events = Packed::with_capacity(self.bytes);
        let unique = || self.unique.iter().map(|&index| &self.events[index]);
        events.list(unique().map(|event| 2 + event.fields.len() * 2).sum());
        for (prepared, session) in unique().zip(&self.session_of) {
            marks.text(&prepared.mark);
            events.number(session + 1).number(prepared.fields.len() * 2);
            let last = prepared.fields.len() - 1;
            for (at, (name, value)) in prepared.fields.iter().enumerate() {
                events.text(name);
                if at == last {
                    events.number(0);
                } else {
                    events.text(value);
                }
            }
        }
        listed.list(lists.len());
        for session in lists {
            listed.number(session + 1);
        }
        command
            .arg(sessions.bytes())
            .arg(marks.bytes())
            .arg(events.bytes())
            .arg(listed.bytes());
        for prepared in unique() {
            if let Some((_, value)) = prepared.fields.last() {
                command.arg(&value[..]);
            }
        }
        command
    }

    /// The sessions whose lists the script is given. A name costs as much as a field, and a list is written once in many
    /// events: each event gives its session's by a chance of its own, which is the same in a retry.
    fn lists(&self) -> Vec<usize> {
        let mut given = vec![false; self.sessions.len()];
        for (&index, &session) in self.unique.iter().zip(&self.session_of) {
            let id = self.events[index].event.id.as_str();
            given[session] |= XxHash3_64::oneshot(id.as_bytes()).is_multiple_of(LIST_GIVEN_ONCE_IN);
        }
        (0..given.len()).filter(|&session| given[session]).collect()
    }

    fn answer(&self, reply: Value) -> Result<Answer, AppendError> {
        let keys = self.keys();
        self.read_answer(reply).map_err(|error| match error {
            Refused::Append(error) => error,
            Refused::Shape(shape) => shape
                .from(self.shared.net.address(keys.slot))
                .append(&keys.stream),
        })
    }

    fn read_answer(&self, reply: Value) -> Result<Answer, Refused> {
        let mut parts = wire::list(reply)?.into_iter();
        let mut part = || parts.next().unwrap_or(Value::Nil);
        match wire::text(&part())?.as_str() {
            "done" => {
                let first = Some(wire::text(&part())?).filter(|id| !id.is_empty());
                let first = first
                    .map(|id| id.parse().map_err(|_| Unexpected("an entry id")))
                    .transpose()?;
                let before = wire::list(part())?;
                let before = before.iter().map(wire::count).collect::<Result<_, _>>()?;
                Ok(Answer::Done {
                    known: known(part())?,
                    placed: Placed { first, before },
                })
            }
            "held" => Ok(Answer::Held {
                known: known(part())?,
            }),
            "revision" => Err(Refused::Append(AppendError::RevisionMismatch {
                session_id: self.sessions[0].to_owned(),
                // The script says so only where one was expected.
                expected: wire::count(&part()).unwrap_or(0),
                actual: wire::count(&part())?,
            })),
            "exhausted" => Err(Refused::Append(AppendError::IdsExhausted {
                last: wire::entry_id(&part())?,
            })),
            _ => Err(Unexpected("what the script answers").into()),
        }
    }
}

enum Refused {
    Append(AppendError),
    Shape(Unexpected),
}

impl From<Unexpected> for Refused {
    fn from(shape: Unexpected) -> Self {
        Self::Shape(shape)
    }
}

fn known(reply: Value) -> Result<HashMap<usize, Known>, Unexpected> {
    const SHAPE: Unexpected = Unexpected("what is known of an id");
    let mut known = HashMap::new();
    for item in wire::list(reply)? {
        let item = wire::list(item)?;
        let [index, entry] = item.as_slice() else {
            return Err(SHAPE);
        };
        let entry = wire::text(entry)?;
        let (first, mark) = entry.split_once(' ').ok_or(SHAPE)?;
        let place = usize::try_from(wire::count(index)?).map_err(|_| SHAPE)?;
        known.insert(
            place.checked_sub(1).ok_or(SHAPE)?,
            Known {
                first: first.parse().map_err(|_| SHAPE)?,
                mark: mark.to_owned(),
            },
        );
    }
    Ok(known)
}
