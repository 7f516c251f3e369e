//! Consumer groups, by topic.

pub mod acknowledge;
pub mod claim;
pub mod consumers;
pub mod deliver;
pub mod follow;
pub mod lease;
pub mod manage;
pub mod pending;
pub mod requeue;
pub mod retention;
pub mod touch;

use std::sync::Arc;

use recount_core::{
    ClaimRequest, Cursor, Delivery, EntryId, GroupInfo, GroupStart, GroupStore, PendingEntry,
    Position,
};

use crate::GroupEngine;
use crate::kit::{Setup, add, at, events};

/// The group of most cases.
const GROUP: &str = "audit";

/// An open log with its groups.
struct Open<E: GroupEngine> {
    log: Arc<E::Log>,
    groups: Arc<E::Groups>,
}

/// A log of `count` entries, with a group that begins at the first.
async fn filled<E: GroupEngine>(setup: &Setup<E>, count: usize) -> (Open<E>, Vec<EntryId>) {
    let open = open(setup).await;
    let ids = add(&*open.log, events(0..count)).await;
    let created = open.groups.create(GROUP, &GroupStart::Start).await;
    created.expect("the group is created");
    (open, ids)
}

async fn open<E: GroupEngine>(setup: &Setup<E>) -> Open<E> {
    with_groups(setup, setup.open().await).await
}

async fn reopen<E: GroupEngine>(setup: &Setup<E>, open: Open<E>) -> Open<E> {
    drop(open.groups);
    with_groups(setup, setup.reopen(open.log).await).await
}

async fn with_groups<E: GroupEngine>(setup: &Setup<E>, log: Arc<E::Log>) -> Open<E> {
    let groups = setup.engine.groups(&log).await;
    Open { log, groups }
}

/// Delivers new entries and returns their ids.
async fn deliver(groups: &impl GroupStore, consumer: &str, count: usize) -> Vec<EntryId> {
    let deliveries = groups.read_new(GROUP, consumer, count).await;
    delivered(&deliveries.expect("the delivery succeeds"))
}

fn delivered(deliveries: &[Delivery]) -> Vec<EntryId> {
    deliveries.iter().map(|d| d.position.entry_id).collect()
}

fn positions(ids: &[EntryId]) -> Vec<Position> {
    ids.iter().map(|id| at(*id)).collect()
}

fn claiming(consumer: &str, min_idle_ms: u64) -> ClaimRequest {
    ClaimRequest {
        consumer: consumer.to_owned(),
        min_idle_ms,
    }
}

/// Everything that is pending in the group.
async fn pending(groups: &impl GroupStore) -> Vec<PendingEntry> {
    let entries = groups
        .pending_entries(GROUP, None, &Cursor::start(), 10_000)
        .await;
    entries.expect("what is pending is known")
}

async fn owners(groups: &impl GroupStore) -> Vec<Option<String>> {
    let pending = pending(groups).await;
    pending.into_iter().map(|entry| entry.consumer).collect()
}

fn owned_by(names: &[&str]) -> Vec<Option<String>> {
    names.iter().map(|name| Some((*name).to_owned())).collect()
}

async fn group(groups: &impl GroupStore) -> GroupInfo {
    let all = groups.groups().await.expect("the groups are known");
    let found = all.into_iter().find(|info| info.name == GROUP);
    found.expect("the group is there")
}
