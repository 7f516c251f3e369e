//! A connection for commands that block.

use std::sync::Arc;

use redis::{Cmd, Value};
use tokio::time::timeout;
use tracing::debug;

use super::Net;
use super::error::CallError;
use super::failure::{Failure, Remedy};
use super::link::{Link, reason};
use super::node::Node;
use super::slot::Slot;

/// A connection that nobody else uses, to the server that was a slot's master when it was opened.
///
/// A command that is given up still runs on the server, and the next one waits behind it: open another
/// connection instead.
pub(crate) struct Dedicated {
    net: Net,
    slot: Slot,
    node: Arc<Node>,
    link: Link,
}

impl Dedicated {
    pub(super) fn new(net: Net, slot: Slot, (node, link): (Arc<Node>, Link)) -> Self {
        Self {
            net,
            slot,
            node,
            link,
        }
    }

    /// Sends a command and waits for its answer, however long that takes. It is not sent again: after
    /// [`CallError::Unavailable`] another connection, perhaps to another server, is due.
    pub(crate) async fn call(&mut self, command: &Cmd) -> Result<Value, CallError> {
        let sent = self
            .net
            .unless_closed(async { Ok(self.link.send(command).await) });
        let failure = match sent.await? {
            Ok(Value::ServerError(error)) => Failure::answered(self.node.address(), &error),
            Ok(value) => return Ok(value),
            Err(error) => {
                let message = format!("the connection broke: {}", reason(&error));
                Failure::broken(self.node.address(), message)
            }
        };
        Err(self.failed(failure).await)
    }

    /// Sees to it that the next connection goes to who is the master then.
    async fn failed(&self, failure: Failure) -> CallError {
        let topology = &self.net.inner.topology;
        let first = match failure.remedy(self.node.at()) {
            Remedy::GiveUp | Remedy::Load => return failure.into_error(),
            Remedy::Wait | Remedy::Ask(_) => return failure.gone(),
            Remedy::Rediscover => None,
            Remedy::Moved(to) => topology.moved(self.slot, &to),
        };
        debug!(?failure, "a dedicated connection is of no more use");
        // Boxed, for it is large and rare.
        let finding = Box::pin(topology.rediscover(first.as_ref()));
        let limit = self.net.inner.options.connect_timeout;
        // As it may fail, too: opening the next connection tries again.
        let bounded = async { Ok(timeout(limit, finding).await) };
        let _ = self.net.unless_closed(bounded).await;
        failure.gone()
    }
}
