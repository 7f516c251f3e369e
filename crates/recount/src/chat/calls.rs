//! Tool calls, and which result answers which.
//!
//! Ids alone do not tell: real runs repeat them, and some have none. A result answers the oldest
//! open call of the last message that made calls, or of those with its id where several are open
//! there; an id that fits none of them but a call still open from before means that one.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::time::Moment;

/// A call as a message makes it.
pub(super) struct Call {
    pub id: Option<String>,
    pub tool: Option<String>,
    /// Parsed where they are JSON.
    pub arguments: Value,
    /// Keys without a place of their own.
    pub other: Map<String, Value>,
}

/// Takes the calls out of an assistant's message, the old single `function_call` too.
pub(super) fn take(message: &mut Map<String, Value>) -> Vec<Call> {
    let mut calls = match message.get_mut("tool_calls") {
        Some(Value::Array(list)) => std::mem::take(list),
        _ => Vec::new(),
    };
    if !calls.is_empty() || message.get("tool_calls").is_some_and(Value::is_null) {
        message.remove("tool_calls");
    }
    if message.get("function_call").is_some_and(Value::is_object) {
        calls.extend(message.remove("function_call"));
    }
    calls.into_iter().map(read).collect()
}

fn read(call: Value) -> Call {
    let Value::Object(mut other) = call else {
        return Call {
            id: None,
            tool: None,
            arguments: call,
            other: Map::new(),
        };
    };
    if other.get("type").is_some_and(|kind| kind == "function") {
        other.remove("type");
    }
    // The function's own keys stand in it, or beside the id where the API is another one.
    if let Some(Value::Object(_)) = other.get("function")
        && let Some(Value::Object(function)) = other.remove("function")
    {
        for (key, value) in function {
            other.entry(key).or_insert(value);
        }
    }
    let arguments = other.remove("arguments").unwrap_or(Value::Null);
    Call {
        id: text(other.remove("id")),
        tool: text(other.remove("name")),
        arguments: match arguments {
            Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
            value => value,
        },
        other,
    }
}

/// A text that is not empty.
pub(super) fn text(value: Option<Value>) -> Option<String> {
    match value {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    }
}

/// The calls of a session so far.
#[derive(Default)]
pub(super) struct Calls {
    open: Vec<Open>,
    /// The message that made calls last.
    latest: usize,
    used: HashSet<String>,
}

/// A call without an answer yet.
struct Open {
    message: usize,
    id: Option<String>,
    answered: Answered,
}

/// The call that a result answers. A result to no call has a `call_id` of its own and no time.
pub(super) struct Answered {
    pub call_id: String,
    pub tool: Option<String>,
    pub at: Option<Moment>,
}

impl Calls {
    /// Notes a call and gives it an id that is unique in the session.
    pub fn open(&mut self, message: usize, place: usize, call: &Call, at: Moment) -> String {
        let call_id = match &call.id {
            Some(id) => self.unique(id),
            None => self.unique(&format!("call-{message}-{place}")),
        };
        self.latest = message;
        self.open.push(Open {
            message,
            id: call.id.clone(),
            answered: Answered {
                call_id: call_id.clone(),
                tool: call.tool.clone(),
                at: Some(at),
            },
        });
        call_id
    }

    /// The call that a result with this id and tool name answers.
    pub fn answer(&mut self, message: usize, id: Option<&str>, name: Option<&str>) -> Answered {
        let latest = |open: &&Open| open.message == self.latest;
        let has_id = |open: &&Open| id.is_some() && open.id.as_deref() == id;
        let has_name = |open: &&Open| name.is_some() && open.answered.tool.as_deref() == name;
        let find = |test: &dyn Fn(&&Open) -> bool| self.open.iter().position(|open| test(&open));
        let found = find(&|open| latest(open) && has_id(open))
            .or_else(|| find(&has_id))
            .or_else(|| find(&|open| latest(open) && has_name(open)))
            .or_else(|| find(&latest));
        match found {
            Some(place) => self.open.remove(place).answered,
            None => Answered {
                call_id: match id {
                    Some(id) => self.unique(id),
                    None => self.unique(&format!("result-{message}")),
                },
                tool: None,
                at: None,
            },
        }
    }

    fn unique(&mut self, wanted: &str) -> String {
        let mut call_id = wanted.to_owned();
        let mut nth = 1_u64;
        while !self.used.insert(call_id.clone()) {
            nth += 1;
            call_id = format!("{wanted}#{nth}");
        }
        call_id
    }
}
