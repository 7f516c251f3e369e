//! Summaries in a memory.

use std::ops::Bound;

use recount_core::payload::SummaryCreated;
use recount_core::{EventType, IdRange, Position, ReadRange};
use serde_json::{Map, Value, json};

use super::message::words_in;
use super::write::New;
use super::{Memory, MemoryError, Said, Summarizer, Summary, SummaryRequest, Written};
use crate::StateMessage;

/// Messages that one summary looks at, the newest.
const MESSAGES_MAX: usize = 10_000;
/// The field of a summary's data that says up to which revision of its session it knows what was said.
const UP_TO: &str = "up_to_revision";

/// A summary that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Summarized {
    /// What it says, and what made it.
    pub summary: Summary,
    /// How many messages it stands for, those of the summary before it included.
    pub message_count: u64,
    /// How many of them were new, and looked at.
    pub new: u64,
    /// How many messages of the memory are in no summary, because they were trimmed or there are too many.
    pub left_out: u64,
    /// Where it is recorded.
    pub recorded: Written,
}

impl Memory {
    /// Has a summary made of what is in the memory, and records it (`summary.created`). What an earlier summary stands
    /// for is not looked at again: the new one is made of that and of what was said since, and takes its place in
    /// [`super::Recent::summary`]. The messages stay in the memory.
    ///
    /// None where nothing was said since the last summary.
    pub async fn summarize(&self, by: &dyn Summarizer) -> Result<Option<Summarized>, MemoryError> {
        let state = self.now().await?.state;
        let earlier = self.earlier(state.summary).await?;
        let there = self.session.messages(&state, MESSAGES_MAX).await?.messages;
        let known = earlier.as_ref().map_or(0, |earlier| earlier.knows(&there));
        let new = &there[known..];
        if new.is_empty() {
            return Ok(None);
        }
        let request = SummaryRequest {
            session_id: self.session.id().to_owned(),
            earlier: earlier.as_ref().map(|earlier| earlier.text.clone()),
            said: new.iter().map(said).collect(),
        };
        let summary = by.summarize(&request).await?;
        let before = earlier.map_or(0, |earlier| earlier.message_count);
        let message_count = before + new.len() as u64;
        let mut other = Map::from_iter([(UP_TO.to_owned(), json!(state.revision))]);
        for (name, tokens) in [
            ("tokens_in", summary.tokens_in),
            ("tokens_out", summary.tokens_out),
        ] {
            other.extend(tokens.map(|tokens| (name.to_owned(), json!(tokens))));
        }
        let created = SummaryCreated {
            summary: Some(summary.text.clone()),
            message_count: Some(message_count),
            model: Some(summary.model.clone()),
            other,
        };
        let recorded = self
            .write(New::of(EventType::SummaryCreated, created))
            .await?;
        Ok(Some(Summarized {
            summary,
            message_count,
            new: new.len() as u64,
            left_out: state.message_count.saturating_sub(message_count),
            recorded,
        }))
    }

    /// The summary at a position, if it is still there.
    async fn earlier(&self, position: Option<Position>) -> Result<Option<Earlier>, MemoryError> {
        let Some(position) = position else {
            return Ok(None);
        };
        let range = ReadRange {
            partition: position.partition,
            ..ReadRange::new(IdRange {
                start: Bound::Included(position.entry_id),
                end: Bound::Included(position.entry_id),
            })
        };
        let page = self.recount.log().read(&range.limit(1)).await?;
        let Some(recorded) = page.entries.first() else {
            return Ok(None);
        };
        let created = recorded.event().and_then(|event| {
            let created: SummaryCreated = event.data.read().ok()?;
            Some((event.session_id.clone(), created))
        });
        let Some((session_id, created)) = created else {
            return Ok(None);
        };
        let Some(text) = created.summary else {
            return Ok(None);
        };
        let up_to = created.other.get(UP_TO).and_then(Value::as_u64);
        Ok(Some(Earlier {
            session_id,
            // One that others made knows what was there before it.
            up_to: up_to.unwrap_or(recorded.revision),
            text,
            message_count: created.message_count.unwrap_or(0),
        }))
    }
}

/// A summary that was made before.
struct Earlier {
    session_id: String,
    /// Up to which revision of its session it knows what was said.
    up_to: u64,
    text: String,
    message_count: u64,
}

impl Earlier {
    /// How many of the messages of a memory it knows: all of the sessions that its own was forked from, and
    /// those of its own that came before it.
    fn knows(&self, messages: &[StateMessage]) -> usize {
        let own = |message: &&StateMessage| message.session_id == self.session_id;
        let before = messages.iter().take_while(|message| !own(message)).count();
        let known = messages[before..].iter().filter(own);
        let known = known
            .take_while(|message| message.revision <= self.up_to)
            .count();
        match messages.get(before) {
            Some(_) => before + known,
            // None of its own is there: what is, was said in others that it was forked from, or that were
            // forked from it. It is better to look at a message twice than not at all.
            None => 0,
        }
    }
}

fn said(message: &StateMessage) -> Said {
    let role = message.message.role.as_deref().unwrap_or("message");
    Said::new(role, words_in(&message.message))
}
