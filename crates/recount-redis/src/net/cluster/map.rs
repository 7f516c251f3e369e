//! The map of a cluster: which node is the master of which slot.

use std::collections::BTreeMap;
use std::sync::Arc;

use redis::Value;

use super::super::node::Node;
use super::super::slot::{SLOTS, Slot};
use crate::url::Address;

/// Which node is the master of which slot.
#[derive(Clone)]
pub(super) struct Map {
    /// All that are known, replicas among them: any of them can tell the map.
    nodes: BTreeMap<Address, Arc<Node>>,
    /// By slot.
    owners: Vec<Option<Arc<Node>>>,
}

impl Default for Map {
    fn default() -> Self {
        Self {
            nodes: BTreeMap::new(),
            owners: vec![None; usize::from(SLOTS)],
        }
    }
}

/// One line of CLUSTER SLOTS: slots that have the same nodes.
#[derive(Debug, PartialEq)]
pub(super) struct Part {
    first: Slot,
    last: Slot,
    /// The master, then its replicas.
    nodes: Vec<Address>,
}

impl Map {
    /// Makes the map of its parts. `node` gives the node at an address.
    pub(super) fn draw(parts: Vec<Part>, node: impl Fn(Address) -> Arc<Node>) -> Self {
        let mut map = Self::default();
        for part in parts {
            for (rank, at) in part.nodes.into_iter().enumerate() {
                let entry = map.nodes.entry(at.clone());
                let found = entry.or_insert_with(|| node(at)).clone();
                if rank == 0 {
                    let slots = usize::from(part.first)..=usize::from(part.last);
                    map.owners[slots].fill(Some(found));
                }
            }
        }
        map
    }

    pub(super) fn owner(&self, slot: Slot) -> Option<Arc<Node>> {
        self.owners.get(usize::from(slot)).cloned().flatten()
    }

    /// The masters that have slots, in the order of their addresses.
    pub(super) fn masters(&self) -> Vec<Arc<Node>> {
        let is_master = |node: &Arc<Node>| {
            let mut owners = self.owners.iter().flatten();
            owners.any(|owner| Arc::ptr_eq(owner, node))
        };
        self.nodes
            .values()
            .filter(|node| is_master(node))
            .cloned()
            .collect()
    }

    pub(super) fn nodes(&self) -> Vec<Arc<Node>> {
        self.nodes.values().cloned().collect()
    }

    pub(super) fn node_at(&self, at: &Address) -> Option<Arc<Node>> {
        self.nodes.get(at).cloned()
    }

    /// Makes the node the slot's master.
    pub(super) fn give(&mut self, slot: Slot, node: Arc<Node>) {
        self.nodes.insert(node.at().clone(), node.clone());
        self.owners[usize::from(slot)] = Some(node);
    }
}

/// Reads what CLUSTER SLOTS answers. A node that does not know its own address is the one that was asked.
pub(super) fn read(answer: &Value, asked: &Address) -> Option<Vec<Part>> {
    let Value::Array(lines) = answer else {
        return None;
    };
    lines
        .iter()
        .map(|line| {
            let Value::Array(fields) = line else {
                return None;
            };
            let [Value::Int(first), Value::Int(last), nodes @ ..] = fields.as_slice() else {
                return None;
            };
            let (first, last) = (slot(*first)?, slot(*last)?);
            let nodes: Vec<_> = nodes
                .iter()
                .map(|node| address(node, asked))
                .collect::<Option<_>>()?;
            (first <= last && !nodes.is_empty()).then_some(Part { first, last, nodes })
        })
        .collect()
}

fn slot(number: i64) -> Option<Slot> {
    Slot::try_from(number).ok().filter(|&slot| slot < SLOTS)
}

/// `[host, port, id, ...]`.
fn address(node: &Value, asked: &Address) -> Option<Address> {
    let Value::Array(fields) = node else {
        return None;
    };
    let [host, Value::Int(port), ..] = fields.as_slice() else {
        return None;
    };
    let host = match host {
        Value::BulkString(host) => std::str::from_utf8(host).ok()?,
        Value::SimpleString(host) => host,
        Value::Nil => "",
        _ => return None,
    };
    Some(Address {
        host: match host {
            "" | "?" => asked.host.clone(),
            host => host.to_owned(),
        },
        port: u16::try_from(*port).ok()?,
    })
}

#[cfg(test)]
mod tests;
