//! Trying again until it works, it cannot work, or the time is over.

use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use tokio::time::{Instant, sleep, timeout};
use tracing::debug;

use super::attempt::{Extras, attempt};
use super::backoff::Backoff;
use super::error::CallError;
use super::failure::{Failure, Problem, Remedy};
use super::link::Link;
use super::node::Node;
use super::slot::Slot;
use super::{Call, Inner, Repeat};

/// An attempt that begins just before the deadline gets this long, or it would be bound to fail.
const LAST_ATTEMPT: Duration = Duration::from_secs(1);

/// So many redirections and loaded scripts in a row happen without a wait.
const AT_ONCE_MAX: u32 = 4;

/// Where a request goes.
pub(super) enum Route {
    /// To whoever is the slot's master at the time.
    Slot(Slot),
    /// To this server and no other.
    Node(Arc<Node>),
}

impl Inner {
    /// Makes a call.
    pub(super) async fn run(&self, route: Route, call: Call<'_>) -> Result<Vec<Value>, CallError> {
        let tries = Tries::new(self, route, call.repeat, call.script.is_some());
        self.try_call(tries, call).await
    }

    /// Makes a call that a replica, where it will stay one, may refuse.
    pub(super) async fn run_if_writable(
        &self,
        slot: Slot,
        call: Call<'_>,
    ) -> Result<Vec<Value>, CallError> {
        let has_script = call.script.is_some();
        let mut tries = Tries::new(self, Route::Slot(slot), call.repeat, has_script);
        tries.replica_is_final = !self.topology.can_fail_over();
        self.try_call(tries, call).await
    }

    async fn try_call(
        &self,
        mut tries: Tries<'_>,
        call: Call<'_>,
    ) -> Result<Vec<Value>, CallError> {
        loop {
            let node = tries.node().await?;
            match attempt(&node, &call, tries.extras, tries.limit()).await {
                Ok(values) => return Ok(values),
                Err(failure) => tries.failed(&node, failure).await?,
            }
        }
    }

    /// Opens a connection to the slot's master.
    pub(super) async fn open(&self, slot: Slot) -> Result<(Arc<Node>, Link), CallError> {
        let mut tries = Tries::new(self, Route::Slot(slot), Repeat::Always, false);
        loop {
            let node = tries.node().await?;
            match node.open().await {
                Ok(link) => return Ok((node, link)),
                Err(failure) => tries.failed(&node, failure).await?,
            }
        }
    }
}

struct Tries<'a> {
    net: &'a Inner,
    route: Route,
    repeat: Repeat,
    has_script: bool,
    /// Whether READONLY is an answer.
    replica_is_final: bool,
    began: Instant,
    is_first: bool,
    backoff: Backoff,
    at_once: u32,
    /// Where a redirection leads.
    redirected: Option<Arc<Node>>,
    extras: Extras,
}

impl<'a> Tries<'a> {
    fn new(net: &'a Inner, route: Route, repeat: Repeat, has_script: bool) -> Self {
        Self {
            net,
            route,
            repeat,
            has_script,
            replica_is_final: false,
            began: Instant::now(),
            is_first: true,
            backoff: Backoff::default(),
            at_once: 0,
            redirected: None,
            extras: Extras::default(),
        }
    }

    fn left(&self) -> Duration {
        self.net
            .options
            .deadline
            .saturating_sub(self.began.elapsed())
    }

    /// How long the next attempt may take. Where another server may take over from a silent one, the first
    /// attempt leaves time for a second.
    fn limit(&self) -> Duration {
        let left = self.left();
        let leave =
            self.is_first && self.repeat == Repeat::Always && self.net.topology.can_fail_over();
        let limit = if leave { left / 2 } else { left };
        limit.max(LAST_ATTEMPT)
    }

    /// Whom to ask now. Waits while the slot has no master.
    async fn node(&mut self) -> Result<Arc<Node>, CallError> {
        loop {
            let failure = match (&self.redirected, &self.route) {
                (Some(node), _) | (None, Route::Node(node)) => return Ok(node.clone()),
                (None, Route::Slot(slot)) => match self.net.topology.node(*slot) {
                    Ok(node) => return Ok(node),
                    Err(failure) => failure,
                },
            };
            self.rediscover().await;
            self.pause(&failure).await?;
        }
    }

    /// Prepares the next attempt, or says why there is none.
    async fn failed(&mut self, node: &Arc<Node>, failure: Failure) -> Result<(), CallError> {
        self.is_first = false;
        let remedy = failure.remedy(node.at());
        if remedy == Remedy::GiveUp
            || (remedy == Remedy::Load && !self.has_script)
            || (self.replica_is_final && failure.is_read_only())
        {
            return Err(failure.into_error());
        }
        if failure.executed && self.repeat == Repeat::UnlessUnknown {
            return Err(failure.unknown());
        }
        let asking = std::mem::take(&mut self.extras).asking;
        let asked = self.redirected.take();
        match (remedy, &self.route) {
            (Remedy::Load, _) => {
                self.extras = Extras { asking, load: true };
                self.redirected = asked;
                return self.soon(&failure).await;
            }
            (Remedy::Moved(address), Route::Slot(slot)) => {
                let Some(node) = self.net.topology.moved(*slot, &address) else {
                    return Err(failure.into_error());
                };
                self.redirected = Some(node);
                self.rediscover().await;
                return self.soon(&failure).await;
            }
            (Remedy::Ask(address), Route::Slot(_)) => {
                let Some(node) = self.net.topology.node_at(&address) else {
                    return Err(failure.into_error());
                };
                self.redirected = Some(node);
                self.extras.asking = true;
                return self.soon(&failure).await;
            }
            (Remedy::Moved(_) | Remedy::Ask(_), Route::Node(_)) => return Err(failure.into_error()),
            (Remedy::Rediscover, Route::Slot(_)) => {
                if matches!(failure.problem, Problem::Server { .. }) {
                    // It is the wrong server, and the same name may lead to another by now.
                    node.disconnect();
                }
                self.rediscover().await;
            }
            (Remedy::Rediscover | Remedy::Wait | Remedy::GiveUp, _) => {}
        }
        self.pause(&failure).await
    }

    /// Finds the masters anew, asking first whoever a redirection named. That may fail like everything
    /// else; the next attempt shows what it was good for.
    async fn rediscover(&self) {
        let limit = self.limit();
        let finding = self.net.topology.rediscover(self.redirected.as_ref());
        match timeout(limit, finding).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => debug!(?failure, "the masters could not be found anew"),
            Err(_) => debug!(?limit, "the masters were not found anew in time"),
        }
    }

    /// Goes on at once, unless that was tried too often.
    async fn soon(&mut self, failure: &Failure) -> Result<(), CallError> {
        self.at_once += 1;
        if self.at_once > AT_ONCE_MAX {
            return self.pause(failure).await;
        }
        debug!(?failure, "asking again");
        Ok(())
    }

    /// Waits a little, or ends where the deadline would pass meanwhile.
    async fn pause(&mut self, failure: &Failure) -> Result<(), CallError> {
        let wait = self.backoff.next();
        if self.left() <= wait {
            return Err(failure.clone().after(self.net.options.deadline));
        }
        debug!(?failure, ?wait, "trying again");
        sleep(wait).await;
        Ok(())
    }
}
