//! What a seed says is to happen.

use std::fmt;
use std::time::Duration;

use recount_core::{Event, EventType, JsonObject, Timestamp, TimestampSource};
use recount_disk::SyncMode;
use recount_disk::sim::{Fault, Moment, Random};

use super::process::Refused;

/// When the clocks start.
pub const START_MS: u64 = 1_700_000_000_000;
pub const SESSIONS: u64 = 6;
pub const USERS: u64 = 3;
pub const TYPES: [&str; 3] = ["message.added", "tool.called", "custom.type"];

/// One schedule.
pub struct Plan {
    pub seed: u64,
    pub segment_bytes: u64,
    pub window: Duration,
    /// The modes of the openings, one after another, over and over.
    pub modes: Vec<SyncMode>,
    pub steps: Vec<Step>,
}

/// One thing that happens to the stream.
#[derive(Debug, Clone)]
pub enum Step {
    /// Appends batches at the same time, while a follower reads.
    Append(Vec<Order>),
    /// Appends what is there once more.
    Again,
    /// Appends entries under ids of their own: so many milliseconds and sequences after the last.
    Copy(Vec<(u64, u64, Copied)>),
    Trim(Trim),
    /// Waits for what a batch brings.
    Wait(Order),
    Query(Asked),
    /// Steps the clock, in milliseconds.
    Clock(i64),
    /// Opens one more follower, or closes one.
    Follow,
    Unfollow,
    /// A second process tries to write.
    SecondWriter,
    Close,
    Kill,
    KillAt(u64, Moment),
    PowerFails,
    PowerFailsAt(u64, Moment),
    Fails(Fault),
    Refuses(Refused, u64),
    Space(u64),
    /// Everything works again.
    Heal,
}

/// A batch to be appended.
#[derive(Debug, Clone)]
pub struct Order {
    pub drafts: Vec<Draft>,
    pub strict: bool,
    /// So much beyond the revision that the first event's session has.
    pub expected: Option<u64>,
}

/// An event to be made. The same draft makes the same event.
#[derive(Clone, Copy)]
pub struct Draft {
    pub number: u64,
    pub session: u64,
    pub twist: Twist,
}

/// How an event differs from the others of its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twist {
    Plain,
    OtherSpelling,
    OtherData,
    OtherSession,
}

#[derive(Debug, Clone, Copy)]
pub enum Copied {
    Event(Draft),
    /// In the layout of other producers.
    Flat,
    /// No event at all.
    Noise,
}

#[derive(Debug, Clone, Copy)]
pub struct Trim {
    pub limit: Limit,
    pub exact: bool,
    pub dry_run: bool,
}

#[derive(Debug, Clone, Copy)]
pub enum Limit {
    /// To so many percent of what is retained.
    Length(u64),
    /// From the entry at so many percent of what is retained.
    Id(u64),
    AgeMs(u64),
}

#[derive(Debug, Clone)]
pub struct Asked {
    pub session: Option<u64>,
    pub user: Option<u64>,
    pub types: Vec<u64>,
    /// Percents of what was ever appended; none for an open end.
    pub from: Option<u64>,
    pub to: Option<u64>,
    pub backward: bool,
    pub limit: usize,
    /// Which handle is asked.
    pub handle: u64,
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "e{}/s{}", self.number, self.session)?;
        if self.twist == Twist::Plain {
            return Ok(());
        }
        write!(f, "({:?})", self.twist)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let modes: Vec<_> = self.modes.iter().map(SyncMode::to_string).collect();
        write!(
            f,
            "seed {}: segments of {} bytes, a window of {:?}, sync modes {}",
            self.seed,
            self.segment_bytes,
            self.window,
            modes.join(", ")
        )
    }
}

impl Draft {
    pub fn event(&self) -> Event {
        let filler = "x".repeat(match self.number % 23 {
            0 => 1500,
            some => some as usize * 9,
        });
        let number = self.number;
        let data = match self.twist {
            Twist::OtherSpelling => format!(r#"{{"x": "{filler}", "n": {number}}}"#),
            Twist::OtherData => format!(r#"{{"n":{number},"x":"other"}}"#),
            Twist::Plain | Twist::OtherSession => format!(r#"{{"n":{number},"x":"{filler}"}}"#),
        };
        let session = match self.twist {
            Twist::OtherSession => self.session + 1,
            _ => self.session,
        };
        let mut event = Event::builder(event_type(number), session_name(session))
            .id(format!("e{number}"))
            .timestamp(Timestamp::from_millis(START_MS as i64).expect("a legal time"))
            .data(JsonObject::parse(data).expect("an object"))
            .build()
            .expect("a legal event");
        event.user_id = (!number.is_multiple_of(4)).then(|| user_name(number));
        if number % 3 == 1 {
            event.timestamp_source = TimestampSource::Filled;
        }
        event
    }
}

pub fn session_name(number: u64) -> String {
    format!("s{}", number % SESSIONS)
}

pub fn user_name(number: u64) -> String {
    format!("u{}", number % USERS)
}

pub fn event_type(number: u64) -> EventType {
    EventType::new(TYPES[(number % 3) as usize]).expect("a legal type")
}

impl Plan {
    /// The schedule of a seed.
    pub fn of(seed: u64) -> Self {
        let mut drawing = Drawing {
            random: Random::new(seed ^ 0x5EED_0000_0000),
            sessions: Vec::new(),
        };
        let modes = (0..4).map(|_| drawing.mode()).collect();
        let steps = 12 + drawing.random.below(24);
        Self {
            seed,
            segment_bytes: [700, 2 << 10, 4 << 10, 16 << 10][drawing.random.below(4) as usize],
            window: Duration::from_secs([60, 3600, 86_400][drawing.random.below(3) as usize]),
            modes,
            steps: (0..steps).map(|_| drawing.step()).collect(),
        }
    }
}

/// Draws steps; it knows the session of every event that a step so far named.
struct Drawing {
    random: Random,
    sessions: Vec<u64>,
}

impl Drawing {
    fn one_in(&mut self, many: u64) -> bool {
        self.random.below(many) == 0
    }

    fn mode(&mut self) -> SyncMode {
        match self.random.below(4) {
            0 | 1 => SyncMode::Always,
            2 => SyncMode::Os,
            _ => SyncMode::Interval(Duration::from_millis(1)),
        }
    }

    fn step(&mut self) -> Step {
        match self.random.below(100) {
            0..36 => {
                let batches = 1 + self.random.below(3);
                Step::Append((0..batches).map(|_| self.order()).collect())
            }
            36..39 => Step::Again,
            39..43 => {
                let entries = 1 + self.random.below(5);
                Step::Copy((0..entries).map(|_| self.copied()).collect())
            }
            43..52 => Step::Trim(self.trim()),
            52..55 => Step::Wait(self.order()),
            55..61 => Step::Query(self.asked()),
            61..66 => self.clock(),
            66..72 => Step::Follow,
            72..73 => Step::Unfollow,
            73..74 => Step::SecondWriter,
            74..79 => Step::Close,
            79..81 => Step::Kill,
            81..85 => Step::KillAt(self.random.below(60), self.moment()),
            85..87 => Step::PowerFails,
            87..91 => Step::PowerFailsAt(self.random.below(60), self.moment()),
            91..98 => self.fault(),
            _ => Step::Heal,
        }
    }

    fn fresh(&mut self) -> Draft {
        let session = self.random.below(SESSIONS);
        self.sessions.push(session);
        Draft {
            number: self.sessions.len() as u64 - 1,
            session,
            twist: Twist::Plain,
        }
    }

    fn draft(&mut self) -> Draft {
        if self.sessions.is_empty() || self.random.below(10) < 8 {
            return self.fresh();
        }
        let number = self.random.below(self.sessions.len() as u64);
        let twist = match self.random.below(8) {
            0 => Twist::OtherSpelling,
            1 => Twist::OtherData,
            2 => Twist::OtherSession,
            _ => Twist::Plain,
        };
        Draft {
            number,
            session: self.sessions[number as usize],
            twist,
        }
    }

    fn order(&mut self) -> Order {
        let events = match self.random.below(8) {
            0 => 0,
            1 => 20,
            _ => 1 + self.random.below(6),
        };
        let mut drafts: Vec<_> = (0..events).map(|_| self.draft()).collect();
        let expected = self.one_in(6).then(|| u64::from(self.one_in(4)));
        if expected.is_some() && !self.one_in(8) {
            let session = self.random.below(SESSIONS);
            drafts.retain_mut(|draft| {
                if draft.twist == Twist::Plain && draft.number + 8 > self.sessions.len() as u64 {
                    draft.session = session;
                    self.sessions[draft.number as usize] = session;
                }
                draft.session == session
            });
        }
        Order {
            drafts,
            strict: self.one_in(6),
            expected,
        }
    }

    fn copied(&mut self) -> (u64, u64, Copied) {
        let kind = match self.random.below(4) {
            0 => Copied::Flat,
            1 => Copied::Noise,
            _ => Copied::Event(self.fresh()),
        };
        (self.random.below(3), u64::from(!self.one_in(12)), kind)
    }

    fn trim(&mut self) -> Trim {
        let limit = match self.random.below(5) {
            0 | 1 => Limit::Length(self.random.below(120)),
            2 => Limit::Length(0),
            3 => Limit::Id(self.random.below(110)),
            _ => Limit::AgeMs(self.random.below(100_000)),
        };
        Trim {
            limit,
            exact: !self.one_in(3),
            dry_run: self.one_in(5),
        }
    }

    fn asked(&mut self) -> Asked {
        let one_of = |random: &mut Random, many| random.coin().then(|| random.below(many));
        let random = &mut self.random;
        Asked {
            session: one_of(random, SESSIONS + 1),
            user: one_of(random, USERS + 1),
            types: (0..random.below(3)).map(|_| random.below(3)).collect(),
            from: one_of(random, 101),
            to: one_of(random, 101),
            backward: random.coin(),
            limit: [1, 3, 10, usize::MAX][random.below(4) as usize],
            handle: random.below(4),
        }
    }

    fn clock(&mut self) -> Step {
        let far = [10, 1000, 70_000, 4_000_000, 90_000_000][self.random.below(5) as usize];
        let step = self.random.below(far) as i64;
        Step::Clock(if self.one_in(3) { -step } else { step })
    }

    fn moment(&mut self) -> Moment {
        match self.random.below(3) {
            0 => Moment::Before,
            1 => Moment::During(self.random.below(900) as usize),
            _ => Moment::After,
        }
    }

    fn fault(&mut self) -> Step {
        let nth = self.random.below(12);
        match self.random.below(8) {
            0 | 1 => Step::Fails(Fault::FullAtWrite {
                nth: nth / 2,
                written: self.random.below(600) as usize,
            }),
            2 | 3 => Step::Fails(Fault::SyncFails { nth }),
            4 => Step::Fails(Fault::ReadFails { nth: 3 * nth }),
            5 => Step::Space(self.random.below(12_000)),
            _ => {
                let what = [
                    Refused::Create,
                    Refused::Rename,
                    Refused::Remove,
                    Refused::List,
                ][self.random.below(4) as usize];
                Step::Refuses(what, nth / 3)
            }
        }
    }
}
