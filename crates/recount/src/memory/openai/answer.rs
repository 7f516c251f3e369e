//! What a model answered.

use serde::Deserialize;
use serde_json::Value;

use crate::memory::Summary;

/// Characters of a server's words that are repeated.
const SHOWN_MAX: usize = 200;

/// A chat completion, as far as it matters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    text: String,
    model: Option<String>,
    tokens_in: Option<u64>,
    tokens_out: Option<u64>,
}

impl Answer {
    /// The summary by the model that answered, or by the one that was `asked`.
    pub(super) fn summary(self, asked: &str) -> Summary {
        Summary {
            text: self.text,
            model: self.model.unwrap_or_else(|| asked.to_owned()),
            tokens_in: self.tokens_in,
            tokens_out: self.tokens_out,
        }
    }
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    #[serde(default)]
    model: Value,
    #[serde(default)]
    usage: Value,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    #[serde(default)]
    finish_reason: Value,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: Value,
    #[serde(default)]
    refusal: Value,
}

/// Reads an answer, or says what is wrong with it.
pub(super) fn parse(body: &[u8]) -> Result<Answer, String> {
    let completion: Completion = serde_json::from_slice(body)
        .map_err(|error| format!("not with a chat completion ({}): {:?}", error, start(body)))?;
    let Some(choice) = completion.choices.into_iter().next() else {
        return Err("with a chat completion without choices".to_owned());
    };
    let text = text_of(&choice.message.content);
    let text = text.trim();
    if text.is_empty() {
        let why = match (&choice.message.refusal, &choice.finish_reason) {
            (Value::String(refusal), _) => format!(": {:?}", short(refusal)),
            (_, Value::String(reason)) => format!(" (finish_reason {:?})", short(reason)),
            _ => String::new(),
        };
        return Err(format!("with an empty summary{why}"));
    }
    let tokens = |name: &str| completion.usage[name].as_u64();
    Ok(Answer {
        text: text.to_owned(),
        model: completion
            .model
            .as_str()
            .filter(|model| !model.is_empty())
            .map(str::to_owned),
        tokens_in: tokens("prompt_tokens"),
        tokens_out: tokens("completion_tokens"),
    })
}

/// What a server says of its refusal, if it says something.
pub(super) fn explanation(body: &[u8]) -> Option<String> {
    let said = match serde_json::from_slice::<Value>(body) {
        Ok(json) => {
            let error = &json["error"];
            let known = [&error["message"], error, &json["message"], &json["detail"]];
            known.into_iter().find_map(Value::as_str).map(short)?
        }
        // The page of some proxy.
        Err(_) if start(body).starts_with('<') => return None,
        Err(_) => start(body),
    };
    (!said.is_empty()).then_some(said)
}

/// Text is a string, or parts of which some are text.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part["text"].as_str())
            .collect(),
        _ => String::new(),
    }
}

fn start(body: &[u8]) -> String {
    let beginning = &body[..body.len().min(4 * SHOWN_MAX)];
    short(&String::from_utf8_lossy(beginning))
}

/// The beginning of a text on one line, without anything that a terminal would obey.
pub(super) fn short(text: &str) -> String {
    let plain = text
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c });
    let mut shown: String = plain.clone().take(SHOWN_MAX).collect();
    if plain.count() > SHOWN_MAX {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_liberally() {
        let full = br#"{"id":"x","model":"m-2","choices":[{"index":0,"finish_reason":"stop",
            "message":{"role":"assistant","content":" All is well.\n"}}],
            "usage":{"prompt_tokens":12,"completion_tokens":4,"total_tokens":16}}"#;
        let summary = parse(full).unwrap().summary("m");
        let expected = Summary {
            text: "All is well.".to_owned(),
            model: "m-2".to_owned(),
            tokens_in: Some(12),
            tokens_out: Some(4),
        };
        assert_eq!(summary, expected);
        let bare = br#"{"choices":[{"message":{"content":[{"type":"text","text":"Well."}]}}]}"#;
        assert_eq!(
            parse(bare).unwrap().summary("m"),
            Summary::new("Well.", "m")
        );
    }

    #[test]
    fn what_is_no_answer_is_told() {
        for (body, words) in [
            (&b""[..], "not with a chat completion"),
            (b"<html>", "not with a chat completion"),
            (b"[1]", "not with a chat completion"),
            (b"\xff\xfe{", "not with a chat completion"),
            (br#"{"choices":7}"#, "not with a chat completion"),
            (br#"{"choices":[]}"#, "without choices"),
            (
                br#"{"choices":[{"message":{"content":null},"finish_reason":"length"}]}"#,
                "\"length\"",
            ),
            (
                br#"{"choices":[{"message":{"content":" ","refusal":"I will\nnot"}}]}"#,
                "\"I will not\"",
            ),
            (br#"{"choices":[{"message":{}}]}"#, "an empty summary"),
        ] {
            let what = parse(body).unwrap_err();
            assert!(what.contains(words), "{what}");
        }
        let long = [b"x".repeat(100_000)].concat();
        assert!(parse(&long).unwrap_err().len() < 1_000);
    }

    #[test]
    fn a_refusal_is_explained_shortly_and_safely() {
        for (body, said) in [
            (
                &br#"{"error":{"message":"no such model"}}"#[..],
                Some("no such model"),
            ),
            (br#"{"error":"no such model"}"#, Some("no such model")),
            (br#"{"detail":"no\u001b[2J\nsuch"}"#, Some("no [2J such")),
            (b"upstream died", Some("upstream died")),
            (b"<html>502</html>", None),
            (b"{}", None),
            (b"", None),
        ] {
            assert_eq!(explanation(body).as_deref(), said);
        }
        assert!(explanation(&b"x".repeat(9_999)).unwrap().chars().count() == SHOWN_MAX + 1);
    }
}
