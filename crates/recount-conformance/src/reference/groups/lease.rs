//! The lease of one partition of a group.

use std::collections::BTreeMap;

use recount_core::{Lease, LeaseAnswer, LeaseRequest};

#[derive(Default)]
pub struct PartitionLease {
    holder: Option<Holder>,
    /// That of the last lease there was.
    token: u64,
    /// Who asked and did not get it.
    waiting: BTreeMap<String, Waiting>,
}

struct Holder {
    consumer: String,
    until_ms: u64,
}

struct Waiting {
    asked_ms: u64,
    holds: u64,
}

impl PartitionLease {
    /// Gives the lease to whoever asks, if it is theirs or free.
    pub fn ask(&mut self, request: &LeaseRequest, now_ms: u64) -> LeaseAnswer {
        let until_ms = now_ms.saturating_add(request.ttl_ms);
        match &self.holder {
            Some(holder) if holder.consumer == request.consumer => {}
            Some(holder) if now_ms < holder.until_ms => {
                let waiting = Waiting {
                    asked_ms: now_ms,
                    holds: request.holds,
                };
                self.waiting.insert(request.consumer.clone(), waiting);
                return LeaseAnswer::Taken {
                    by: holder.consumer.clone(),
                    for_ms: holder.until_ms - now_ms,
                };
            }
            _ => self.token += 1,
        }
        self.holder = Some(Holder {
            consumer: request.consumer.clone(),
            until_ms,
        });
        self.waiting.remove(&request.consumer);
        self.waiting
            .retain(|_, waiting| now_ms.saturating_sub(waiting.asked_ms) < request.ttl_ms);
        LeaseAnswer::Held(Lease {
            partition: request.partition,
            token: self.token,
            waiting: self
                .waiting
                .iter()
                .map(|(name, waiting)| (name.clone(), waiting.holds))
                .collect(),
        })
    }

    /// Gives it up.
    pub fn release(&mut self, consumer: &str, token: u64) -> bool {
        let held = self.is_held(consumer, token);
        if held {
            self.holder = None;
        }
        held
    }

    pub fn is_held(&self, consumer: &str, token: u64) -> bool {
        let holder = self.holder.as_ref();
        token == self.token && holder.is_some_and(|holder| holder.consumer == consumer)
    }
}
