//! The leases of an ordered consumer: taken, renewed, and given up for others that have fewer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use recount_core::{Lease, LeaseAnswer, LeaseRequest, Partition};
use tokio::time::Instant;

use super::hold::Hold;
use super::shared::{Halt, Shared};

impl Shared {
    /// Keeps leases until the consumer has ended, also while it stops; it takes no new ones then.
    pub async fn keep_leases(self: Arc<Self>) -> Result<(), Halt> {
        let every = self.settings.lease / 3;
        // What was given up is not asked for until those for whom it was had their chance.
        let mut given_up = BTreeMap::new();
        loop {
            let round = Instant::now();
            given_up.retain(|_, until| round < *until);
            let soonest = self.ask_for_all(&given_up).await?;
            let mut next = round + soonest.map_or(every, |soonest| soonest.min(every));
            if next <= Instant::now() {
                next = Instant::now() + Duration::from_millis(10);
            }
            loop {
                if let Some(partition) = self.let_go().await? {
                    given_up.insert(partition, Instant::now() + every * 3 / 2);
                }
                tokio::select! {
                    () = tokio::time::sleep_until(next) => break,
                    () = self.signals.leases.notified() => {}
                }
            }
        }
    }

    /// Asks for every partition, held or not. Returns how soon to ask again, where that is sooner than usual.
    async fn ask_for_all(
        self: &Arc<Self>,
        given_up: &BTreeMap<Partition, Instant>,
    ) -> Result<Option<Duration>, Halt> {
        let mut soonest: Option<Duration> = None;
        let mut releases = None;
        for partition in 0..self.log.partitions() {
            let holds = self.state.lock().holds.len() as u64;
            let held = self.state.lock().holds.get(&partition).cloned();
            if held.is_none() && (self.is_stopping() || given_up.contains_key(&partition)) {
                continue;
            }
            let request = LeaseRequest {
                partition,
                consumer: self.name.to_string(),
                ttl_ms: u64::try_from(self.settings.lease.as_millis()).unwrap_or(u64::MAX),
                holds,
            };
            let asked = Instant::now();
            match self.groups.lease(&self.group, &request).await {
                // The leases of the others do not wait for this one.
                Err(error) => {
                    self.overcome(error).await?;
                    soonest = Some(self.settings.lease / 12);
                }
                Ok(LeaseAnswer::Held(lease)) => {
                    self.hold(&lease, asked);
                    let idler = lease.waiting.iter().any(|(_, has)| has + 2 <= holds);
                    if idler && held.is_some_and(|held| !held.fresh) {
                        releases = Some(partition);
                    }
                }
                Ok(LeaseAnswer::Taken { for_ms, .. }) => {
                    if let Some(held) = held {
                        self.lose_partition(partition, held.token);
                    }
                    let free_in = Duration::from_millis(for_ms + 1);
                    soonest = Some(soonest.map_or(free_in, |soonest| soonest.min(free_in)));
                }
            }
        }
        self.state.lock().asked = true;
        self.signals.room.notify_one();
        if let Some(partition) = releases {
            self.begin_release(partition);
        }
        Ok(soonest)
    }

    /// Notes a lease that was taken or renewed when it was asked for at `asked`.
    fn hold(self: &Arc<Self>, lease: &Lease, asked: Instant) {
        let until = asked + self.settings.lease;
        let partition = lease.partition;
        let known = {
            let mut state = self.state.lock();
            match state.holds.get_mut(&partition) {
                Some(hold) if hold.token == lease.token => {
                    hold.until = until;
                    return;
                }
                hold => hold.map(|hold| hold.token),
            }
        };
        // Somebody else may have held it in between.
        if let Some(token) = known {
            self.lose_partition(partition, token);
        }
        let mut state = self.state.lock();
        state.holds.insert(partition, Hold::new(lease.token, until));
    }

    /// Begins nothing more of a partition, so that somebody else can have it. One at a time.
    fn begin_release(self: &Arc<Self>, partition: Partition) {
        let mut state = self.state.lock();
        if state.stopping || state.holds.values().any(|hold| hold.releasing) {
            return;
        }
        let left = state.lanes.cancel_partition(partition);
        if let Some(hold) = state.holds.get_mut(&partition) {
            hold.releasing = true;
            hold.left.extend(left);
        }
        super::workers::spawn(self, &mut state);
        drop(state);
        self.signals.room.notify_one();
        self.signals.turns.notify_one();
    }

    /// Releases what is being given up and is quiet by now.
    async fn let_go(&self) -> Result<Option<Partition>, Halt> {
        let quiet = {
            let mut state = self.state.lock();
            let quiet = state
                .holds
                .iter()
                .find(|(partition, hold)| hold.releasing && !state.lanes.busy(**partition));
            let quiet = quiet.map(|(partition, _)| *partition);
            quiet.and_then(|partition| state.holds.remove_entry(&partition))
        };
        let Some((partition, hold)) = quiet else {
            return Ok(None);
        };
        self.give_back(&hold.left).await?;
        self.release(partition, hold.token).await?;
        Ok(Some(partition))
    }

    pub async fn release(&self, partition: Partition, token: u64) -> Result<(), Halt> {
        let release = || {
            self.groups
                .release(&self.group, &self.name, partition, token)
        };
        self.insist(release).await.map(|_| ())
    }
}
