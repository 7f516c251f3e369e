//! Chat runs become events.
//!
//! A *run* is what agent frameworks and benchmarks keep of one conversation: a JSON object with a
//! list of OpenAI-style messages under `messages` or `traj`, and whatever else they know about it.
//! [`events`] turns one run into one session:
//!
//! | in the run | event |
//! |---|---|
//! | the run itself | `session.started` first and `session.ended` last, both with all of the run's other fields |
//! | a message with content | `message.added` |
//! | each of an assistant's `tool_calls` | `tool.called` |
//! | a message of role `tool` | `tool.returned`, and `error.occurred` after it if the tool failed |
//!
//! A tool failed if its result is JSON with an `error` (other than null, false and empty) or a true
//! `is_error`, if the message has a true `is_error`, or if the text begins with `Error`.
//!
//! Keys of a message or call that have no place of their own are carried through beside the
//! documented ones, or in an object `carried` where one of them would get in a documented key's way.
//!
//! The same run at the same place of its input gives the same events, whatever the file is called:
//!
//! * **Session**: the run's `session_id`, `conversation_id` or `id` where that is a text. Else a name
//!   made of `task_id` and `trial`, or of the run's index, and a hash of these and the messages.
//! * **Event id**: `<session>:<message index>:<kind>:<hash of the content>`.
//! * **User**: the first usable text or number at `user_id`, `user`, `user.id`, `metadata.user_id`,
//!   `metadata.user`, `info.user_id`, `info.user`, `info.task.user_id`, `task.user_id`.
//! * **Time**: a `timestamp` or `created_at` of the message (RFC 3339, or Unix time in seconds or
//!   milliseconds). Where there is none it is made up in constant steps, and the data says
//!   `"synthetic_time": true`.
//! * **Calls** get a `call_id` that is unique in the session, since real runs repeat theirs; where
//!   it differs, the original is kept as `tool_call_id`.

mod calls;
mod failure;
mod identity;
mod time;
mod writer;

use recount_core::{Event, EventType, InvalidEvent, Timestamp};
use serde_json::{Map, Value, json};

use calls::Calls;
use time::{Moment, RunClock};
use writer::Writer;

pub use time::SYNTHETIC_START;

/// Where a run's messages may stand.
pub const MESSAGE_KEYS: [&str; 2] = ["messages", "traj"];

/// The events of one run, in order.
///
/// `index` is the run's place in its input, from 0; made-up times of the first run begin at `start`,
/// those of later runs a while after.
pub fn events(
    mut run: Map<String, Value>,
    index: u64,
    start: Timestamp,
) -> Result<Vec<Event>, InvalidRun> {
    let messages = take_messages(&mut run)?;
    let clock = RunClock::new(&run, &messages, index, start);
    let session = identity::session(&run, &messages, index);
    let user = identity::user(&run);
    let mut conversion = Conversion {
        writer: Writer::new(session, user),
        calls: Calls::default(),
        clock,
    };
    conversion.run(run, messages)?;
    Ok(conversion.writer.events)
}

fn take_messages(run: &mut Map<String, Value>) -> Result<Vec<Map<String, Value>>, InvalidRun> {
    let key = MESSAGE_KEYS
        .into_iter()
        .find(|key| run.contains_key(*key))
        .ok_or(InvalidRun::NoMessages)?;
    let Some(Value::Array(messages)) = run.remove(key) else {
        return Err(InvalidRun::NoList { key });
    };
    messages
        .into_iter()
        .enumerate()
        .map(|(index, message)| match message {
            Value::Object(message) => Ok(message),
            _ => Err(InvalidRun::NoMessage { index }),
        })
        .collect()
}

struct Conversion {
    writer: Writer,
    calls: Calls,
    clock: RunClock,
}

impl Conversion {
    fn run(
        &mut self,
        rest: Map<String, Value>,
        messages: Vec<Map<String, Value>>,
    ) -> Result<(), InvalidRun> {
        let started = self.clock.start();
        let own = Map::new();
        self.writer.push(
            "start",
            &EventType::SessionStarted,
            own,
            rest.clone(),
            started,
        )?;
        let mut last = started;
        for (index, message) in messages.into_iter().enumerate() {
            last = self
                .message(index, message)
                .map_err(|reason| InvalidRun::Event { index, reason })?;
        }
        let mut own = Map::new();
        if let Some(ms) = started.until(last) {
            own.insert("duration_ms".into(), ms.into());
        }
        self.writer
            .push("end", &EventType::SessionEnded, own, rest, last)?;
        Ok(())
    }

    fn message(
        &mut self,
        index: usize,
        mut message: Map<String, Value>,
    ) -> Result<Moment, InvalidEvent> {
        let at = self.clock.message(&mut message);
        let role = message.get("role").and_then(Value::as_str);
        if matches!(role, Some("tool" | "function")) {
            self.result(index, message, at)?;
            return Ok(at);
        }
        let calls = calls::take(&mut message);
        let mut carried = message;
        if calls.is_empty() || !is_empty(carried.get("content")) {
            let own = take(&mut carried, &["role", "content"]);
            self.writer.push(
                &format!("{index}:message"),
                &EventType::MessageAdded,
                own,
                std::mem::take(&mut carried),
                at,
            )?;
        }
        carried.retain(|key, value| key != "role" && !is_empty(Some(value)));
        for (place, call) in calls.into_iter().enumerate() {
            // What the message said besides goes with its first call, if with no text.
            let mut beside = std::mem::take(&mut carried);
            let call_id = self.calls.open(index, place, &call, at);
            let mut own = Map::new();
            if let Some(tool) = &call.tool {
                own.insert("tool".into(), tool.as_str().into());
            }
            own.insert("arguments".into(), call.arguments);
            if call.id.as_ref().is_some_and(|id| *id != call_id) {
                own.insert("tool_call_id".into(), call.id.into());
            }
            own.insert("call_id".into(), call_id.into());
            beside.extend(call.other);
            self.writer.push(
                &format!("{index}:call.{place}"),
                &EventType::ToolCalled,
                own,
                beside,
                at,
            )?;
        }
        Ok(at)
    }

    fn result(
        &mut self,
        index: usize,
        mut message: Map<String, Value>,
        at: Moment,
    ) -> Result<(), InvalidEvent> {
        let id = calls::text(message.remove("tool_call_id"));
        let name = calls::text(message.remove("name"));
        let content = message.remove("content").unwrap_or(Value::Null);
        let failure = failure::of(&message, &content);
        message.remove("role");

        let call = self.calls.answer(index, id.as_deref(), name.as_deref());
        let mut about = Map::new();
        if let Some(tool) = name.or(call.tool) {
            about.insert("tool".into(), tool.into());
        }
        if id.as_ref().is_some_and(|id| *id != call.call_id) {
            about.insert("tool_call_id".into(), id.into());
        }
        about.insert("call_id".into(), call.call_id.into());

        let mut own = about.clone();
        own.insert("result".into(), content);
        if let Some(ms) = call.at.and_then(|called| called.until(at)) {
            own.insert("duration_ms".into(), ms.into());
        }
        self.writer.push(
            &format!("{index}:result"),
            &EventType::ToolReturned,
            own,
            message,
            at,
        )?;
        if let Some(failure) = failure {
            about.insert("message".into(), failure.message.into());
            if let Some(code) = failure.code {
                about.insert("code".into(), json!(code));
            }
            self.writer.push(
                &format!("{index}:error"),
                &EventType::ErrorOccurred,
                about,
                Map::new(),
                at,
            )?;
        }
        Ok(())
    }
}

/// Takes the keys that are there out of `map`.
fn take(map: &mut Map<String, Value>, keys: &[&str]) -> Map<String, Value> {
    keys.iter()
        .filter_map(|key| map.remove_entry(*key))
        .collect()
}

fn is_empty(content: Option<&Value>) -> bool {
    match content {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(parts)) => parts.is_empty(),
        Some(_) => false,
    }
}

/// Why an object is not a run.
#[derive(Debug, thiserror::Error)]
pub enum InvalidRun {
    /// It has no messages.
    #[error("the object has neither `messages` nor `traj`: it is no chat run")]
    NoMessages,
    /// The messages are no list.
    #[error("`{key}` is not a list of messages")]
    NoList {
        /// The key they stand under.
        key: &'static str,
    },
    /// One of the messages is no object.
    #[error("message {index} is not an object with `role` and `content`")]
    NoMessage {
        /// Its place, from 0.
        index: usize,
    },
    /// The events of one message cannot be recorded.
    #[error("message {index} cannot be recorded: {reason}")]
    Event {
        /// The message's place, from 0.
        index: usize,
        /// What is wrong.
        #[source]
        reason: InvalidEvent,
    },
    /// The start or end of the session cannot be recorded.
    #[error("the run's fields cannot be recorded: {0}")]
    Run(#[from] InvalidEvent),
}

#[cfg(test)]
mod tests;
