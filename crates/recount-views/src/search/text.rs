//! The text of an event: what a search in words looks at.

use std::borrow::Cow;
use std::fmt;

use recount_core::{Event, EventType};
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Bytes of an event's text that are searched: its beginning.
pub const TEXT_BYTES_MAX: usize = 64 << 10;

/// The text of `event`, as it is searched: a message's content, a tool's name with its arguments or its
/// result, an error's message, code and tool, a summary, what a search looked for, why a session ended or a
/// memory was cleared; of a session's start and of types that are not known here, all that is in the data.
///
/// Where there is structure instead of text, these are its strings and numbers, a line each, without the
/// names of fields and without embedded files (`data:` URLs). At most [`TEXT_BYTES_MAX`].
pub fn text_of(event: &Event) -> Cow<'_, str> {
    let mut text = Text(Cow::Borrowed(""));
    let mut json = serde_json::Deserializer::from_slice(event.data.as_bytes());
    let data = Data {
        text: &mut text,
        fields: fields(&event.event_type),
    };
    // What was recorded is an object: it was checked when it came in.
    let _ = data.deserialize(&mut json);
    text.0
}

/// The fields that hold text; none for all of them.
fn fields(event_type: &EventType) -> Option<&'static [&'static str]> {
    Some(match event_type {
        EventType::MessageAdded => &["content"],
        EventType::ToolCalled => &["tool", "arguments"],
        EventType::ToolReturned => &["tool", "result"],
        EventType::ErrorOccurred => &["message", "code", "tool"],
        EventType::SummaryCreated => &["summary"],
        EventType::SearchPerformed => &["query"],
        EventType::SessionEnded | EventType::MemoryCleared => &["reason"],
        // What it carries is its parent's.
        EventType::SessionForked => &[],
        _ => return None,
    })
}

/// What was collected, borrowed as long as it is one string.
struct Text<'t>(Cow<'t, str>);

impl<'t> Text<'t> {
    /// Whether nothing fits after a line's end.
    fn is_full(&self) -> bool {
        self.0.len() + 1 >= TEXT_BYTES_MAX
    }

    fn push(&mut self, part: Cow<'t, str>) {
        if part.is_empty() || self.is_full() || is_file(&part) {
            return;
        }
        if self.0.is_empty() {
            self.0 = match part {
                Cow::Borrowed(part) => Cow::Borrowed(cut(part, TEXT_BYTES_MAX)),
                Cow::Owned(mut part) => {
                    part.truncate(cut(&part, TEXT_BYTES_MAX).len());
                    Cow::Owned(part)
                }
            };
            return;
        }
        let text = self.0.to_mut();
        text.push('\n');
        text.push_str(cut(&part, TEXT_BYTES_MAX.saturating_sub(text.len())));
    }
}

fn is_file(part: &str) -> bool {
    part.starts_with("data:") && part.bytes().take(128).any(|byte| byte == b',')
}

/// The beginning of `text`, of at most `bytes`.
fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// The object in which the fields stand.
struct Data<'a, 't> {
    text: &'a mut Text<'t>,
    fields: Option<&'static [&'static str]>,
}

impl<'de> DeserializeSeed<'de> for Data<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Data<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = map.next_key()? {
            let is_text = self.fields.is_none_or(|fields| fields.contains(&&*key));
            if is_text && !self.text.is_full() {
                map.next_value_seed(Strings(self.text))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// A field's name; without an allocation where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// A value of whatever shape, whose strings and numbers are text.
struct Strings<'a, 't>(&'a mut Text<'t>);

impl<'de> DeserializeSeed<'de> for Strings<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strings<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        self.0.push(Cow::Borrowed(text));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.push(Cow::Owned(text.to_owned()));
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.0.push(Cow::Owned(number.to_string()));
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.0.push(Cow::Owned(number.to_string()));
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.0.push(Cow::Owned(number.to_string()));
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Strings(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key::<IgnoredAny>()?.is_some() {
            map.next_value_seed(Strings(self.0))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use recount_core::JsonObject;

    use super::*;

    fn text(event_type: EventType, data: &str) -> String {
        let event = Event::builder(event_type, "s")
            .data(JsonObject::parse(data.to_owned()).unwrap())
            .build()
            .unwrap();
        text_of(&event).into_owned()
    }

    #[test]
    fn each_type_has_its_text() {
        let all = r#"{"content":"c","tool":"t","arguments":{"x":["a",7,-1.5,true,null]},"result":"r",
            "message":"m","code":"e","summary":"s","query":"q","reason":"why","state":{"y":"z"}}"#;
        let custom = EventType::new("invoice.sent").unwrap();
        for (event_type, expected) in [
            (EventType::MessageAdded, "c"),
            (EventType::ToolCalled, "t\na\n7\n-1.5"),
            (EventType::ToolReturned, "t\nr"),
            (EventType::ErrorOccurred, "t\nm\ne"),
            (EventType::SummaryCreated, "s"),
            (EventType::SearchPerformed, "q"),
            (EventType::SessionEnded, "why"),
            (EventType::MemoryCleared, "why"),
            (EventType::SessionForked, ""),
            (custom, "c\nt\na\n7\n-1.5\nr\nm\ne\ns\nq\nwhy\nz"),
        ] {
            assert_eq!(text(event_type.clone(), all), expected, "{event_type}");
            assert_eq!(text(event_type, "{}"), "");
        }
    }

    #[test]
    fn structure_gives_its_strings_and_leaves_files_out() {
        let data = r#"{"content":[{"text":"L\u00f6we"},{"url":"data:image/png;base64,AAAA"},{"text":"data: 7"}]}"#;
        assert_eq!(text(EventType::MessageAdded, data), "Löwe\ndata: 7");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        for content in ["ä".repeat(1 << 20), format!("x{}", "ä".repeat(1 << 20))] {
            let data = format!(r#"{{"content":["{content}","more"]}}"#);
            let text = text(EventType::MessageAdded, &data);
            assert!(text.len() <= TEXT_BYTES_MAX && text.len() > TEXT_BYTES_MAX - 2);
            assert!(content.starts_with(&text));
        }
    }

    #[test]
    fn one_plain_string_is_not_copied() {
        let event = Event::builder(EventType::MessageAdded, "s")
            .data(JsonObject::parse(r#"{"role":"user","content":"plain"}"#).unwrap())
            .build()
            .unwrap();
        assert!(matches!(text_of(&event), Cow::Borrowed("plain")));
    }
}
