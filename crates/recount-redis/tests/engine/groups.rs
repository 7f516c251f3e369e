//! Consumer groups by the server's own clock, beside other programs, and in several partitions.

mod foreign;
mod lag;
mod many;
mod partitions;

use recount_core::{
    Batch, ClaimRequest, Cursor, Delivery, EntryId, EventLog, GroupInfo, GroupStart, GroupStore,
    PendingEntry, Position,
};
use recount_redis::RedisLog;
use recount_testbed::Flavor;

use crate::kit::event;

const GROUP: &str = "audit";

const FLAVORS: [Flavor; 5] = [
    Flavor::Redis60,
    Flavor::Redis62,
    Flavor::Redis70,
    Flavor::Redis82,
    Flavor::Valkey9,
];

/// Appends events, each of the next of so many sessions, and returns where they are.
async fn numbered(
    log: &RedisLog,
    numbers: std::ops::Range<usize>,
    sessions: usize,
) -> Vec<Position> {
    let numbered = |number| event(&format!("e{number}"), &format!("s{}", number % sessions));
    let receipt = log
        .append(Batch::new(numbers.map(numbered).collect()))
        .await;
    let receipt = receipt.expect("appended");
    let outcomes = receipt.outcomes.iter();
    outcomes.map(recount_core::Outcome::position).collect()
}

/// A group that begins at the start of a stream with so many events of one session.
async fn filled(log: &RedisLog, count: usize) -> Vec<Position> {
    let positions = numbered(log, 0..count, 1).await;
    let created = log.create(GROUP, &GroupStart::Start).await;
    created.expect("created");
    positions
}

async fn read(log: &RedisLog, consumer: &str, count: usize) -> Vec<Position> {
    let read = log.read_new(GROUP, consumer, count).await;
    positions(&read.expect("read"))
}

fn positions(deliveries: &[Delivery]) -> Vec<Position> {
    deliveries.iter().map(|one| one.position).collect()
}

fn claiming(consumer: &str, min_idle_ms: u64) -> ClaimRequest {
    ClaimRequest {
        consumer: consumer.to_owned(),
        min_idle_ms,
    }
}

async fn pending(log: &RedisLog) -> Vec<PendingEntry> {
    let all = log
        .pending_entries(GROUP, None, &Cursor::start(), 100_000)
        .await;
    all.expect("listed")
}

async fn group(log: &RedisLog) -> GroupInfo {
    let all = log.groups().await.expect("listed");
    let found = all.into_iter().find(|info| info.name == GROUP);
    found.expect("it is there")
}

fn words(text: &str) -> Vec<&str> {
    text.split(' ').collect()
}

fn id(position: Position) -> EntryId {
    position.entry_id
}
