//! A message before it is recorded, and the words in one that was.

use std::borrow::Cow;

use recount_core::Timestamp;
use recount_core::payload::MessageAdded;
use serde_json::Value;

/// Bytes of a message's text that are searched and summarised: its beginning.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// A message that is to be added.
///
/// ```
/// use recount::memory::NewMessage;
///
/// let message = NewMessage::new("tool", serde_json::json!({"status": "shipped"}))
///     .id("call-17/result") // said again with this id, it is there once
///     .tokens(12);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct NewMessage {
    pub(super) id: Option<String>,
    pub(super) happened: Option<Timestamp>,
    pub(super) message: MessageAdded,
}

impl NewMessage {
    /// What somebody said: text, or whatever structure the model's interface uses.
    pub fn new(role: impl Into<String>, content: impl Into<Value>) -> Self {
        Self::from(MessageAdded {
            role: Some(role.into()),
            content: Some(content.into()),
            ..MessageAdded::default()
        })
    }

    /// What the user said.
    pub fn user(content: impl Into<Value>) -> Self {
        Self::new("user", content)
    }

    /// What the model said.
    pub fn assistant(content: impl Into<Value>) -> Self {
        Self::new("assistant", content)
    }

    /// The event's id, by which saying it again is noticed; a new one unless given.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// When it was said; now unless given.
    pub fn happened(mut self, at: Timestamp) -> Self {
        self.happened = Some(at);
        self
    }

    /// Tokens that it counts.
    pub fn tokens(mut self, tokens: u64) -> Self {
        self.message.tokens = Some(tokens);
        self
    }

    /// Tokens that the model read for it, and wrote.
    pub fn usage(mut self, tokens_in: u64, tokens_out: u64) -> Self {
        self.message.tokens_in = Some(tokens_in);
        self.message.tokens_out = Some(tokens_out);
        self
    }

    /// What it cost, in your currency.
    pub fn cost(mut self, cost: f64) -> Self {
        self.message.cost = Some(cost);
        self
    }

    /// The model that said it.
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.message.model = Some(model.into());
        self
    }
}

impl From<MessageAdded> for NewMessage {
    fn from(message: MessageAdded) -> Self {
        Self {
            id: None,
            happened: None,
            message,
        }
    }
}

/// The words in what a message holds: of structure its strings and numbers, a line each, without the names
/// of fields and without embedded files.
pub(super) fn words_in(message: &MessageAdded) -> Cow<'_, str> {
    match &message.content {
        None => Cow::Borrowed(""),
        Some(Value::String(text)) => Cow::Borrowed(beginning(text)),
        Some(content) => {
            let mut text = String::new();
            collect(content, &mut text);
            text.truncate(beginning(&text).len());
            Cow::Owned(text)
        }
    }
}

fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

fn collect(content: &Value, text: &mut String) {
    if text.len() >= TEXT_BYTES_MAX {
        return;
    }
    match content {
        Value::String(part) if !part.starts_with("data:") => line(text, part),
        Value::Number(number) => line(text, &number.to_string()),
        Value::Array(parts) => parts.iter().for_each(|part| collect(part, text)),
        // What kind of part it is, is no word of anybody.
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| *name != "type")
            .for_each(|(_, part)| collect(part, text)),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

fn line(text: &mut String, part: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(beginning(part));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn words(content: Value) -> String {
        let message = NewMessage::user(content).message;
        words_in(&message).into_owned()
    }

    #[test]
    fn the_words_of_a_message_are_found_in_whatever_structure_it_has() {
        assert_eq!(words(json!("Hello")), "Hello");
        let parts = json!([
            {"type": "text", "text": "Look at"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            {"order": 4711, "ok": true, "none": null},
        ]);
        assert_eq!(words(parts), "Look at\n4711");
        assert_eq!(words(json!(null)), "");
        assert_eq!(words_in(&MessageAdded::default()), "");
    }

    #[test]
    fn of_a_long_message_the_beginning_counts() {
        let long = "ü".repeat(TEXT_BYTES_MAX);
        for content in [json!(long), json!([long, long])] {
            let words = words(content);
            assert!(words.len() <= TEXT_BYTES_MAX && words.len() > TEXT_BYTES_MAX - 4);
        }
    }
}
