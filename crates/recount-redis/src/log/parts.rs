//! A batch, spread over its partitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use recount_core::{AppendError, Batch, Outcome, Partition};
use tokio::task::JoinSet;

use super::RedisLog;
use crate::partitions;
use crate::publish::{Conditions, Prepared};

impl RedisLog {
    /// Hands a batch's events to the publishers of their partitions.
    pub(super) async fn append_parts(&self, batch: Batch) -> Result<Vec<Outcome>, AppendError> {
        let conditions = Conditions {
            strict: batch.strict,
            expected_revision: batch.expected_revision,
            look: false,
        };
        let count = batch.events.len();
        let mut parts: BTreeMap<Partition, (Vec<usize>, Vec<Prepared>)> = BTreeMap::new();
        for (index, event) in batch.events.into_iter().enumerate() {
            let partition = partitions::of(&self.shared, &event.session_id);
            let (indices, events) = parts.entry(partition).or_default();
            indices.push(index);
            events.push(Prepared::new(event));
        }
        if parts.len() == 1
            && let Some((partition, (_, events))) = parts.pop_first()
        {
            return self.publishers[partition as usize]
                .append(events, conditions)
                .await;
        }
        if batch.strict {
            self.look_everywhere(&parts).await?;
        }
        let mut running = JoinSet::new();
        for (partition, (indices, events)) in parts {
            let publishers = Arc::clone(&self.publishers);
            running.spawn(async move {
                let done = publishers[partition as usize]
                    .append(events, conditions)
                    .await;
                (indices, done)
            });
        }
        let mut outcomes: Vec<Option<Outcome>> = vec![None; count];
        let mut failed = None;
        while let Some(done) = running.join_next().await {
            let (indices, done) = done.map_err(|_| AppendError::Closed)?;
            match done {
                Ok(done) => {
                    for (index, outcome) in indices.into_iter().zip(done) {
                        outcomes[index] = Some(outcome);
                    }
                }
                // The others' outcomes are awaited all the same: they are not taken back.
                Err(error) => failed = Some(moved_to(error, &indices)),
            }
        }
        match failed {
            Some(error) => Err(error),
            None => outcomes
                .into_iter()
                .collect::<Option<_>>()
                .ok_or(AppendError::Closed),
        }
    }

    /// Looks for conflicts in every partition before one of them writes.
    async fn look_everywhere(
        &self,
        parts: &BTreeMap<Partition, (Vec<usize>, Vec<Prepared>)>,
    ) -> Result<(), AppendError> {
        let look = Conditions {
            strict: true,
            expected_revision: None,
            look: true,
        };
        for (partition, (indices, events)) in parts {
            let copies = events
                .iter()
                .map(|prepared| Prepared::new(prepared.event.clone()))
                .collect();
            let looked = self.publishers[*partition as usize]
                .append(copies, look)
                .await;
            looked.map_err(|error| moved_to(error, indices))?;
        }
        Ok(())
    }
}

/// The same error, with the place of the event in the whole batch.
fn moved_to(mut error: AppendError, indices: &[usize]) -> AppendError {
    match &mut error {
        AppendError::Conflict { index, .. } | AppendError::InvalidEvent { index, .. } => {
            *index = indices[*index];
        }
        AppendError::SelfConflict { index, earlier, .. } => {
            *index = indices[*index];
            *earlier = indices[*earlier];
        }
        _ => {}
    }
    error
}
