//! The calls on groups that are tried, and how often.

use proptest::collection::vec;
use proptest::prelude::*;

pub const GROUPS: usize = 2;
pub const CONSUMERS: usize = 3;

/// The step of the clock. Times that are compared with it lie on or between its ticks, as the contract
/// leaves open what exactly on the boundary happens or does not.
pub const TICK_MS: u64 = 1_000;

/// One call. Numbers stand for groups, consumers, entries and leases, so that they meet often.
#[derive(Debug, Clone)]
pub enum Call {
    Append(usize),
    Trim(Limit, Policy),
    /// Moves the clock on by so many ticks.
    Ticks(u64),
    Reopen,
    Create(usize, Start),
    Move(usize, Start),
    Destroy(usize),
    /// A call on a group there may be.
    On(usize, OnGroup),
}

#[derive(Debug, Clone)]
pub enum OnGroup {
    ReadNew(usize, usize),
    ReadPending {
        consumer: usize,
        after: usize,
        count: usize,
    },
    Ack(Vec<usize>),
    Touch(usize, Vec<usize>),
    Nack {
        consumer: usize,
        entries: Vec<usize>,
        ticks: u64,
    },
    Requeue(Vec<usize>),
    Claim {
        consumer: usize,
        entries: Vec<usize>,
        idle_ticks: u64,
    },
    AutoClaim {
        consumer: usize,
        idle_ticks: u64,
        after: usize,
        count: usize,
    },
    Delete {
        consumer: usize,
        heir: Option<usize>,
    },
    Lease {
        consumer: usize,
        ticks: u64,
        holds: u64,
    },
    /// Under one of the leases there were.
    Release(usize, usize),
    ReadLeased {
        consumer: usize,
        lease: usize,
        count: usize,
    },
}

#[derive(Debug, Clone, Copy)]
pub enum Start {
    First,
    Last,
    After(usize),
}

#[derive(Debug, Clone, Copy)]
pub enum Limit {
    Length(u64),
    Entry(usize),
}

#[derive(Debug, Clone, Copy)]
pub enum Policy {
    Block,
    Force,
    /// After so many ticks and a half.
    Expire(u64),
}

pub fn any_call() -> impl Strategy<Value = Call> {
    prop_oneof![
        5 => (1..6_usize).prop_map(Call::Append),
        2 => (any_limit(), any_policy()).prop_map(|(limit, policy)| Call::Trim(limit, policy)),
        5 => (1..4_u64).prop_map(Call::Ticks),
        1 => Just(Call::Reopen),
        3 => (0..GROUPS, any_start()).prop_map(|(group, start)| Call::Create(group, start)),
        1 => (0..GROUPS, any_start()).prop_map(|(group, start)| Call::Move(group, start)),
        1 => (0..8 * GROUPS).prop_map(|group| Call::Destroy(group / 4)),
        30 => (0..GROUPS, any_on_group()).prop_map(|(group, call)| Call::On(group, call)),
    ]
}

fn any_on_group() -> impl Strategy<Value = OnGroup> {
    let (consumer, entry, count) = (0..CONSUMERS, 0..40_usize, 0..5_usize);
    let entries = || vec(0..40_usize, 0..8);
    prop_oneof![
        8 => (consumer.clone(), count.clone()).prop_map(|(c, n)| OnGroup::ReadNew(c, n)),
        2 => (consumer.clone(), entry.clone(), count.clone())
            .prop_map(|(consumer, after, count)| OnGroup::ReadPending { consumer, after, count }),
        4 => entries().prop_map(OnGroup::Ack),
        2 => (consumer.clone(), entries()).prop_map(|(c, entries)| OnGroup::Touch(c, entries)),
        3 => (consumer.clone(), entries(), 0..4_u64)
            .prop_map(|(consumer, entries, ticks)| OnGroup::Nack { consumer, entries, ticks }),
        2 => entries().prop_map(OnGroup::Requeue),
        3 => (consumer.clone(), entries(), 0..4_u64).prop_map(|(consumer, entries, idle_ticks)| {
            OnGroup::Claim { consumer, entries, idle_ticks }
        }),
        3 => (consumer.clone(), 0..4_u64, entry.clone(), count.clone()).prop_map(
            |(consumer, idle_ticks, after, count)| OnGroup::AutoClaim {
                consumer,
                idle_ticks,
                after,
                count,
            }
        ),
        1 => (consumer.clone(), proptest::option::of(consumer.clone()))
            .prop_map(|(consumer, heir)| OnGroup::Delete { consumer, heir }),
        4 => (consumer.clone(), 1..5_u64, 0..3_u64)
            .prop_map(|(consumer, ticks, holds)| OnGroup::Lease { consumer, ticks, holds }),
        1 => (consumer.clone(), 0..3_usize).prop_map(|(c, lease)| OnGroup::Release(c, lease)),
        3 => (consumer, 0..3_usize, count)
            .prop_map(|(consumer, lease, count)| OnGroup::ReadLeased { consumer, lease, count }),
    ]
}

fn any_start() -> impl Strategy<Value = Start> {
    prop_oneof![
        Just(Start::First),
        Just(Start::Last),
        (0..40_usize).prop_map(Start::After),
    ]
}

fn any_limit() -> impl Strategy<Value = Limit> {
    prop_oneof![
        (0..12_u64).prop_map(Limit::Length),
        (0..40_usize).prop_map(Limit::Entry),
    ]
}

fn any_policy() -> impl Strategy<Value = Policy> {
    prop_oneof![
        Just(Policy::Block),
        Just(Policy::Force),
        (0..4_u64).prop_map(Policy::Expire),
    ]
}
