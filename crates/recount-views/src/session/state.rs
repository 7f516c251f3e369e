//! What a session came to.

use std::collections::BTreeMap;

use recount_core::{Body, Event, EventType, Fold, Position, Recorded, Schema, Timestamp};
use serde::{Deserialize, Serialize};

use super::facts::Facts;
use super::forms;

/// Open tool calls that a state names, the newest.
pub const OPEN_CALLS_MAX: usize = 64;
/// Names of types that a state counts one by one; what is of further ones is counted under an empty name.
pub const TYPES_MAX: usize = 64;
/// Bytes of a text that a state keeps: a name, an id, a reason.
const TEXT_MAX: usize = 256;
/// What a state that is taken over may count to: more than anybody can have recorded, far from the end.
const COUNT_MAX: u64 = 1 << 53;

/// What a session came to: the fold of its events, from nothing but the log.
///
/// This is the bounded core: counts, times, and where things are; the texts of messages, summaries and
/// errors stay in the log. Times are those at which things happened, by their producers' word. Events of
/// other sessions change nothing.
///
/// A session that was forked begins from the state that its `session.forked` event carries, so that it
/// is the same whatever becomes of its parent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionState {
    // Who it is and where it comes from: all that a fork does not take over.
    /// The session.
    pub session_id: String,
    /// The session that it branched off, if it did.
    pub forked_from: Option<Lineage>,
    /// The revision of the first entry that was seen: above 1, what came before was trimmed or left
    /// out.
    pub first_revision: u64,
    /// The revision of the last entry that was seen: where the session was.
    pub revision: u64,
    /// How many of its own entries were seen, what it inherited left out.
    pub own_events: u64,
    /// The last entry that was seen.
    #[serde(with = "forms::position")]
    pub position: Option<Position>,

    // What a fork begins with.
    /// The last user that an event named.
    pub user_id: Option<String>,
    /// The last agent that an event named.
    pub agent_id: Option<String>,
    /// Whether it goes on.
    pub status: SessionStatus,
    /// What its end was worth, if the event that ended it said so (`reward`).
    pub reward: Option<f64>,
    /// The earliest time at which one of its events happened.
    #[serde(with = "forms::timestamp")]
    pub first_happened: Option<Timestamp>,
    /// The latest.
    #[serde(with = "forms::timestamp")]
    pub last_happened: Option<Timestamp>,
    /// How many events were seen, what was inherited included.
    pub events: u64,
    /// How many of these were of a version newer than is known here, or refused by an upcaster. They
    /// are counted like others, but what their data changes is not known: it is left out of the rest.
    pub future: u64,
    /// How many of each type.
    pub types: BTreeMap<String, u64>,
    /// How many messages are in the memory: added, and not cleared since.
    pub message_count: u64,
    /// How many messages were added, cleared ones included.
    pub messages_added: u64,
    /// How many summaries were made.
    pub summaries: u64,
    /// The newest summary that is in the memory.
    #[serde(with = "forms::position")]
    pub summary: Option<Position>,
    /// How many searches were made.
    pub searches: u64,
    /// How many errors occurred.
    pub errors: u64,
    /// The newest of them.
    #[serde(with = "forms::position")]
    pub last_error: Option<Position>,
    /// How often the memory was cleared.
    pub clears: u64,
    /// When it was cleared last.
    #[serde(with = "forms::position")]
    pub cleared: Option<Position>,
    /// Tools.
    pub tools: ToolCalls,
    /// Tokens that its events counted, those of cleared messages included.
    pub tokens: Tokens,
    /// What its events said that they cost, in the producer's currency.
    pub cost: f64,
}

/// Whether a session goes on.
///
/// A session in which nothing happens for long is *idle* to whoever looks at it: [`SessionState::is_idle`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionStatus {
    /// Nothing was seen of it.
    #[default]
    Unknown,
    /// It was not ended since it was begun. A message or a tool call after its end begins it again.
    Active,
    /// It was ended.
    Ended {
        /// Why, if the event said so.
        reason: Option<String>,
    },
}

/// Where a session branched off another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// The session it came from.
    pub session_id: String,
    /// The parent's last entry that it shares.
    #[serde(with = "forms::position")]
    pub position: Option<Position>,
    /// The parent's revision there.
    pub revision: u64,
    /// Whether what it took over is all that was ever recorded of the parent up to there.
    pub complete: bool,
}

/// What became of the tools that a session called.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolCalls {
    /// How many calls.
    pub called: u64,
    /// How many were answered.
    pub returned: u64,
    /// How many failed: errors that name a call or a tool.
    pub failed: u64,
    /// Answers to which no open call belonged.
    pub unasked: u64,
    /// How long the answered ones took, where that is known, in milliseconds.
    pub duration_ms: f64,
    /// Of how many answered ones that is known.
    pub timed: u64,
    /// Calls that were not answered, oldest first, failed ones included; the newest [`OPEN_CALLS_MAX`].
    pub open: Vec<OpenCall>,
}

/// A tool call that nobody answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCall {
    /// The call's id, if it has one.
    pub call_id: Option<String>,
    /// The tool.
    pub tool: Option<String>,
    /// Where the call is recorded.
    #[serde(with = "forms::position")]
    pub position: Option<Position>,
    /// When it was called.
    #[serde(with = "forms::timestamp")]
    pub happened: Option<Timestamp>,
    /// Whether an error said that it failed. An answer may follow or not.
    pub failed: bool,
}

/// Tokens, as events count them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// What models read: `tokens_in`, or `tokens` of what no assistant said.
    pub input: u64,
    /// What models wrote: `tokens_out`, or `tokens` of what an assistant said.
    pub output: u64,
    /// All of them.
    pub total: u64,
}

impl SessionState {
    /// The state of a session of which nothing was seen.
    pub fn new(session_id: impl Into<String>) -> Self {
        Self {
            session_id: session_id.into(),
            forked_from: None,
            first_revision: 0,
            revision: 0,
            own_events: 0,
            position: None,
            user_id: None,
            agent_id: None,
            status: SessionStatus::Unknown,
            reward: None,
            first_happened: None,
            last_happened: None,
            events: 0,
            future: 0,
            types: BTreeMap::new(),
            message_count: 0,
            messages_added: 0,
            summaries: 0,
            summary: None,
            searches: 0,
            errors: 0,
            last_error: None,
            clears: 0,
            cleared: None,
            tools: ToolCalls::default(),
            tokens: Tokens::default(),
            cost: 0.0,
        }
    }

    /// Whether the session was seen from its first event on, without a hole, and so was what it was forked
    /// from. A part of a memory is never silent.
    pub fn is_complete(&self) -> bool {
        let inherited = self.forked_from.as_ref().is_none_or(|from| from.complete);
        self.first_revision <= 1 && self.missing() == 0 && inherited
    }

    /// How many of its entries between the first and the last that were seen were not: a copy of a log
    /// may have gaps.
    pub fn missing(&self) -> u64 {
        let span = self.revision.saturating_sub(self.first_revision);
        (span + u64::from(self.revision > 0)).saturating_sub(self.own_events)
    }

    /// How many events of a type were seen.
    pub fn count(&self, event_type: &EventType) -> u64 {
        self.types.get(event_type.as_str()).copied().unwrap_or(0)
    }

    /// Whether it goes on, but nothing happened for longer than `idle_after_ms` before `now`.
    pub fn is_idle(&self, now: Timestamp, idle_after_ms: u64) -> bool {
        let since = |last: Timestamp| now.as_millis().saturating_sub(last.as_millis());
        self.status == SessionStatus::Active
            && self
                .last_happened
                .is_some_and(|last| since(last) > idle_after_ms as i64)
    }

    /// Whether something went wrong: an error, an end for the reason `error`, `failed` or `timeout`, or one
    /// that was worth less than 1.
    pub fn is_failed(&self) -> bool {
        let badly = |reason: &str| matches!(reason, "error" | "failed" | "failure" | "timeout");
        let ended_badly = matches!(
            &self.status,
            SessionStatus::Ended { reason: Some(reason) } if badly(reason)
        );
        self.errors > 0 || ended_badly || self.reward.is_some_and(|reward| reward < 1.0)
    }

    /// The same state under another identity: what a session that branches off here begins with.
    #[must_use]
    pub fn inherited_by(&self, child: impl Into<String>, from: Lineage) -> Self {
        Self {
            session_id: child.into(),
            forked_from: Some(from),
            first_revision: 0,
            revision: 0,
            own_events: 0,
            position: None,
            ..self.clone()
        }
    }

    /// What is counted of every entry of the session, a fork's first one included.
    fn number(&mut self, recorded: &Recorded) {
        self.own_events += 1;
        self.position = Some(recorded.position);
        self.revision = self.revision.max(recorded.revision);
        // What other programs wrote may have no number.
        let number = recorded.revision;
        if number > 0 && (self.first_revision == 0 || number < self.first_revision) {
            self.first_revision = number;
        }
    }

    /// Begins from what the event carries, if it is the session's first.
    fn inherit(&mut self, facts: &mut Facts<'_>) -> bool {
        let Some(parent) = facts.parent.take() else {
            return false;
        };
        if self.own_events > 0 {
            return false;
        }
        let own = std::mem::take(&mut self.session_id);
        let state = facts.state.take();
        let state = state.and_then(|state| serde_json::from_value::<Self>(state).ok());
        let from = Lineage {
            session_id: cut(&parent),
            position: facts.forked_at(),
            revision: facts.at_revision.unwrap_or(0),
            complete: state.as_ref().is_some_and(Self::is_complete),
        };
        let inherited = state.map_or_else(|| Self::new(""), Self::bounded);
        *self = inherited.inherited_by(own, from);
        true
    }

    /// A state that somebody else may have written, as small as one of ours, with room to count on.
    fn bounded(mut self) -> Self {
        self.types.retain(|name, _| name.len() <= TEXT_MAX);
        // One more than have a name of their own counts the others.
        while self.types.len() > TYPES_MAX + 1 {
            self.types.pop_last();
        }
        let tools = &mut self.tools;
        tools.open.truncate(OPEN_CALLS_MAX);
        for call in &mut tools.open {
            cut_in_place(&mut call.call_id);
            cut_in_place(&mut call.tool);
        }
        cut_in_place(&mut self.user_id);
        cut_in_place(&mut self.agent_id);
        if let SessionStatus::Ended { reason } = &mut self.status {
            cut_in_place(reason);
        }
        let counts = [
            &mut self.events,
            &mut self.future,
            &mut self.message_count,
            &mut self.messages_added,
            &mut self.summaries,
            &mut self.searches,
            &mut self.errors,
            &mut self.clears,
            &mut tools.called,
            &mut tools.returned,
            &mut tools.failed,
            &mut tools.unasked,
            &mut tools.timed,
        ];
        for count in counts.into_iter().chain(self.types.values_mut()) {
            *count = (*count).min(COUNT_MAX);
        }
        self
    }

    fn see(&mut self, event: &Event) {
        self.events += 1;
        let at = event.timestamp;
        self.first_happened = Some(self.first_happened.map_or(at, |first| first.min(at)));
        self.last_happened = Some(self.last_happened.map_or(at, |last| last.max(at)));
        for (known, named) in [
            (&mut self.user_id, &event.user_id),
            (&mut self.agent_id, &event.agent_id),
        ] {
            if named.is_some() && known != named {
                known.clone_from(named);
            }
        }
        let name = event.event_type.as_str();
        if let Some(counted) = self.types.get_mut(name) {
            *counted += 1;
        } else {
            let name = if self.types.len() < TYPES_MAX {
                name
            } else {
                ""
            };
            *self.types.entry(name.to_owned()).or_default() += 1;
        }
        let goes_on = matches!(
            event.event_type,
            EventType::SessionStarted | EventType::MessageAdded | EventType::ToolCalled
        );
        if self.status == SessionStatus::Unknown || goes_on {
            self.status = SessionStatus::Active;
        }
    }

    /// What the data changes. Fields of other types than documented change nothing; a message stays a
    /// message.
    fn take_in(&mut self, event: &Event, facts: &Facts<'_>, position: Position) {
        self.tokens.add(facts);
        self.cost = sum(self.cost, facts.cost.unwrap_or(0.0));
        match event.event_type {
            EventType::MessageAdded => {
                self.message_count += 1;
                self.messages_added += 1;
            }
            EventType::SessionEnded => {
                self.status = SessionStatus::Ended {
                    reason: facts.reason.as_deref().map(cut),
                };
                self.reward = facts.reward.or(self.reward);
            }
            EventType::SummaryCreated => {
                self.summaries += 1;
                self.summary = Some(position);
            }
            EventType::SearchPerformed => self.searches += 1,
            EventType::MemoryCleared => {
                self.clears += 1;
                self.cleared = Some(position);
                self.message_count = 0;
                self.summary = None;
            }
            EventType::ErrorOccurred => {
                self.errors += 1;
                self.last_error = Some(position);
                if facts.call_id.is_some() || facts.tool.is_some() {
                    self.tools.fail(facts);
                }
            }
            EventType::ToolCalled => self.tools.open(event, facts, position),
            EventType::ToolReturned => {
                self.tools.answer(event, facts);
            }
            _ => {}
        }
    }
}

impl ToolCalls {
    /// Calls of which nothing more is known than that they were made.
    pub fn unanswered(&self) -> impl Iterator<Item = &OpenCall> {
        self.open.iter().filter(|call| !call.failed)
    }

    fn open(&mut self, event: &Event, facts: &Facts<'_>, position: Position) {
        self.called += 1;
        if self.open.len() == OPEN_CALLS_MAX {
            let oldest_failed = self.open.iter().position(|call| call.failed);
            self.open.remove(oldest_failed.unwrap_or(0));
        }
        self.open.push(OpenCall {
            call_id: facts.call_id.as_deref().map(cut),
            tool: facts.tool.as_deref().map(cut),
            position: Some(position),
            happened: Some(event.timestamp),
            failed: false,
        });
    }

    /// The call that is meant: the newest of that id, or where there is no id, the oldest of that tool without
    /// one.
    fn find(&self, facts: &Facts<'_>) -> Option<usize> {
        let call_id = facts.call_id.as_deref().map(kept);
        let tool = facts.tool.as_deref().map(kept);
        let mut open = self.open.iter();
        match call_id {
            // The one that is answered is mostly the last.
            Some(_) => open.rposition(|call| call.call_id.as_deref() == call_id),
            None => open.position(|call| call.call_id.is_none() && call.tool.as_deref() == tool),
        }
    }

    fn fail(&mut self, facts: &Facts<'_>) {
        self.failed += 1;
        if let Some(at) = self.find(facts) {
            self.open[at].failed = true;
        }
    }

    fn answer(&mut self, event: &Event, facts: &Facts<'_>) {
        self.returned += 1;
        let call = self.find(facts).map(|at| self.open.remove(at));
        if call.is_none() {
            self.unasked += 1;
        }
        let between = call
            .and_then(|call| call.happened)
            .map(|called| event.timestamp.as_millis() - called.as_millis())
            .filter(|&ms| ms >= 0);
        if let Some(ms) = facts.duration_ms.or(between.map(|ms| ms as f64)) {
            self.duration_ms = sum(self.duration_ms, ms);
            self.timed += 1;
        }
    }
}

impl Tokens {
    fn add(&mut self, facts: &Facts<'_>) {
        let (mut input, mut output) = (facts.tokens_in.unwrap_or(0), facts.tokens_out.unwrap_or(0));
        let total = facts.tokens.unwrap_or(input.saturating_add(output));
        if facts.tokens_in.is_none() && facts.tokens_out.is_none() {
            if facts.assistant {
                output = total;
            } else {
                input = total;
            }
        }
        self.input = self.input.saturating_add(input);
        self.output = self.output.saturating_add(output);
        self.total = self.total.saturating_add(total);
    }
}

/// A sum that stays a number, so that it can be written as one.
fn sum(a: f64, b: f64) -> f64 {
    (a + b).clamp(f64::MIN, f64::MAX)
}

fn cut_in_place(text: &mut Option<String>) {
    if let Some(text) = text {
        text.truncate(text.floor_char_boundary(TEXT_MAX));
    }
}

/// As much of a text as a state keeps.
fn kept(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_MAX)]
}

fn cut(text: &str) -> String {
    kept(text).to_owned()
}

impl Fold for SessionState {
    fn apply(&mut self, recorded: &Recorded) {
        let Body::Event(event) = &recorded.body else {
            return;
        };
        if event.session_id != self.session_id {
            return;
        }
        let known = !matches!(
            recorded.schema,
            Schema::Future { .. } | Schema::Refused { .. }
        );
        let mut facts = if known {
            Facts::of(event)
        } else {
            Facts::default()
        };
        if event.event_type == EventType::SessionForked && self.inherit(&mut facts) {
            self.number(recorded);
            return;
        }
        self.number(recorded);
        self.see(event);
        if known {
            self.take_in(event, &facts, recorded.position);
        } else {
            self.future += 1;
        }
    }
}
