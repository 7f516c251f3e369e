//! An entry that the group gives up on, until its letter is written.

use recount_core::Timestamp;

use super::message::Message;
use crate::{Attempt, NewLetter, Reason};

/// Why an entry is given up, and what led to it.
pub(super) struct Grave {
    pub reason: Reason,
    pub error: String,
    pub attempts: Vec<Attempt>,
    pub first_delivered: Option<Timestamp>,
}

impl Grave {
    pub fn new(reason: Reason, error: impl Into<String>) -> Self {
        Self {
            reason,
            error: error.into(),
            attempts: Vec::new(),
            first_delivered: None,
        }
    }

    pub fn in_sequence() -> Self {
        Self::new(
            Reason::InSequence,
            "an earlier entry of its session is a dead letter",
        )
    }

    pub fn letter(&self, message: &Message) -> NewLetter {
        NewLetter {
            position: message.position,
            entry: Some(message.entry.clone()),
            reason: self.reason,
            error: self.error.clone(),
            attempts: self.attempts.clone(),
            consumer: message.consumer.to_string(),
            // The delivery that told of the others was none to a handler.
            delivery_count: match self.reason {
                Reason::Poison => message.delivery_count - 1,
                _ => message.delivery_count,
            },
            first_delivered: self.first_delivered,
        }
    }
}
