//! How a story is told: each call adds an event, and time passes.

use std::time::Duration;

use recount_core::{Event, EventType, Timestamp};
use serde_json::{Map, Value, json};

use super::random::Random;

/// One session while it is told.
pub(super) struct Script {
    pub random: Random,
    pub lines: Vec<Line>,
    session: String,
    user: &'static str,
    now_ms: u64,
    started_ms: u64,
    messages: u64,
    calls: u64,
}

/// An event to be, at a time on the story's own scale.
pub(super) struct Line {
    pub at_ms: u64,
    id: String,
    session: String,
    user: &'static str,
    event_type: EventType,
    data: Map<String, Value>,
    /// How long it took on the story's scale, to be stated in `duration_ms`.
    took_ms: Option<u64>,
}

impl Line {
    /// The event, with its duration brought from the story's scale to real time.
    pub fn into_event(mut self, at: Timestamp, scale: f64) -> Event {
        if let Some(took) = self.took_ms {
            let ms = Duration::from_millis(took).mul_f64(scale).as_millis() as u64;
            self.data.insert("duration_ms".into(), ms.into());
        }
        Event::builder(self.event_type, self.session)
            .id(self.id)
            .user(self.user)
            .agent("support-agent")
            .timestamp(at)
            .data(self.data.into())
            .build()
            .expect("the stories hold legal identifiers only")
    }
}

impl Script {
    pub fn new(session: String, user: &'static str, begin_ms: u64, random: Random) -> Self {
        Self {
            random,
            lines: Vec::new(),
            session,
            user,
            now_ms: begin_ms,
            started_ms: begin_ms,
            messages: 0,
            calls: 0,
        }
    }

    fn add(&mut self, event_type: EventType, data: Value, took_ms: Option<u64>) {
        let Value::Object(data) = data else {
            unreachable!("every story writes objects")
        };
        self.lines.push(Line {
            at_ms: self.now_ms,
            id: format!("{}:{}", self.session, self.lines.len() + 1),
            session: self.session.clone(),
            user: self.user,
            event_type,
            data,
            took_ms,
        });
    }

    fn pass(&mut self, low_ms: u64, high_ms: u64) -> u64 {
        let ms = self.random.between(low_ms, high_ms);
        self.now_ms += ms;
        ms
    }

    fn message(&mut self, role: &str, content: &str) {
        self.messages += 1;
        // About four characters make a token.
        let tokens = content.len().div_ceil(4);
        let data = json!({ "role": role, "content": content, "tokens": tokens });
        self.add(EventType::MessageAdded, data, None);
    }

    pub fn start(&mut self) {
        let channel = self.random.pick(&["chat", "mail", "phone"]);
        let data = json!({ "metadata": { "channel": channel } });
        self.add(EventType::SessionStarted, data, None);
        self.pass(20, 60);
    }

    pub fn end(&mut self, reason: &str) {
        self.pass(60, 160);
        let took = self.now_ms - self.started_ms;
        self.add(EventType::SessionEnded, json!({ "reason": reason }), None);
        if let Some(line) = self.lines.last_mut() {
            line.took_ms = Some(took);
        }
    }

    pub fn user(&mut self, text: impl AsRef<str>) {
        self.pass(90, 260);
        self.message("user", text.as_ref());
    }

    pub fn agent(&mut self, text: impl AsRef<str>) {
        self.pass(120, 240);
        self.message("assistant", text.as_ref());
    }

    /// A call that succeeds.
    pub fn tool(&mut self, tool: &str, arguments: &Value, result: &Value) {
        self.call(tool, arguments, result);
    }

    /// A call that fails.
    pub fn failing_tool(&mut self, tool: &str, arguments: &Value, code: &str, message: &str) {
        let result = json!({ "error": { "code": code, "message": message } });
        let call_id = self.call(tool, arguments, &result);
        let data = json!({ "message": message, "code": code, "tool": tool, "call_id": call_id });
        self.add(EventType::ErrorOccurred, data, None);
    }

    fn call(&mut self, tool: &str, arguments: &Value, result: &Value) -> String {
        self.pass(30, 80);
        self.calls += 1;
        let id = format!("call-{}", self.calls);
        let data = json!({ "tool": tool, "arguments": arguments, "call_id": id });
        self.add(EventType::ToolCalled, data, None);
        let passed = self.pass(60, 380);
        let data = json!({ "tool": tool, "call_id": id, "result": result });
        self.add(EventType::ToolReturned, data, Some(passed));
        id
    }

    pub fn search(&mut self, query: impl Into<String>, results: u64) {
        self.pass(20, 60);
        let took = self.pass(8, 40);
        let data = json!({ "query": query.into(), "results_count": results });
        self.add(EventType::SearchPerformed, data, Some(took));
    }

    pub fn summary(&mut self, text: impl Into<String>) {
        self.pass(80, 200);
        let data = json!({ "summary": text.into(), "message_count": self.messages });
        self.add(EventType::SummaryCreated, data, None);
    }

    pub fn clear(&mut self, reason: &str) {
        self.pass(60, 120);
        let data = json!({ "reason": reason, "message_count": self.messages });
        self.messages = 0;
        self.add(EventType::MemoryCleared, data, None);
    }
}
