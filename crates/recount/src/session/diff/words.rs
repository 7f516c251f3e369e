//! A difference in words.

use std::fmt;
use std::ops::Range;

use serde::Serialize;
use serde_json::Value;

use super::{Aligned, messages};

/// One thing that differs between two states.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Change {
    /// A message is in the memory that was not.
    MessageAdded {
        /// Who said it.
        role: Option<String>,
        /// What.
        content: Value,
        /// Its revision in the second state.
        revision: u64,
    },
    /// A message is not in the memory any more.
    MessageRemoved {
        /// Who said it.
        role: Option<String>,
        /// What.
        content: Value,
        /// Its revision in the first state.
        revision: u64,
    },
    /// The memory was cleared.
    MemoryCleared {
        /// How often.
        times: u64,
    },
    /// A tool call has no answer yet that was not made before.
    ToolCalled {
        /// The tool.
        tool: Option<String>,
        /// The call.
        call_id: Option<String>,
    },
    /// A tool call failed.
    ToolFailed {
        /// The tool.
        tool: Option<String>,
        /// The call.
        call_id: Option<String>,
    },
    /// A tool call was answered that was open.
    ToolFinished {
        /// The tool.
        tool: Option<String>,
        /// The call.
        call_id: Option<String>,
    },
    /// A tool call was made and answered in between.
    ToolAnswered {
        /// The tool.
        tool: Option<String>,
        /// The call.
        call_id: Option<String>,
    },
    /// A tool call was not made yet: the second state is the earlier one.
    ToolNotCalled {
        /// The tool.
        tool: Option<String>,
        /// The call.
        call_id: Option<String>,
    },
    /// A tool call was not answered yet: the second state is the earlier one.
    ToolNotFinished {
        /// The tool.
        tool: Option<String>,
        /// The call.
        call_id: Option<String>,
    },
    /// A value is another one.
    Value {
        /// Which: `status`, `tokens`, `errors`, ...
        name: String,
        /// What it was.
        from: Value,
        /// What it is.
        to: Value,
    },
}

/// What is compared value by value: where it stands in the document, and what it is called.
const VALUES: [(&str, &str); 18] = [
    ("/session_id", "session"),
    ("/user_id", "user"),
    ("/agent_id", "agent"),
    ("/status", "status"),
    ("/ended_reason", "ended"),
    ("/reward", "reward"),
    ("/events", "events"),
    ("/message_count", "messages"),
    ("/tools/called", "tools called"),
    ("/tools/returned", "tools answered"),
    ("/tools/failed", "tools failed"),
    ("/errors", "errors"),
    ("/last_error", "last error"),
    ("/searches", "searches"),
    ("/summaries", "summaries"),
    ("/summary", "summary"),
    ("/tokens/total", "tokens"),
    ("/cost", "cost"),
];

pub(super) fn changes(a: &Value, b: &Value, aligned: &[Aligned]) -> Vec<Change> {
    let mut changes = Vec::new();
    let cleared = |document: &Value| document["clears"].as_u64().unwrap_or(0);
    if let times @ 1.. = cleared(b).saturating_sub(cleared(a)) {
        changes.push(Change::MemoryCleared { times });
    }
    changes.extend(of_messages(a, b, aligned));
    changes.extend(of_tools(a, b));
    for (pointer, name) in VALUES {
        let value = |document: &Value| document.pointer(pointer).cloned().unwrap_or_default();
        let (from, to) = (value(a), value(b));
        if from != to {
            let name = name.to_owned();
            changes.push(Change::Value { name, from, to });
        }
    }
    changes
}

fn of_messages(a: &Value, b: &Value, aligned: &[Aligned]) -> Vec<Change> {
    let (messages_a, messages_b) = (messages(a), messages(b));
    let (left_out_a, left_out_b) = (left_out(a), left_out(b));
    // What the other document only leaves out is no change: its oldest messages.
    let known = |places: &Range<usize>, mine: usize, others: usize| {
        let left_out = if places.start == 0 {
            others.saturating_sub(mine)
        } else {
            0
        };
        places.start + left_out.min(places.len())..places.end
    };
    let mut changes = Vec::new();
    for aligned in aligned {
        match aligned {
            Aligned::Both(..) => {}
            Aligned::Removed(places) => {
                let places = known(places, left_out_a, left_out_b);
                changes.extend(messages_a[places].iter().map(|message| {
                    let (role, content, revision) = said(message);
                    Change::MessageRemoved {
                        role,
                        content,
                        revision,
                    }
                }));
            }
            Aligned::Added(places) => {
                let places = known(places, left_out_b, left_out_a);
                changes.extend(messages_b[places].iter().map(|message| {
                    let (role, content, revision) = said(message);
                    Change::MessageAdded {
                        role,
                        content,
                        revision,
                    }
                }));
            }
        }
    }
    changes
}

/// How many of its messages a document lacks: the oldest.
fn left_out(document: &Value) -> usize {
    let there = document["message_count"].as_u64().unwrap_or(0);
    usize::try_from(there)
        .unwrap_or(usize::MAX)
        .saturating_sub(messages(document).len())
}

/// Whether the second document is of an earlier moment of the same session.
fn is_backward(a: &Value, b: &Value) -> bool {
    a["session_id"] == b["session_id"] && b["revision"].as_u64() < a["revision"].as_u64()
}

fn said(message: &Value) -> (Option<String>, Value, u64) {
    (
        message["role"].as_str().map(str::to_owned),
        message["content"].clone(),
        message["revision"].as_u64().unwrap_or(0),
    )
}

fn of_tools(a: &Value, b: &Value) -> Vec<Change> {
    let open = |document: &Value| {
        document["open_calls"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    };
    let (before, after) = (open(a), open(b));
    // A call is known by its entry, which a fork shares with its parent.
    let find = |calls: &[Value], call: &Value| {
        let same = |other: &&Value| {
            other["entry_id"] == call["entry_id"] && other["call_id"] == call["call_id"]
        };
        calls.iter().find(same).cloned()
    };
    let text = |call: &Value, name: &str| call[name].as_str().map(str::to_owned);
    let backward = is_backward(a, b);
    let mut changes = Vec::new();
    for call in &before {
        if find(&after, call).is_none() {
            let (tool, call_id) = (text(call, "tool"), text(call, "call_id"));
            changes.push(if backward {
                Change::ToolNotCalled { tool, call_id }
            } else {
                Change::ToolFinished { tool, call_id }
            });
        }
    }
    for call in &after {
        let (tool, call_id) = (text(call, "tool"), text(call, "call_id"));
        let was = find(&before, call);
        let failed = |call: &Value| call["failed"] == true;
        match was {
            None if backward => changes.push(Change::ToolNotFinished { tool, call_id }),
            None if failed(call) => changes.push(Change::ToolFailed { tool, call_id }),
            None => changes.push(Change::ToolCalled { tool, call_id }),
            Some(was) if failed(call) && !failed(&was) => {
                changes.push(Change::ToolFailed { tool, call_id });
            }
            Some(_) => {}
        }
    }
    changes
}

/// A line: `+ user: "Hello"`, `tool finished: search (c1)`, `status: active, now ended`.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let call = |tool: &Option<String>, call_id: &Option<String>| {
            let tool = tool.as_deref().unwrap_or("a tool");
            match call_id {
                Some(call_id) => format!("{tool} ({call_id})"),
                None => tool.to_owned(),
            }
        };
        match self {
            Self::MessageAdded { role, content, .. } => {
                write!(f, "+ {}: {content}", role.as_deref().unwrap_or("message"))
            }
            Self::MessageRemoved { role, content, .. } => {
                write!(f, "- {}: {content}", role.as_deref().unwrap_or("message"))
            }
            Self::MemoryCleared { times: 1 } => f.write_str("memory cleared"),
            Self::MemoryCleared { times } => write!(f, "memory cleared {times} times"),
            Self::ToolCalled { tool, call_id } => {
                write!(f, "tool called: {}", call(tool, call_id))
            }
            Self::ToolFailed { tool, call_id } => {
                write!(f, "tool failed: {}", call(tool, call_id))
            }
            Self::ToolFinished { tool, call_id } => {
                write!(f, "tool finished: {}", call(tool, call_id))
            }
            Self::ToolAnswered { tool, call_id } => {
                write!(f, "tool called and finished: {}", call(tool, call_id))
            }
            Self::ToolNotCalled { tool, call_id } => {
                write!(f, "tool not called yet: {}", call(tool, call_id))
            }
            Self::ToolNotFinished { tool, call_id } => {
                write!(f, "tool not finished yet: {}", call(tool, call_id))
            }
            Self::Value { name, from, to } => {
                let said = |value: &Value| plain(name, value);
                match (from, to) {
                    (Value::Null, to) => write!(f, "{name}: {}", said(to)),
                    (from, Value::Null) => write!(f, "{name}: {}, now none", said(from)),
                    (from, to) => write!(f, "{name}: {}, now {}", said(from), said(to)),
                }
            }
        }
    }
}

/// A value as it is read: sentences in quotes, sums without the dust of adding them up.
fn plain(name: &str, value: &Value) -> String {
    match value {
        Value::String(text) if !matches!(name, "last error" | "summary") => text.clone(),
        Value::Number(number) if number.is_f64() => {
            let number = number.as_f64().unwrap_or_default();
            ((number * 1e6).round() / 1e6).to_string()
        }
        other => other.to_string(),
    }
}
