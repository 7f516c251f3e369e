//! What is shown of a group, and gathering it.

use recount::{ConsumerInfo, DeadError, GroupError, GroupInfo, Timestamp};
use serde_json::{Value, json};

use super::{Opened, failed};
use crate::cli::error::{Failure, Result};
use crate::cli::settings::Settings;

/// A group with all that is shown of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) group: GroupInfo,
    /// Open dead letters.
    pub(super) dead: u64,
    /// Its consumers, where they are wanted.
    pub(super) consumers: Option<Vec<ConsumerInfo>>,
}

impl Shown {
    /// How long ago the oldest pending entry was recorded, in milliseconds.
    pub(super) fn oldest_pending_ms(&self, now: Timestamp) -> Option<u64> {
        let now = u64::try_from(now.as_millis()).unwrap_or(0);
        let oldest = self.group.oldest_pending?;
        Some(now.saturating_sub(oldest.ms))
    }

    pub(super) fn document(&self, now: Timestamp) -> Value {
        let group = &self.group;
        let lags = group.lags.iter();
        let mut document = json!({
            "name": group.name,
            "consumers": group.consumers,
            "pending": group.pending,
            "oldest_pending": group.oldest_pending.map(|id| id.to_string()),
            "oldest_pending_ms": self.oldest_pending_ms(now),
            "lag": group.lag(),
            "partitions": lags
                .map(|(partition, lag)| json!({
                    "partition": partition,
                    "lag": lag,
                    "last_delivered": group.last_delivered.get(*partition).to_string(),
                }))
                .collect::<Vec<_>>(),
            "dead_letters": self.dead,
            "idle_ms": group.idle_ms,
        });
        if let Some(consumers) = &self.consumers {
            let each = consumers.iter();
            document["by_consumer"] = each
                .map(|consumer| json!({"name": consumer.name, "pending": consumer.pending}))
                .collect();
        }
        document
    }

    /// The same group without what changes by itself as time passes.
    pub(super) fn standing(&self) -> Self {
        let mut standing = self.clone();
        standing.group.idle_ms = None;
        for consumer in standing.consumers.iter_mut().flatten() {
            consumer.idle_ms = 0;
        }
        standing
    }
}

/// Looks at the groups, with their consumers if those are wanted.
pub(super) async fn look(opened: &Opened, with_consumers: bool) -> Result<Vec<Shown>, Unseen> {
    let mut all = Vec::new();
    for group in opened.groups.groups().await? {
        let consumers = if with_consumers {
            match opened.groups.consumers(&group.name).await {
                // It was deleted meanwhile.
                Err(GroupError::NoGroup { .. }) => continue,
                consumers => Some(consumers?),
            }
        } else {
            None
        };
        all.push(Shown {
            dead: opened.log.dead_letters(&group.name)?.count().await?,
            group,
            consumers,
        });
    }
    Ok(all)
}

/// Why the groups could not be looked at.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unseen {
    #[error(transparent)]
    Group(#[from] GroupError),
    #[error(transparent)]
    Dead(#[from] DeadError),
}

impl Unseen {
    pub(super) fn failure(self, settings: &Settings) -> Failure {
        match self {
            Self::Group(error) => failed(error, settings),
            Self::Dead(error) => Failure::from(error),
        }
    }
}
