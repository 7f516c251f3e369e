//! Appending under given ids: what mirrors, restores and migrations do.

use std::collections::HashMap;

use recount_core::{
    AppendError, Body, Direction, Entry, EntryId, EventId, Limits, Outcome, Position, ReadError,
    codec,
};
use redis::{Cmd, Value};
use uuid::Uuid;

use crate::content::mark;
use crate::error::Failed;
use crate::info;
use crate::keys::Keys;
use crate::net::Call;
use crate::pack::Packed;
use crate::read;
use crate::scripts::{self, COPIES};
use crate::shared::Shared;
use crate::wire::{self, Unexpected};

/// Fields of one entry that a script can add: Lua unpacks no more arguments.
const FIELDS_MAX: usize = 3_900;

/// An entry and what the window and the indexes need of it.
struct Copy {
    entry: Entry,
    event_id: Option<EventId>,
    mark: String,
    session_id: Option<String>,
}

impl Copy {
    fn new(entry: Entry) -> Self {
        match codec::decode(entry.id, entry.fields.clone()) {
            Body::Event(event) => Self {
                mark: mark(&event),
                event_id: Some(event.id),
                session_id: Some(event.session_id),
                entry,
            },
            Body::Undecodable(_) => Self {
                entry,
                event_id: None,
                mark: String::new(),
                session_id: None,
            },
        }
    }
}

/// Appends entries to partition 0.
pub(crate) async fn append(
    shared: &Shared,
    entries: Vec<Entry>,
) -> Result<Vec<Outcome>, AppendError> {
    let Some(keys) = shared.partitions.first() else {
        return Err(AppendError::Closed);
    };
    if shared.partitions.len() > 1 {
        return Err(refused(
            shared,
            keys,
            "entries keep their ids only in a stream with one partition: publish them as events instead"
                .into(),
        ));
    }
    check(shared, keys, &entries)?;
    check_order(shared, keys, &entries).await?;
    let copies: Vec<Copy> = entries.into_iter().map(Copy::new).collect();
    let mut commands = vec![command(shared, keys, &copies)];
    commands.extend(shared.wait_command());
    let call = Call {
        script: Some(&COPIES),
        patience: shared.wait_patience(),
        ..Call::of(&commands)
    };
    let answered = shared.net.call(keys.slot, call).await;
    let mut values = answered
        .map_err(|error| Failed::from(error).append(&keys.stream))?
        .into_iter();
    let reply = values.next().unwrap_or(Value::Nil);
    let answer = answer(reply, copies[0].entry.id);
    let answer = answer.map_err(|shape| {
        shape
            .from(shared.net.address(keys.slot))
            .append(&keys.stream)
    })?;
    let revisions = match answer {
        Answer::Done(revisions) => revisions,
        Answer::Again => revisions_of(shared, keys, &copies).await?,
        Answer::Above(error) => return Err(error),
    };
    if let Some(waited) = values.next() {
        shared.check_waited(&waited)?;
    }
    let outcomes = copies.iter().zip(revisions).map(|(copy, revision)| {
        let position = Position {
            partition: 0,
            entry_id: copy.entry.id,
        };
        Outcome::Appended { position, revision }
    });
    Ok(outcomes.collect())
}

fn check(shared: &Shared, keys: &Keys, entries: &[Entry]) -> Result<(), AppendError> {
    let Limits {
        batch_events_max,
        batch_bytes_max,
        ..
    } = shared.options.limits;
    if entries.len() > batch_events_max {
        return Err(AppendError::TooManyEvents {
            events: entries.len(),
            events_max: batch_events_max,
        });
    }
    let bytes = entries.iter().map(wire::bytes_of).sum();
    if bytes > batch_bytes_max {
        return Err(AppendError::TooManyBytes {
            bytes,
            bytes_max: batch_bytes_max,
        });
    }
    match entries.iter().find(|entry| entry.fields.len() > FIELDS_MAX) {
        None => Ok(()),
        Some(entry) => Err(refused(
            shared,
            keys,
            format!(
                "entry {} has {} fields, at most {FIELDS_MAX} are supported",
                entry.id,
                entry.fields.len()
            ),
        )),
    }
}

/// The ids have to increase. The first one is compared with the stream by the script, unless another one is
/// refused already: the error names the first at fault.
async fn check_order(shared: &Shared, keys: &Keys, entries: &[Entry]) -> Result<(), AppendError> {
    let wrong = entries.windows(2).find(|pair| pair[1].id <= pair[0].id);
    let Some([before, wrong]) = wrong else {
        return Ok(());
    };
    let standing = info::standing(shared, keys).await;
    let last = standing.map_err(|error| unread(shared, keys, &error))?.last;
    let (given, last) = if entries[0].id <= last {
        (entries[0].id, last)
    } else {
        (wrong.id, before.id)
    };
    Err(AppendError::IdNotAbove { given, last })
}

/// What a copy needed to know could not be read.
fn unread(shared: &Shared, keys: &Keys, error: &ReadError) -> AppendError {
    match error {
        ReadError::Closed => AppendError::Closed,
        error => AppendError::Unavailable {
            address: shared.net.address(keys.slot),
            message: error.to_string(),
        },
    }
}

fn refused(shared: &Shared, keys: &Keys, message: String) -> AppendError {
    AppendError::Storage {
        action: "copying to",
        path: shared.place(keys),
        message,
    }
}

fn command(shared: &Shared, keys: &Keys, copies: &[Copy]) -> Cmd {
    let mut sessions: Vec<&str> = Vec::new();
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let mut session_of = Vec::with_capacity(copies.len());
    for copy in copies {
        session_of.push(copy.session_id.as_deref().map_or(0, |session| {
            *numbers.entry(session).or_insert_with(|| {
                sessions.push(session);
                sessions.len()
            })
        }));
    }
    let indexes: Vec<String> = sessions.iter().map(|id| keys.session(id)).collect();
    let options = &shared.options;
    let mut command = scripts::call(&COPIES, &keys.to_append(&indexes));
    command
        .arg(options.clock_argument())
        .arg(options.window_ms())
        .arg(options.idempotency_ids_max.div_ceil(3))
        .arg(Uuid::new_v4().simple().to_string());
    let mut packed_sessions = Packed::default();
    packed_sessions.list(sessions.len());
    for session in &sessions {
        packed_sessions.text(session);
    }
    let mut entries = Packed::default();
    entries.list(copies.len());
    for (copy, session) in copies.iter().zip(session_of) {
        let revision = copy.entry.revision.map(|revision| revision.to_string());
        entries
            .list(5 + copy.entry.fields.len() * 2)
            .text(copy.entry.id.to_string())
            .text(copy.event_id.as_ref().map_or("", EventId::as_str))
            .text(&copy.mark)
            .number(session)
            .text(revision.unwrap_or_default());
        for (name, value) in &copy.entry.fields {
            entries.text(name).text(value);
        }
    }
    command.arg(packed_sessions.bytes()).arg(entries.bytes());
    command
}

enum Answer {
    Done(Vec<u64>),
    /// An earlier try of the same call was done.
    Again,
    Above(AppendError),
}

fn answer(reply: Value, given: EntryId) -> Result<Answer, Unexpected> {
    let mut parts = wire::list(reply)?.into_iter();
    let mut part = || parts.next().unwrap_or(Value::Nil);
    Ok(match wire::text(&part())?.as_str() {
        "done" => {
            let revisions = wire::list(part())?;
            Answer::Done(
                revisions
                    .iter()
                    .map(wire::count)
                    .collect::<Result<_, _>>()?,
            )
        }
        "again" => Answer::Again,
        "above" => {
            let last = wire::entry_id(&part())?;
            Answer::Above(AppendError::IdNotAbove { given, last })
        }
        _ => return Err(Unexpected("what the script answers")),
    })
}

/// The revisions that copies got in an earlier try.
async fn revisions_of(
    shared: &Shared,
    keys: &Keys,
    copies: &[Copy],
) -> Result<Vec<u64>, AppendError> {
    let mut found: HashMap<EntryId, u64> = HashMap::new();
    for copies in copies.chunks(100) {
        let ids = (copies[0].entry.id, copies[copies.len() - 1].entry.id);
        let entries = read::fetch(shared, keys, ids, Direction::Forward, copies.len()).await;
        let entries = entries.map_err(|error| unread(shared, keys, &error))?;
        let numbered = |entry: &Entry| (entry.id, entry.revision.unwrap_or(0));
        found.extend(entries.iter().map(numbered));
    }
    // What was trimmed meanwhile has no revision to be told.
    let revision = |copy: &Copy| found.get(&copy.entry.id).copied().unwrap_or(0);
    Ok(copies.iter().map(revision).collect())
}
