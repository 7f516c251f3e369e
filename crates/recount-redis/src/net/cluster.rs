//! The masters of a cluster's slots.

mod map;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use redis::cmd;
use tracing::debug;

use super::failure::{Failure, LOOKS_LIKE_SENTINEL, Problem};
use super::node::{Node, Which};
use super::open::Opener;
use super::shared::Shared;
use super::slot::Slot;
use crate::url::{Address, RedisUrl};
use map::Map;

/// A cluster, and its map as some node drew it last.
pub(super) struct Cluster {
    url: RedisUrl,
    opener: Arc<Opener>,
    map: RwLock<Arc<Map>>,
    finding: Shared<()>,
    /// Whom to ask first, so that a node cut off from the others is not asked for ever.
    turn: AtomicUsize,
}

impl Cluster {
    /// Asks the given nodes in turn for the map.
    pub(super) async fn connect(url: &RedisUrl, opener: Arc<Opener>) -> Result<Self, Failure> {
        let cluster = Self {
            url: url.clone(),
            opener,
            map: RwLock::default(),
            finding: Shared::default(),
            turn: AtomicUsize::new(0),
        };
        cluster.find(None).await?;
        Ok(cluster)
    }

    pub(super) fn node(&self, slot: Slot) -> Result<Arc<Node>, Failure> {
        self.map().owner(slot).ok_or_else(|| {
            let message = format!("slot {slot} is served by no node");
            Failure::server(&self.url.to_string(), "CLUSTERDOWN", message)
        })
    }

    pub(super) fn masters(&self) -> Vec<Arc<Node>> {
        self.map().masters()
    }

    pub(super) fn node_at(&self, at: &Address) -> Arc<Node> {
        let known = self.map().node_at(at);
        known.unwrap_or_else(|| self.new_node(at.clone()))
    }

    /// A node said that the slot is there now. It is believed at once; the whole map comes later.
    pub(super) fn moved(&self, slot: Slot, to: &Address) -> Arc<Node> {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        let node = map.node_at(to);
        let node = node.unwrap_or_else(|| self.new_node(to.clone()));
        Arc::make_mut(&mut map).give(slot, node.clone());
        node
    }

    pub(super) async fn rediscover(&self, first: Option<&Arc<Node>>) -> Result<(), Failure> {
        self.finding.run(self.find(first)).await
    }

    pub(super) fn disconnect(&self) {
        for node in self.map().nodes() {
            node.disconnect();
        }
    }

    fn map(&self) -> Arc<Map> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        map.clone()
    }

    fn new_node(&self, at: Address) -> Arc<Node> {
        let shown = self.url.shown(&at);
        Node::new(at, shown, self.opener.clone())
    }

    /// Draws the map anew from the first node that answers.
    async fn find(&self, first: Option<&Arc<Node>>) -> Result<(), Failure> {
        let mut worst: Option<Failure> = None;
        for node in self.to_ask(first) {
            match self.ask(&node).await {
                Ok(map) => {
                    *self.map.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(map);
                    return Ok(());
                }
                Err(failure) => {
                    debug!(?failure, "this node gives no map of the cluster");
                    // What a server said tells more than that another was not there.
                    let tells = matches!(failure.problem, Problem::Server { .. });
                    if worst.is_none() || tells {
                        worst = Some(failure);
                    }
                }
            }
        }
        Err(worst.unwrap_or_else(|| {
            Failure::unreachable(&self.url.to_string(), "it names no node".to_owned())
        }))
    }

    /// `first`, then whoever is connected, then all that are known and those of the URL.
    fn to_ask(&self, first: Option<&Arc<Node>>) -> Vec<Arc<Node>> {
        let mut nodes = self.map().nodes();
        for at in &self.url.addresses {
            if !nodes.iter().any(|node| node.at() == at) {
                nodes.push(self.new_node(at.clone()));
            }
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % nodes.len();
        nodes.rotate_left(turn);
        nodes.sort_by_key(|node| !node.is_connected());
        if let Some(first) = first {
            nodes.retain(|node| node.at() != first.at());
            nodes.insert(0, first.clone());
        }
        nodes
    }

    async fn ask(&self, node: &Arc<Node>) -> Result<Map, Failure> {
        let link = node.link(Which::Prompt).await?;
        let mut question = cmd("CLUSTER");
        question.arg("SLOTS");
        let limit = self.opener.connect_timeout;
        let answer = match link.ask(&question, limit, node.address()).await {
            Ok(answer) => answer,
            Err(failure) => return Err(not_a_cluster(failure)),
        };
        let parts = map::read(&answer, node.at()).filter(|parts| !parts.is_empty());
        let parts = parts.ok_or_else(|| {
            let message =
                "it has no slots: the cluster is not set up, see `redis-cli --cluster create`";
            Failure::server(node.address(), "CLUSTERDOWN", message.to_owned())
        })?;
        let known = self.map();
        Ok(Map::draw(parts, |at| {
            if at == *node.at() {
                return node.clone();
            }
            let known = known.node_at(&at);
            known.unwrap_or_else(|| self.new_node(at))
        }))
    }
}

fn not_a_cluster(failure: Failure) -> Failure {
    match &failure.problem {
        _ if failure.unknown_command().is_some() => failure.saying(LOOKS_LIKE_SENTINEL),
        Problem::Server { code, message } if message.contains("cluster support disabled") => {
            let message = format!("{message}; a single server is named as redis://host:port");
            Failure::server(&failure.address, code, message)
        }
        _ => failure,
    }
}
