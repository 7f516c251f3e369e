//! Who the masters are.

use std::sync::Arc;

use super::cluster::Cluster;
use super::error::CallError;
use super::failure::Failure;
use super::node::{Node, Which};
use super::open::{Login, Opener};
use super::sentinel::Sentinel;
use super::slot::Slot;
use super::{NetOptions, tls};
use crate::url::{Address, Kind, RedisUrl};

/// Who the masters are, and how that is found out.
pub(super) enum Topology {
    /// The one server of the URL.
    Single(Arc<Node>),
    /// Whom the Sentinels name.
    Sentinel(Sentinel),
    /// Each slot's own.
    Cluster(Cluster),
}

const LOGIN_SOURCE: &str = "the URL (redis://user:password@host) or REDIS_PASSWORD";
const SENTINEL_LOGIN_SOURCE: &str = "the URL (?sentinel_password=)";

impl Topology {
    /// Connects, trying each given address once.
    pub(super) async fn connect(url: &RedisUrl, options: NetOptions) -> Result<Self, CallError> {
        let config = url.tls.as_ref().map(tls::client_config).transpose();
        let tls = config.map_err(|message| CallError::Unavailable {
            address: url.to_string(),
            message,
        })?;
        let opener = Arc::new(Opener {
            login: Login {
                user: url.user.clone(),
                password: url.password.clone(),
                db: url.db,
                source: LOGIN_SOURCE,
            },
            tls,
            connect_timeout: options.connect_timeout,
        });
        let connected = match &url.kind {
            Kind::Single => {
                let at = url.addresses[0].clone();
                let shown = url.shown(&at);
                let node = Node::new(at, shown, opener);
                node.link(Which::Prompt).await.map(|_| Self::Single(node))
            }
            Kind::Sentinel { master, password } => {
                let asker = Opener {
                    login: Login {
                        user: None,
                        password: password.clone(),
                        db: 0,
                        source: SENTINEL_LOGIN_SOURCE,
                    },
                    ..Opener::clone(&opener)
                };
                let sentinel = Sentinel::connect(url, master, asker, opener).await;
                sentinel.map(Self::Sentinel)
            }
            Kind::Cluster => Cluster::connect(url, opener).await.map(Self::Cluster),
        };
        connected.map_err(Failure::into_error)
    }

    /// The master of a slot, as far as is known.
    pub(super) fn node(&self, slot: Slot) -> Result<Arc<Node>, Failure> {
        match self {
            Self::Single(node) => Ok(node.clone()),
            Self::Sentinel(sentinel) => Ok(sentinel.master()),
            Self::Cluster(cluster) => cluster.node(slot),
        }
    }

    /// All masters, as far as is known.
    pub(super) fn masters(&self) -> Vec<Arc<Node>> {
        match self {
            Self::Single(node) => vec![node.clone()],
            Self::Sentinel(sentinel) => vec![sentinel.master()],
            Self::Cluster(cluster) => cluster.masters(),
        }
    }

    /// Whether a master may be replaced by another server.
    pub(super) fn can_fail_over(&self) -> bool {
        !matches!(self, Self::Single(_))
    }

    /// The slot's master as people write it, or the whole URL while it has none.
    pub(super) fn address(&self, slot: Slot) -> String {
        match self.node(slot) {
            Ok(node) => node.address().to_owned(),
            Err(failure) => failure.address,
        }
    }

    /// Notes that a slot has moved, and says who stands there. Nobody outside a cluster.
    pub(super) fn moved(&self, slot: Slot, to: &Address) -> Option<Arc<Node>> {
        match self {
            Self::Cluster(cluster) => Some(cluster.moved(slot, to)),
            Self::Single(_) | Self::Sentinel(_) => None,
        }
    }

    /// The node of a cluster at this address.
    pub(super) fn node_at(&self, at: &Address) -> Option<Arc<Node>> {
        match self {
            Self::Cluster(cluster) => Some(cluster.node_at(at)),
            Self::Single(_) | Self::Sentinel(_) => None,
        }
    }

    /// Finds out anew who the masters are, from `first` before anybody else. Callers who ask at the same
    /// time share one look.
    pub(super) async fn rediscover(&self, first: Option<&Arc<Node>>) -> Result<(), Failure> {
        match self {
            Self::Single(_) => Ok(()),
            Self::Sentinel(sentinel) => sentinel.rediscover().await,
            Self::Cluster(cluster) => cluster.rediscover(first).await,
        }
    }

    /// Lets go of all connections.
    pub(super) fn disconnect(&self) {
        match self {
            Self::Single(node) => node.disconnect(),
            Self::Sentinel(sentinel) => sentinel.master().disconnect(),
            Self::Cluster(cluster) => cluster.disconnect(),
        }
    }
}
