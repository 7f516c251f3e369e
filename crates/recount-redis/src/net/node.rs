//! One server and the connections to it.

use std::sync::{Arc, PoisonError, RwLock};

use super::failure::Failure;
use super::link::Link;
use super::open::Opener;
use super::shared::Shared;
use crate::url::Address;

/// A server. Connections are made when they are first needed, and again when they broke.
pub(super) struct Node {
    at: Address,
    /// The address as people write it.
    shown: String,
    opener: Arc<Opener>,
    lanes: [Lane; 2],
}

/// Which of a server's connections a request takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which {
    /// The one for requests that are answered at once.
    Prompt = 0,
    /// The one that WAIT may block for others of its kind.
    Patient = 1,
}

#[derive(Default)]
struct Lane {
    link: RwLock<Option<Arc<Link>>>,
    opening: Shared<Arc<Link>>,
}

impl Node {
    pub(super) fn new(at: Address, shown: String, opener: Arc<Opener>) -> Arc<Self> {
        Arc::new(Self {
            at,
            shown,
            opener,
            lanes: Default::default(),
        })
    }

    pub(super) fn at(&self) -> &Address {
        &self.at
    }

    /// The address as people write it.
    pub(super) fn address(&self) -> &str {
        &self.shown
    }

    /// Whether there is a connection at hand.
    pub(super) fn is_connected(&self) -> bool {
        self.lanes.iter().any(|lane| lane.live().is_some())
    }

    /// The connection that all requests of this kind share. One caller opens it, the others wait.
    pub(super) async fn link(&self, which: Which) -> Result<Arc<Link>, Failure> {
        let lane = &self.lanes[which as usize];
        if let Some(link) = lane.live() {
            return Ok(link);
        }
        lane.opening
            .run(async {
                // Whoever came before may have opened it between the look above and the turn here.
                if let Some(link) = lane.live() {
                    return Ok(link);
                }
                let link = Arc::new(self.open().await?);
                lane.set(Some(link.clone()));
                Ok(link)
            })
            .await
    }

    /// A connection that nobody shares.
    pub(super) async fn open(&self) -> Result<Link, Failure> {
        // Boxed, for TLS makes it large and it is rare.
        Box::pin(self.opener.open(&self.at, &self.shown)).await
    }

    /// Lets go of the shared connections: they close when the last request on them has ended.
    pub(super) fn disconnect(&self) {
        for lane in &self.lanes {
            lane.set(None);
        }
    }
}

impl Lane {
    fn live(&self) -> Option<Arc<Link>> {
        let link = self.link.read().unwrap_or_else(PoisonError::into_inner);
        link.as_ref().filter(|link| link.is_alive()).cloned()
    }

    fn set(&self, link: Option<Arc<Link>>) {
        *self.link.write().unwrap_or_else(PoisonError::into_inner) = link;
    }
}
