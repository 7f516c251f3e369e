//! Connections to Redis: routing, retries, TLS, Sentinel and Cluster.
//!
//! Requests go over plain multiplexed connections that this module routes itself, because a log needs
//! what a general cluster client does not give: WAIT must follow the write on the same connection,
//! a blocking read needs a connection of its own, scripts are loaded where they are missing, and every
//! redirection and reconnect has to happen within one deadline that the caller knows.
//!
//! Everything is bounded: a call by its deadline, an attempt to connect by the connect timeout, the
//! waits between attempts by [`backoff`]. Many callers who need the same connection or the same map of
//! the cluster wait for one of them ([`shared`]).

mod attempt;
mod backoff;
mod cluster;
mod dedicated;
mod error;
mod failure;
mod link;
mod node;
mod open;
mod retry;
mod script;
mod sentinel;
mod shared;
mod slot;
mod tls;
mod topology;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Value};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::url::RedisUrl;
pub(crate) use dedicated::Dedicated;
pub(crate) use error::CallError;
use node::Node;
use retry::Route;
pub(crate) use script::Script;
pub use slot::slot_of;
pub(crate) use slot::{SLOTS, Slot};
use topology::Topology;

/// A Redis to talk to: one server, the master that Sentinels name, or a cluster. Clones share it.
#[derive(Clone)]
pub(crate) struct Net {
    inner: Arc<Inner>,
}

struct Inner {
    url: RedisUrl,
    options: NetOptions,
    topology: Topology,
    /// Becomes true once, and ends whatever waits.
    closed: watch::Sender<bool>,
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NetOptions {
    /// One attempt to connect: name look-up, TCP, TLS and login together.
    pub(crate) connect_timeout: Duration,
    /// One call with all its attempts.
    pub(crate) deadline: Duration,
}

/// Whether a request may be sent again when the first one may have been executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Executing it twice is harmless.
    Always,
    /// It is sent again only if nothing of it was executed.
    UnlessUnknown,
}

/// Commands that go to one slot's master, over one connection, in this order.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    /// At least one.
    pub(crate) commands: &'a [Cmd],
    /// Between MULTI and EXEC, but for a WAIT or WAITAOF at the end, which comes after. The answer has the
    /// commands' values only. Without it the commands must not be MULTI and EXEC themselves.
    pub(crate) atomic: bool,
    /// Loaded, and the whole call sent again, where the server does not know it.
    pub(crate) script: Option<&'a Script>,
    /// What a lost answer means.
    pub(crate) repeat: Repeat,
    /// How much longer than the deadline an answer may take. Such calls (WAIT) block their connection on
    /// the server, so they have one of their own beside the other calls'.
    pub(crate) patience: Option<Duration>,
}

impl<'a> Call<'a> {
    /// Commands that may be executed twice, each by itself.
    pub(crate) fn of(commands: &'a [Cmd]) -> Self {
        Self {
            commands,
            atomic: false,
            script: None,
            repeat: Repeat::Always,
            patience: None,
        }
    }
}

impl Net {
    /// Connects: one attempt to every given address, so that a server that is down is told at once.
    pub(crate) async fn connect(url: &RedisUrl, options: NetOptions) -> Result<Self, CallError> {
        let topology = Topology::connect(url, options).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                url: url.clone(),
                options,
                topology,
                closed: watch::Sender::new(false),
            }),
        })
    }

    /// Sends the commands to the master of `slot`: one value each. The first error decides.
    pub(crate) async fn call(&self, slot: Slot, call: Call<'_>) -> Result<Vec<Value>, CallError> {
        self.unless_closed(self.inner.run(Route::Slot(slot), call))
            .await
    }

    /// One command that may be executed twice, and its value.
    pub(crate) async fn ask(&self, slot: Slot, command: &Cmd) -> Result<Value, CallError> {
        self.ask_at(Route::Slot(slot), Call::of(std::slice::from_ref(command)))
            .await
    }

    /// The same of a call of a script.
    pub(crate) async fn run(
        &self,
        slot: Slot,
        script: &Script,
        command: &Cmd,
    ) -> Result<Value, CallError> {
        let call = Call {
            script: Some(script),
            ..Call::of(std::slice::from_ref(command))
        };
        self.ask_at(Route::Slot(slot), call).await
    }

    /// As [`Net::call`], for what is not worth waiting for: that the one server of the URL is a replica is an
    /// answer.
    pub(crate) async fn call_if_writable(
        &self,
        slot: Slot,
        call: Call<'_>,
    ) -> Result<Vec<Value>, CallError> {
        let called = self.inner.run_if_writable(slot, call);
        self.unless_closed(called).await
    }

    /// A connection of its own to the master of `slot`, for commands that block: answers may take any
    /// time. Dropping it closes the connection.
    pub(crate) async fn dedicated(&self, slot: Slot) -> Result<Dedicated, CallError> {
        let opened = self.unless_closed(self.inner.open(slot)).await?;
        Ok(Dedicated::new(self.clone(), slot, opened))
    }

    /// Sends the same command to every master: each with its address and its own outcome.
    pub(crate) async fn masters(&self, command: &Cmd) -> Vec<(String, Result<Value, CallError>)> {
        let nodes = self.inner.topology.masters();
        let mut answers: Vec<_> = nodes
            .iter()
            .map(|node| (node.address().to_owned(), Err(CallError::Closed)))
            .collect();
        let mut running = JoinSet::new();
        for (index, node) in nodes.into_iter().enumerate() {
            let (net, command) = (self.clone(), command.clone());
            running.spawn(async move { (index, net.ask_node(node, &command).await) });
        }
        while let Some(done) = running.join_next().await {
            if let Ok((index, outcome)) = done {
                answers[index].1 = outcome;
            }
        }
        answers
    }

    /// Sends a command to the one master that [`Net::masters`] named so: the next page of a SCAN.
    pub(crate) async fn master(&self, address: &str, command: &Cmd) -> Result<Value, CallError> {
        let found = self.inner.topology.masters();
        match found.into_iter().find(|node| node.address() == address) {
            Some(node) => self.ask_node(node, command).await,
            None => Err(CallError::Unavailable {
                address: address.to_owned(),
                message: "is no longer a master of this Redis: begin again".to_owned(),
            }),
        }
    }

    async fn ask_node(&self, node: Arc<Node>, command: &Cmd) -> Result<Value, CallError> {
        self.ask_at(Route::Node(node), Call::of(std::slice::from_ref(command)))
            .await
    }

    /// The value of a call's first command.
    async fn ask_at(&self, route: Route, call: Call<'_>) -> Result<Value, CallError> {
        let values = self.unless_closed(self.inner.run(route, call)).await?;
        Ok(values.into_iter().next().unwrap_or(Value::Nil))
    }

    /// Where it was connected to.
    pub(crate) fn url(&self) -> &RedisUrl {
        &self.inner.url
    }

    /// The master of `slot` as people write it, never with a secret.
    pub(crate) fn address(&self, slot: Slot) -> String {
        self.inner.topology.address(slot)
    }

    /// Ends everything that is blocked or retried, here and in clones, with [`CallError::Closed`].
    pub(crate) fn close(&self) {
        self.inner.closed.send_replace(true);
        self.inner.topology.disconnect();
    }

    async fn unless_closed<T>(
        &self,
        work: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let mut closed = self.inner.closed.subscribe();
        tokio::select! {
            biased;
            _ = closed.wait_for(|closed| *closed) => Err(CallError::Closed),
            outcome = work => outcome,
        }
    }
}
