//! The master that Sentinels name.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use redis::{Value, cmd};
use tracing::debug;

use super::failure::{Failure, Problem};
use super::node::{Node, Which};
use super::open::Opener;
use super::shared::Shared;
use crate::url::{Address, RedisUrl};

/// Sentinels, and whom they named last.
pub(super) struct Sentinel {
    url: RedisUrl,
    /// The name the Sentinels know the master by.
    name: String,
    asker: Opener,
    opener: Arc<Opener>,
    master: RwLock<Arc<Node>>,
    finding: Shared<()>,
    /// Which Sentinel answered last: the first to be asked next.
    answered: AtomicUsize,
}

impl Sentinel {
    /// Asks the Sentinels in turn until one names a server that says it is the master.
    pub(super) async fn connect(
        url: &RedisUrl,
        name: &str,
        asker: Opener,
        opener: Arc<Opener>,
    ) -> Result<Self, Failure> {
        // Until one is named, there is nobody to talk to.
        let nobody = url.addresses[0].clone();
        let shown = url.shown(&nobody);
        let sentinel = Self {
            url: url.clone(),
            name: name.to_owned(),
            asker,
            master: RwLock::new(Node::new(nobody, shown, opener.clone())),
            opener,
            finding: Shared::default(),
            answered: AtomicUsize::new(0),
        };
        sentinel.find().await?;
        Ok(sentinel)
    }

    pub(super) fn master(&self) -> Arc<Node> {
        let master = self.master.read().unwrap_or_else(PoisonError::into_inner);
        master.clone()
    }

    pub(super) async fn rediscover(&self) -> Result<(), Failure> {
        self.finding.run(self.find()).await
    }

    async fn find(&self) -> Result<(), Failure> {
        let sentinels = &self.url.addresses;
        let first = self.answered.load(Ordering::Relaxed);
        let mut worst: Option<Failure> = None;
        for turn in 0..sentinels.len() {
            let index = (first + turn) % sentinels.len();
            match self.find_through(&sentinels[index]).await {
                Ok(master) => {
                    self.answered.store(index, Ordering::Relaxed);
                    *self.master.write().unwrap_or_else(PoisonError::into_inner) = master;
                    return Ok(());
                }
                Err(failure) => {
                    debug!(?failure, "this Sentinel leads to no master");
                    // What a server said tells more than that another was not there.
                    let tells = matches!(failure.problem, Problem::Server { .. });
                    if worst.is_none() || tells {
                        worst = Some(failure);
                    }
                }
            }
        }
        Err(worst.unwrap_or_else(|| {
            Failure::unreachable(&self.url.to_string(), "it names no Sentinel".to_owned())
        }))
    }

    async fn find_through(&self, sentinel: &Address) -> Result<Arc<Node>, Failure> {
        let shown = self.url.shown(sentinel);
        let link = Box::pin(self.asker.open(sentinel, &shown)).await?;
        let mut question = cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.name);
        let asked = link.ask(&question, self.asker.connect_timeout, &shown);
        let answer = asked.await.map_err(|failure| match failure.unknown_command() {
            Some(_) => failure.saying(
                "this is no Sentinel, but looks like a Redis server: write redis://host:port, or name the Sentinels \
                 (port 26379, unless set otherwise)",
            ),
            None => failure,
        })?;
        let at = address_in(&answer).ok_or_else(|| {
            let message = format!(
                "this Sentinel knows no master named {}: see `redis-cli -h {} -p {} sentinel masters`",
                self.name, sentinel.host, sentinel.port
            );
            Failure::server(&shown, "ERR", message)
        })?;
        let known = self.master();
        let master = if *known.at() == at {
            known
        } else {
            let shown = self.url.shown(&at);
            Node::new(at, shown, self.opener.clone())
        };
        self.check_is_master(&master).await?;
        Ok(master)
    }

    /// Right after a failover a Sentinel may still name the old master, which may still answer.
    async fn check_is_master(&self, node: &Node) -> Result<(), Failure> {
        let link = node.link(Which::Prompt).await?;
        let limit = self.opener.connect_timeout;
        let role = match link.ask(&cmd("ROLE"), limit, node.address()).await {
            Ok(Value::Array(role)) => role.into_iter().next(),
            Ok(_) => None,
            // Who may not ask for the role may write all the same, or learns it from READONLY.
            Err(failure) if matches!(failure.problem, Problem::Server { .. }) => return Ok(()),
            Err(failure) => return Err(failure),
        };
        match role.and_then(text) {
            Some(role) if role != "master" => Err(Failure::server(
                node.address(),
                "READONLY",
                format!(
                    "the Sentinels name it as the master, but its role is {role}: a failover may be under way"
                ),
            )),
            _ => Ok(()),
        }
    }
}

fn address_in(answer: &Value) -> Option<Address> {
    let Value::Array(parts) = answer else {
        return None;
    };
    let [host, port] = parts.as_slice() else {
        return None;
    };
    Some(Address {
        host: text(host.clone())?,
        port: text(port.clone())?.parse().ok()?,
    })
}

fn text(value: Value) -> Option<String> {
    redis::from_redis_value(value).ok()
}
