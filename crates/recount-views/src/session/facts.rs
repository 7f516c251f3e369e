//! What a fold wants to know of an event's data, read without building a tree of it.

mod scan;

use std::borrow::Cow;

use recount_core::{EntryId, Event, EventType, Position};
use serde_json::Value;

use self::scan::Scan;

/// The fields that change a state. A field of another type than documented counts as absent.
#[derive(Debug, Default)]
pub(super) struct Facts<'e> {
    pub assistant: bool,
    pub tokens: Option<u64>,
    pub tokens_in: Option<u64>,
    pub tokens_out: Option<u64>,
    pub cost: Option<f64>,
    pub reason: Option<Cow<'e, str>>,
    pub reward: Option<f64>,
    pub call_id: Option<Cow<'e, str>>,
    pub tool: Option<Cow<'e, str>>,
    pub duration_ms: Option<f64>,
    pub parent: Option<Cow<'e, str>>,
    pub at_partition: Option<u64>,
    pub at_entry_id: Option<EntryId>,
    pub at_revision: Option<u64>,
    pub state: Option<Value>,
}

impl<'e> Facts<'e> {
    pub(super) fn of(event: &'e Event) -> Self {
        let mut facts = Self::default();
        let forked = event.event_type == EventType::SessionForked;
        Scan::of(event.data.as_bytes()).members(|name, value| match &*unescaped(name) {
            b"state" if forked => facts.state = serde_json::from_slice(value).ok(),
            b"usage" if value.starts_with(b"{") => facts.count(&Self::of_usage(value)),
            name if is_wanted(name) => facts.take(name, &Scalar::read(value)),
            _ => {}
        });
        facts
    }

    /// What models' interfaces answer with. Nested deeper there is nothing that counts.
    fn of_usage(value: &'e [u8]) -> Self {
        let mut usage = Self::default();
        Scan::of(value).members(|name, value| {
            let name = &*unescaped(name);
            let counts = is_wanted(name) && memchr::memmem::find(name, b"token").is_some();
            if (counts || name == b"cost") && !value.starts_with(b"{") {
                usage.take(name, &Scalar::read(value));
            }
        });
        usage
    }

    /// What the event itself says goes before its `usage`.
    fn count(&mut self, usage: &Self) {
        self.tokens = self.tokens.or(usage.tokens);
        self.tokens_in = self.tokens_in.or(usage.tokens_in);
        self.tokens_out = self.tokens_out.or(usage.tokens_out);
        self.cost = self.cost.or(usage.cost);
    }

    /// Where a fork shares its parent's last entry.
    pub(super) fn forked_at(&self) -> Option<Position> {
        self.at_entry_id.map(|entry_id| Position {
            partition: self
                .at_partition
                .and_then(|partition| partition.try_into().ok())
                .unwrap_or(0),
            entry_id,
        })
    }

    fn take(&mut self, name: &[u8], scalar: &Scalar<'e>) {
        match name {
            b"role" => self.assistant = scalar.text().is_some_and(|role| role == "assistant"),
            b"tokens" | b"total_tokens" => self.tokens = scalar.count().or(self.tokens),
            b"tokens_in" | b"input_tokens" | b"prompt_tokens" => {
                self.tokens_in = scalar.count().or(self.tokens_in);
            }
            b"tokens_out" | b"output_tokens" | b"completion_tokens" => {
                self.tokens_out = scalar.count().or(self.tokens_out);
            }
            b"cost" => self.cost = scalar.number(),
            b"reason" => self.reason = scalar.text(),
            b"reward" => self.reward = scalar.number(),
            b"call_id" => self.call_id = scalar.text(),
            b"tool" => self.tool = scalar.text(),
            b"duration_ms" => self.duration_ms = scalar.number().filter(|&ms| ms >= 0.0),
            b"parent_session_id" => self.parent = scalar.text(),
            b"at_partition" => self.at_partition = scalar.count(),
            b"at_entry_id" => self.at_entry_id = scalar.text().and_then(|id| id.parse().ok()),
            b"at_revision" => self.at_revision = scalar.count(),
            _ => {}
        }
    }
}

fn is_wanted(name: &[u8]) -> bool {
    matches!(
        name,
        b"role"
            | b"tokens"
            | b"total_tokens"
            | b"tokens_in"
            | b"input_tokens"
            | b"prompt_tokens"
            | b"tokens_out"
            | b"output_tokens"
            | b"completion_tokens"
            | b"cost"
            | b"reason"
            | b"reward"
            | b"call_id"
            | b"tool"
            | b"duration_ms"
            | b"parent_session_id"
            | b"at_partition"
            | b"at_entry_id"
            | b"at_revision"
    )
}

/// A name without its escapes, which hardly any has.
fn unescaped(name: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', name).is_none() {
        return Cow::Borrowed(name);
    }
    let quoted = [b"\"", name, b"\""].concat();
    let read = serde_json::from_slice::<String>(&quoted);
    read.map_or(Cow::Borrowed(name), |name| Cow::Owned(name.into_bytes()))
}

/// A value, if it is of a type that says something.
enum Scalar<'e> {
    Text(Cow<'e, str>),
    Count(u64),
    Number(f64),
    Other,
}

impl<'e> Scalar<'e> {
    fn read(value: &'e [u8]) -> Self {
        let read = match value.first() {
            Some(b'"') => text(value).map(Self::Text),
            Some(b'-' | b'0'..=b'9') => number(value),
            _ => None,
        };
        read.unwrap_or(Self::Other)
    }

    fn text(&self) -> Option<Cow<'e, str>> {
        match self {
            Self::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    fn count(&self) -> Option<u64> {
        match *self {
            Self::Count(count) => Some(count),
            _ => None,
        }
    }

    fn number(&self) -> Option<f64> {
        match *self {
            Self::Count(count) => Some(count as f64),
            Self::Number(number) if number.is_finite() => Some(number),
            _ => None,
        }
    }
}

/// The text of a string with its quotes.
fn text(value: &[u8]) -> Option<Cow<'_, str>> {
    if memchr::memchr(b'\\', value).is_some() {
        return serde_json::from_slice(value).ok().map(Cow::Owned);
    }
    let inside = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    std::str::from_utf8(inside).ok().map(Cow::Borrowed)
}

fn number<'e>(value: &[u8]) -> Option<Scalar<'e>> {
    let value = std::str::from_utf8(value).ok()?;
    match value.parse() {
        Ok(count) => Some(Scalar::Count(count)),
        Err(_) => value.parse().ok().map(Scalar::Number),
    }
}

#[cfg(test)]
mod tests;
