//! The groups of an engine and of the reference, given the same calls at the same time.

use std::fmt::Debug;
use std::sync::Arc;

use recount_core::{
    Cursor, EntryId, EventLog, GroupError, GroupStart, GroupStore, HeldUp, Position, TrimLimit,
    TrimRequest,
};

use super::calls::{CONSUMERS, Call, GROUPS, Limit, Policy, Start, TICK_MS};
use crate::kit::{self, Setup, add, at, events};
use crate::{GroupEngine, MemoryLog, MemoryStream};

/// An engine's log and groups beside the reference.
pub struct Pair<E: GroupEngine> {
    setup: Setup<E>,
    /// None only while it is opened again.
    open: Option<Open<E>>,
    pub reference: MemoryLog,
    /// Every id that was given, in order.
    ids: Vec<EntryId>,
    pub leases: [Vec<Token>; GROUPS],
}

struct Open<E: GroupEngine> {
    log: Arc<E::Log>,
    groups: Arc<E::Groups>,
}

/// A lease: its token with the engine and with the reference.
#[derive(Clone, Copy)]
pub struct Token {
    pub consumer: usize,
    pub engine: u64,
    pub reference: u64,
}

impl<E: GroupEngine> Pair<E> {
    pub async fn new() -> Self {
        let setup = Setup::new().await;
        let stream = MemoryStream::default();
        let reference = MemoryLog::open(&stream, setup.environment.memory_options());
        let mut pair = Self {
            setup,
            open: None,
            reference,
            ids: Vec::new(),
            leases: Default::default(),
        };
        pair.open().await;
        // Most sequences are about one group.
        pair.make(Call::Create(0, Start::First)).await;
        pair
    }

    /// Makes a call on both, compares what comes of it, and then everything that can be seen of groups.
    pub async fn make(&mut self, call: Call) {
        match call {
            Call::Append(count) => self.append(count).await,
            Call::Trim(limit, policy) => self.trim(limit, policy).await,
            Call::Ticks(ticks) => self.setup.clock().advance(ticks * TICK_MS),
            Call::Reopen => self.reopen().await,
            Call::Create(group, start) => {
                let (name, start) = (group_name(group), self.start(start));
                let got = self.groups().create(name, &start).await;
                same(got, self.reference.create(name, &start).await);
            }
            Call::Move(group, start) => {
                let (name, start) = (group_name(group), self.start(start));
                let got = self.groups().set_position(name, &start).await;
                same(got, self.reference.set_position(name, &start).await);
            }
            // One that is left alone more often than not.
            Call::Destroy(group) if group >= GROUPS => {}
            Call::Destroy(group) => {
                let name = group_name(group);
                let got = self.groups().destroy(name).await;
                same(got, self.reference.destroy(name).await);
                self.leases[group].clear();
            }
            Call::On(group, call) => self.make_on(group, call).await,
        }
        self.compare().await;
    }

    /// Compares everything once more after a restart.
    pub async fn finish(mut self) {
        self.reopen().await;
        self.compare().await;
        let Open { log, .. } = self.open.take().expect("the log is open");
        log.close().await.expect("closing succeeds");
    }

    async fn append(&mut self, count: usize) {
        let events = events(self.ids.len()..self.ids.len() + count);
        let ids = add(self.log(), events.clone()).await;
        assert_eq!(add(&self.reference, events).await, ids);
        self.ids.extend(ids);
    }

    async fn trim(&self, limit: Limit, policy: Policy) {
        let request = TrimRequest {
            held_up: match policy {
                Policy::Block => HeldUp::Block,
                Policy::Force => HeldUp::Force,
                Policy::Expire(ticks) => HeldUp::ExpireGroupsAfter(ticks * TICK_MS + TICK_MS / 2),
            },
            ..TrimRequest::exact(match limit {
                Limit::Length(length) => TrimLimit::MaxLength(length),
                Limit::Entry(number) => TrimLimit::MinId(self.id(number)),
            })
        };
        let dry_run = TrimRequest {
            dry_run: true,
            ..request.clone()
        };
        let announced = self.log().trim(&dry_run).await;
        assert_eq!(self.log().trim(&request).await, announced);
        assert_eq!(announced, self.reference.trim(&request).await);
    }

    /// Leases need not outlive a restart, so none is held then and nobody has just asked for one.
    async fn reopen(&mut self) {
        for group in 0..GROUPS {
            let name = group_name(group);
            for token in std::mem::take(&mut self.leases[group]) {
                let consumer = consumer_name(token.consumer);
                let got = self.groups().release(name, consumer, 0, token.engine).await;
                let expected = self
                    .reference
                    .release(name, consumer, 0, token.reference)
                    .await;
                same(got, expected);
            }
        }
        self.setup.clock().advance(10 * TICK_MS);
        let Open { log, groups } = self.open.take().expect("the log is open");
        drop(groups);
        log.close().await.expect("closing succeeds");
        drop(log);
        self.open().await;
    }

    async fn open(&mut self) {
        let log = self.setup.open().await;
        let groups = self.setup.engine.groups(&log).await;
        self.open = Some(Open { log, groups });
    }

    /// Everything that can be seen of groups.
    async fn compare(&self) {
        let (engine, reference) = (self.groups(), &self.reference);
        same(engine.groups().await, reference.groups().await);
        for group in 0..GROUPS {
            let name = group_name(group);
            same(engine.pending(name).await, reference.pending(name).await);
            same(
                engine.consumers(name).await,
                reference.consumers(name).await,
            );
            let owners = (0..CONSUMERS).map(consumer_name).map(Some);
            for owner in owners.chain([None]) {
                let start = Cursor::start();
                let got = engine.pending_entries(name, owner, &start, 1_000).await;
                let expected = reference.pending_entries(name, owner, &start, 1_000).await;
                same(got, expected);
            }
        }
        let held = kit::partition(self.log()).await;
        assert_eq!(held, kit::partition(&self.reference).await);
    }

    fn log(&self) -> &E::Log {
        &self.open.as_ref().expect("the log is open").log
    }

    pub fn groups(&self) -> &Arc<E::Groups> {
        &self.open.as_ref().expect("the log is open").groups
    }

    fn start(&self, start: Start) -> GroupStart {
        match start {
            Start::First => GroupStart::Start,
            Start::Last => GroupStart::End,
            Start::After(number) => GroupStart::After(self.cursor(number)),
        }
    }

    pub fn cursor(&self, number: usize) -> Cursor {
        Cursor::after(self.id(number))
    }

    pub fn positions(&self, numbers: &[usize]) -> Vec<Position> {
        numbers.iter().map(|number| at(self.id(*number))).collect()
    }

    /// One of the ids that were given; the first number beyond them is the id after the last.
    fn id(&self, number: usize) -> EntryId {
        let number = number % (self.ids.len() + 1);
        let beyond = || self.ids.last().and_then(|id| id.next());
        let id = self.ids.get(number).copied().or_else(beyond);
        id.unwrap_or(EntryId::MIN)
    }

    /// The tokens of one of the last leases, counted from the newest.
    pub fn token(&self, group: usize, number: usize) -> (u64, u64) {
        let lease = self.leases[group].iter().rev().nth(number);
        lease.map_or((0, 0), |token| (token.engine, token.reference))
    }
}

/// Compares answers, and errors by their codes: what is in them names the engine's stream.
pub fn same<T: Debug + PartialEq>(got: Result<T, GroupError>, expected: Result<T, GroupError>) {
    let code = |error: GroupError| error.code();
    assert_eq!(got.map_err(code), expected.map_err(code));
}

pub fn group_name(number: usize) -> &'static str {
    ["audit", "bill"][number]
}

pub fn consumer_name(number: usize) -> &'static str {
    ["a", "b", "c"][number]
}
