//! How letters stand in their stream.
//!
//! | type | data |
//! |---|---|
//! | `dead_letter.added` | [`Written`] |
//! | `dead_letter.retrying` | `partition`, `entry_id`, `round` |
//! | `dead_letter.retried` | the same |
//! | `dead_letter.discarded` | the same |
//!
//! All events of one letter are of one session, that of its entry, so that one partition has them in
//! order. Ids are derived from the letter, so that writing twice adds nothing.

use recount_core::{Event, EventType, InvalidEvent, JsonObject, Position, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::letter::{Attempt, Letter, LetterState, Reason};

pub(super) const ADDED: &str = "dead_letter.added";
const RETRYING: &str = "dead_letter.retrying";
const RETRIED: &str = "dead_letter.retried";
const DISCARDED: &str = "dead_letter.discarded";

/// What the index needs to know of an event.
pub(super) enum Fact {
    Added {
        round: u32,
        session: Option<String>,
        reason: Reason,
    },
    Retrying {
        round: u32,
    },
    Closed {
        round: u32,
        state: LetterState,
    },
}

/// What happens to a round of a letter after it was added.
#[derive(Clone, Copy)]
pub(super) enum Step {
    Retrying,
    Retried,
    Discarded,
}

impl Step {
    fn event_type(self) -> &'static str {
        match self {
            Self::Retrying => RETRYING,
            Self::Retried => RETRIED,
            Self::Discarded => DISCARDED,
        }
    }

    /// The event that says so of the round of a letter that stands in the session `home`.
    pub(super) fn event(
        self,
        position: Position,
        round: u32,
        home: &str,
    ) -> Result<Event, InvalidEvent> {
        let at = At {
            partition: position.partition,
            entry_id: position.entry_id.to_string(),
            round,
        };
        let (_, step) = self.event_type().split_once('.').unwrap_or_default();
        Event::builder(EventType::Custom(self.event_type().into()), home)
            .id(id(step, position, round))
            .data(JsonObject::from_serialize(&at).unwrap_or_default())
            .build()
    }
}

/// The id of an event about a round of a letter: at most 80 bytes long.
pub(super) fn id(what: &str, position: Position, round: u32) -> String {
    let Position {
        partition,
        entry_id,
    } = position;
    format!("{what}:{partition}:{entry_id}:{round}")
}

/// Which round of which letter.
#[derive(Serialize, Deserialize)]
struct At {
    partition: u32,
    entry_id: String,
    round: u32,
}

impl At {
    fn position(&self) -> Option<Position> {
        Some(Position {
            partition: self.partition,
            entry_id: self.entry_id.parse().ok()?,
        })
    }
}

/// What an event says of which letter; none if it is not about one.
pub(super) fn fact(event: &Event) -> Option<(Position, Fact)> {
    let at: At = event.data.read().ok()?;
    let round = at.round;
    let closed = |state| Fact::Closed { round, state };
    let fact = match event.event_type.as_str() {
        ADDED => {
            let head: Head = event.data.read().ok()?;
            Fact::Added {
                round,
                session: head.session_id,
                reason: Reason::named(&head.reason)?,
            }
        }
        RETRYING => Fact::Retrying { round },
        RETRIED => closed(LetterState::Retried),
        DISCARDED => closed(LetterState::Discarded),
        _ => return None,
    };
    Some((at.position()?, fact))
}

#[derive(Deserialize)]
struct Head {
    session_id: Option<String>,
    reason: String,
}

/// A letter, in its stream and for programs; for these it also says what became of it.
#[derive(Serialize, Deserialize)]
pub(super) struct Written<'a> {
    partition: u32,
    entry_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a str>,
    round: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    retries: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    reason: String,
    error: String,
    attempts: Vec<WrittenAttempt>,
    consumer: String,
    delivery_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_delivered: Option<String>,
    dead_at: String,
    /// The entry in the one JSON shape.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    entry: Option<&'a RawValue>,
    /// The same as text, where it is nested too deeply to stand within another object.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry_text: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct WrittenAttempt {
    at: String,
    consumer: String,
    delivery_count: u64,
    error: String,
}

impl<'a> Written<'a> {
    /// What is written of `letter`, its entry as JSON.
    pub(super) fn new(letter: &'a Letter) -> Self {
        let attempts = letter.attempts.iter().map(|attempt| WrittenAttempt {
            at: attempt.at.to_string(),
            consumer: attempt.consumer.clone(),
            delivery_count: attempt.delivery_count,
            error: attempt.error.clone(),
        });
        Self {
            partition: letter.position.partition,
            entry_id: letter.position.entry_id.to_string(),
            state: None,
            round: letter.round,
            retries: None,
            session_id: letter.session_id.clone(),
            reason: letter.reason.as_str().to_owned(),
            error: letter.error.clone(),
            attempts: attempts.collect(),
            consumer: letter.consumer.clone(),
            delivery_count: letter.delivery_count,
            first_delivered: letter.first_delivered.map(|at| at.to_string()),
            dead_at: letter.dead_at.to_string(),
            entry: letter
                .entry
                .as_deref()
                .and_then(|line| serde_json::from_str(line).ok()),
            entry_text: None,
        }
    }

    /// As it is shown.
    pub(super) fn shown(letter: &'a Letter) -> String {
        let shown = Self {
            state: Some(letter.state.as_str()),
            retries: Some(letter.retries),
            ..Self::new(letter)
        };
        // Of strings and numbers: nothing in it can fail.
        serde_json::to_string(&shown).unwrap_or_default()
    }

    /// As an event's data. An entry that would be nested too deeply within it stands as text.
    pub(super) fn data(letter: &'a Letter) -> JsonObject {
        let mut written = Self::new(letter);
        if let Ok(data) = JsonObject::from_serialize(&written) {
            return data;
        }
        written.entry = None;
        written.entry_text.clone_from(&letter.entry);
        JsonObject::from_serialize(&written).unwrap_or_default()
    }

    /// The letter that an event's data tells of. What became of it is not in there.
    pub(super) fn letter(data: &'a JsonObject) -> Option<Letter> {
        let written: Self = serde_json::from_str(data.as_str()).ok()?;
        let time = |text: &str| text.parse::<Timestamp>().ok();
        let attempts = written.attempts.into_iter().map(|attempt| {
            Some(Attempt {
                at: time(&attempt.at)?,
                consumer: attempt.consumer,
                delivery_count: attempt.delivery_count,
                error: attempt.error,
            })
        });
        Some(Letter {
            position: Position {
                partition: written.partition,
                entry_id: written.entry_id.parse().ok()?,
            },
            state: LetterState::Open,
            round: written.round,
            retries: 0,
            session_id: written.session_id,
            reason: Reason::named(&written.reason)?,
            error: written.error,
            attempts: attempts.collect::<Option<_>>()?,
            consumer: written.consumer,
            delivery_count: written.delivery_count,
            first_delivered: written.first_delivered.as_deref().and_then(time),
            dead_at: time(&written.dead_at)?,
            entry: written
                .entry
                .map(|line| line.get().to_owned())
                .or(written.entry_text),
        })
    }
}
