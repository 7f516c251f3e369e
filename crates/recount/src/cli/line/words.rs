//! What happened, in a few words.

use recount::Event;
use recount::payload::Payload;
use serde_json::{Map, Value};

/// The words for an event. Data that does not have the documented form is shown as it is.
pub(crate) fn summary(event: &Event) -> String {
    let words = Payload::of(event).ok().and_then(|payload| words(&payload));
    words.unwrap_or_else(|| match event.data.as_str() {
        "{}" => String::new(),
        data => data.to_owned(),
    })
}

/// None where the data has nothing of what is documented.
fn words(payload: &Payload) -> Option<String> {
    Some(match payload {
        Payload::MessageAdded(message) => {
            let content = message.content.as_ref()?;
            let role = message.role.as_deref().unwrap_or("message");
            format!("{role}: {}", quoted(content))
        }
        Payload::SessionStarted(start) => compact(start.metadata.as_ref()?),
        Payload::SessionEnded(end) => {
            let took = end
                .duration_ms
                .map(|ms| format!("after {}", millis(ms as f64)));
            joined([end.reason.clone(), took])?
        }
        Payload::SummaryCreated(summary) => {
            let text = summary.summary.as_ref().map(|text| quote(text));
            let of = summary.message_count.map(|n| format!("of {n} messages"));
            joined([text, of])?
        }
        Payload::SearchPerformed(search) => {
            let query = search.query.as_ref().map(|query| quote(query));
            let found = search.results_count.map(|n| format!("found {n}"));
            let took = search.duration_ms.map(|ms| format!("in {}", millis(ms)));
            joined([query, found, took])?
        }
        Payload::MemoryCleared(clear) => {
            let of = clear.message_count.map(|n| format!("{n} messages"));
            joined([of, clear.reason.clone()])?
        }
        Payload::ErrorOccurred(error) => {
            let message = error.message.as_deref().or(error.code.as_deref())?;
            match &error.tool {
                Some(tool) => format!("{tool}: {message}"),
                None => message.to_owned(),
            }
        }
        Payload::ToolCalled(call) => {
            let arguments = call.arguments.as_ref().map(plain).unwrap_or_default();
            format!("{}({arguments})", call.tool.as_deref()?)
        }
        Payload::ToolReturned(answer) => {
            let result = answer.result.as_ref().map(plain).unwrap_or_default();
            let tool = answer.tool.as_deref().unwrap_or("tool");
            format!("{tool} = {result}")
        }
        Payload::SessionForked(fork) => {
            let parent = fork.parent_session_id.as_ref()?;
            let at = fork.at_entry_id.as_ref().map(|id| format!("at {id}"));
            joined([Some(format!("from {parent}")), at])?
        }
        _ => return None,
    })
}

fn joined<const N: usize>(parts: [Option<String>; N]) -> Option<String> {
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn quote(text: &str) -> String {
    format!("\"{text}\"")
}

fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        other => other.to_string(),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn compact(map: &Map<String, Value>) -> String {
    serde_json::to_string(map).unwrap_or_default()
}

fn millis(ms: f64) -> String {
    if ms < 1_000.0 {
        format!("{ms} ms")
    } else {
        format!("{:.1} s", ms / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use recount::{EventType, JsonObject};

    use super::*;

    #[test]
    fn every_type_has_words_and_odd_data_is_shown_as_it_is() {
        for (event_type, data, expected) in [
            (
                EventType::MessageAdded,
                r#"{"role":"user","content":[{"a":1}]}"#,
                r#"user: [{"a":1}]"#,
            ),
            (EventType::MessageAdded, r#"{"role":7}"#, r#"{"role":7}"#),
            (EventType::SessionStarted, "{}", ""),
            (
                EventType::SessionStarted,
                r#"{"metadata":{"plan":"pro"}}"#,
                r#"{"plan":"pro"}"#,
            ),
            (
                EventType::SessionEnded,
                r#"{"reason":"completed","duration_ms":61500}"#,
                "completed, after 61.5 s",
            ),
            (
                EventType::SummaryCreated,
                r#"{"summary":"All well","message_count":4}"#,
                r#""All well", of 4 messages"#,
            ),
            (
                EventType::SearchPerformed,
                r#"{"query":"refund","results_count":3,"duration_ms":12.5}"#,
                r#""refund", found 3, in 12.5 ms"#,
            ),
            (
                EventType::MemoryCleared,
                r#"{"reason":"user asked","message_count":9}"#,
                "9 messages, user asked",
            ),
            (
                EventType::ErrorOccurred,
                r#"{"message":"timed out","tool":"search"}"#,
                "search: timed out",
            ),
            (
                EventType::ToolReturned,
                r#"{"tool":"search","result":"none"}"#,
                "search = none",
            ),
            (
                EventType::SessionForked,
                r#"{"parent_session_id":"s0","at_entry_id":"7-0"}"#,
                "from s0, at 7-0",
            ),
            (
                EventType::new("invoice.sent").unwrap(),
                r#"{"n":1}"#,
                r#"{"n":1}"#,
            ),
        ] {
            let event = Event::builder(event_type, "s1")
                .data(JsonObject::parse(data).unwrap())
                .build()
                .unwrap();
            assert_eq!(summary(&event), expected);
        }
    }
}
