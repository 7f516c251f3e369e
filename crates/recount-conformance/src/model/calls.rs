//! The calls that are tried, and how often.

use proptest::collection::vec;
use proptest::prelude::*;
use recount_core::{Event, EventType, TimestampSource};

use crate::kit::{START_MS, WINDOW_MS, building, data, finish, time};

/// One call. Numbers stand for ids, sessions and positions, so that they meet often.
#[derive(Debug, Clone)]
pub enum Call {
    Append {
        events: Vec<Draft>,
        strict: bool,
    },
    /// An append to one session, at its revision plus `off`.
    Expect {
        session: usize,
        numbers: Vec<usize>,
        off: u64,
    },
    /// Copies, each so many milliseconds and sequences after the last.
    Copy(Vec<(u64, u64, Copied)>),
    Trim {
        limit: Limit,
        exact: bool,
        dry_run: bool,
    },
    /// Moves the clock to so many milliseconds after the start of the case.
    Clock(u64),
    Reopen,
    Read(Range),
    Query {
        range: Range,
        session: Option<usize>,
        user: Option<usize>,
        types: Vec<usize>,
    },
}

/// An event to be made.
#[derive(Debug, Clone)]
pub struct Draft {
    pub number: usize,
    pub twist: Twist,
}

/// How an event differs from the others of its number.
#[derive(Debug, Clone, Copy)]
pub enum Twist {
    Plain,
    OtherSpelling,
    OtherData,
    OtherSession,
}

#[derive(Debug, Clone, Copy)]
pub enum Copied {
    Event,
    Flat,
    Noise,
}

#[derive(Debug, Clone, Copy)]
pub enum Limit {
    Length(u64),
    /// From the so manieth id that was ever given.
    Position(usize),
    AgeMs(u64),
}

#[derive(Debug, Clone)]
pub struct Range {
    pub start: End,
    pub end: End,
    pub backward: bool,
    pub limit: usize,
}

#[derive(Debug, Clone, Copy)]
pub enum End {
    Open,
    Included(usize),
    Excluded(usize),
}

/// The event ids `c0`, `c1`, ... are those of copies; numbers from here on mean them.
pub const COPIES_FROM: usize = 16;
const NUMBERS: usize = 20;
const SESSIONS: usize = 3;
const TYPES: [&str; 3] = ["message.added", "tool.called", "custom.type"];

impl Draft {
    pub fn event(&self) -> Event {
        let id = match self.number.checked_sub(COPIES_FROM) {
            Some(copy) => format!("c{copy}"),
            None => format!("e{}", self.number),
        };
        let session = match self.twist {
            Twist::OtherSession => self.number + 1,
            _ => self.number,
        };
        let text = match self.twist {
            Twist::OtherSpelling => r#"{"b": 2, "a": 1}"#,
            Twist::OtherData => r#"{"a":1}"#,
            Twist::Plain | Twist::OtherSession => r#"{"a":1,"b":2}"#,
        };
        let mut event = finish(building(&id, &session_name(session)).data(data(text)));
        event.event_type = type_of(self.number);
        event.replayed = self.number.is_multiple_of(5);
        event.user_id = (!self.number.is_multiple_of(4)).then(|| user_name(self.number));
        if self.number % 2 == 1 && self.number < COPIES_FROM {
            event.timestamp = time(START_MS + self.twist as u64);
            event.timestamp_source = TimestampSource::Filled;
        }
        event
    }
}

pub fn session_name(number: usize) -> String {
    format!("s{}", number % SESSIONS)
}

pub fn user_name(number: usize) -> String {
    format!("u{}", number % 2)
}

pub fn type_of(number: usize) -> EventType {
    EventType::new(TYPES[number % TYPES.len()]).expect("a legal type")
}

pub fn any_call() -> impl Strategy<Value = Call> {
    prop_oneof![
        8 => (vec(any_draft(), 0..6), prop::bool::weighted(0.2))
            .prop_map(|(events, strict)| Call::Append { events, strict }),
        3 => (0..SESSIONS, vec(0..COPIES_FROM, 1..4), 0..2_u64)
            .prop_map(|(session, numbers, off)| Call::Expect { session, numbers, off }),
        2 => vec((0..3_u64, 0..3_u64, any_copied()), 1..4).prop_map(Call::Copy),
        3 => (any_limit(), any::<bool>(), prop::bool::weighted(0.2))
            .prop_map(|(limit, exact, dry_run)| Call::Trim { limit, exact, dry_run }),
        4 => (0..4 * WINDOW_MS).prop_map(|ms| Call::Clock(ms - ms % (WINDOW_MS / 4))),
        2 => Just(Call::Reopen),
        4 => any_range().prop_map(Call::Read),
        4 => (
            any_range(),
            proptest::option::of(0..=SESSIONS),
            proptest::option::of(0..2_usize),
            vec(0..TYPES.len(), 0..3),
        )
            .prop_map(|(range, session, user, types)| Call::Query { range, session, user, types }),
    ]
}

fn any_draft() -> impl Strategy<Value = Draft> {
    let twist = prop_oneof![
        6 => Just(Twist::Plain),
        1 => Just(Twist::OtherSpelling),
        1 => Just(Twist::OtherData),
        1 => Just(Twist::OtherSession),
    ];
    (0..NUMBERS, twist).prop_map(|(number, twist)| Draft { number, twist })
}

fn any_copied() -> impl Strategy<Value = Copied> {
    prop_oneof![Just(Copied::Event), Just(Copied::Flat), Just(Copied::Noise)]
}

fn any_limit() -> impl Strategy<Value = Limit> {
    prop_oneof![
        (0..12_u64).prop_map(Limit::Length),
        (0..64_usize).prop_map(Limit::Position),
        (0..2 * WINDOW_MS).prop_map(Limit::AgeMs),
    ]
}

fn any_range() -> impl Strategy<Value = Range> {
    let end = || {
        prop_oneof![
            2 => Just(End::Open),
            1 => (0..64_usize).prop_map(End::Included),
            1 => (0..64_usize).prop_map(End::Excluded),
        ]
    };
    let limit = prop_oneof![1..6_usize, Just(usize::MAX)];
    (end(), end(), any::<bool>(), limit).prop_map(|(start, end, backward, limit)| Range {
        start,
        end,
        backward,
        limit,
    })
}
