//! A page of entries that are to go.

use std::collections::BTreeMap;

use recount_core::{Entry, EntryId, Lost};
use redis::Value;

use super::NODE;
use super::policy::Policy;
use crate::error::Failed;
use crate::keys::Keys;
use crate::scripts::{self, LOST, TRIM};
use crate::shared::Shared;
use crate::wire::{self, Unexpected};

/// Entries that are to go.
#[derive(Default)]
pub(super) struct Doomed {
    pub(super) ids: Vec<EntryId>,
    /// The session of each entry that our scripts added.
    sessions: Vec<Option<String>>,
    /// Whether our scripts added it.
    ours: Vec<bool>,
    pub(super) first_spared: Option<EntryId>,
}

impl Doomed {
    pub(super) fn add(&mut self, entry: &Entry) {
        let indexed = entry.revision.is_some_and(|revision| revision > 0);
        let session = || {
            let recorded = wire::recorded(0, entry.clone());
            recorded.event().map(|event| event.session_id.clone())
        };
        self.ids.push(entry.id);
        self.sessions.push(indexed.then(session).flatten());
        self.ours.push(entry.revision.is_some());
    }

    /// What is removed cheaply: whole nodes of the stream.
    pub(super) fn keep_whole_nodes(&mut self) {
        let whole = self.ids.len() / NODE * NODE;
        self.first_spared = self.ids.get(whole).copied();
        self.ids.truncate(whole);
        self.sessions.truncate(whole);
        self.ours.truncate(whole);
    }

    /// Who would lose how many of them.
    pub(super) async fn losses(
        &self,
        shared: &Shared,
        keys: &Keys,
        policy: &Policy,
    ) -> Result<Vec<Lost>, Failed> {
        if self.ids.is_empty() || policy.word.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = policy.call(&LOST, keys);
        for id in &self.ids {
            command.arg(id.to_string());
        }
        let reply = shared.net.run(keys.slot, &LOST, &command).await?;
        read_lost(reply).map_err(|shape| shape.from(shared.net.address(keys.slot)))
    }

    /// Removes them; how many were still there, and who lost them. None where somebody trimmed meanwhile, or
    /// came to need one.
    pub(super) async fn remove(
        &self,
        shared: &Shared,
        keys: &Keys,
        policy: &Policy,
    ) -> Result<Option<(u64, Vec<Lost>)>, Failed> {
        let mut sessions: BTreeMap<&str, u64> = BTreeMap::new();
        for session in self.sessions.iter().flatten() {
            *sessions.entry(session).or_default() += 1;
        }
        let indexes: Vec<String> = sessions.keys().map(|id| keys.session(id)).collect();
        let mut names = vec![
            keys.stream.as_str(),
            &keys.meta,
            &keys.mirrors,
            &keys.sessions,
        ];
        names.extend(indexes.iter().map(String::as_str));
        names.extend(policy.keys());
        let ours = self.ours.iter().filter(|ours| **ours).count();
        let mut command = scripts::call(&TRIM, &names);
        command
            .arg(ours)
            .arg(self.ids.len() - ours)
            .arg(sessions.len())
            .arg(self.ids.len())
            .arg(&policy.clock)
            .arg(&policy.word)
            .arg(policy.groups.len());
        for session in sessions.keys() {
            command.arg(session);
        }
        for count in sessions.values() {
            command.arg(count);
        }
        for id in &self.ids {
            command.arg(id.to_string());
        }
        for name in policy.names() {
            command.arg(name);
        }
        // A page that is gone already is noticed by its first id.
        let reply = shared.net.run(keys.slot, &TRIM, &command).await?;
        read_removed(reply).map_err(|shape| shape.from(shared.net.address(keys.slot)))
    }
}

fn read_removed(reply: Value) -> Result<Option<(u64, Vec<Lost>)>, Unexpected> {
    match <[Value; 3]>::try_from(wire::list(reply)?) {
        Ok([said, removed, lost]) if wire::text(&said)? == "done" => {
            Ok(Some((wire::count(&removed)?, read_lost(lost)?)))
        }
        _ => Ok(None),
    }
}

fn read_lost(lost: Value) -> Result<Vec<Lost>, Unexpected> {
    wire::list(lost)?
        .chunks_exact(2)
        .map(|pair| {
            Ok(Lost {
                by: wire::lossy(&pair[0])?,
                entries: wire::count(&pair[1])?,
            })
        })
        .collect()
}
