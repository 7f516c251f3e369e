//! Work that many callers need at once and one does.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

use super::failure::Failure;

/// Lets one caller work, while the others who came before it ended wait for its outcome.
pub(super) struct Shared<T> {
    /// How many times the work has ended.
    ended: AtomicU64,
    last: Mutex<Option<Result<T, Failure>>>,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self {
            ended: AtomicU64::new(0),
            last: Mutex::new(None),
        }
    }
}

impl<T: Clone> Shared<T> {
    /// Does the work, or takes the outcome of whoever is at it. A caller that is dropped in the middle
    /// leaves the work to the next one.
    pub(super) async fn run(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let seen = self.ended.load(Ordering::Acquire);
        let mut last = self.last.lock().await;
        if self.ended.load(Ordering::Acquire) != seen
            && let Some(outcome) = &*last
        {
            return outcome.clone();
        }
        let outcome = work.await;
        *last = Some(outcome.clone());
        self.ended.fetch_add(1, Ordering::Release);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn who_waits_takes_the_outcome_and_who_comes_later_works_anew() {
        let shared = Arc::new(Shared::default());
        let (runs, gate) = (Arc::new(AtomicU64::new(0)), Arc::new(Semaphore::new(0)));
        let run = || {
            let (shared, runs, gate) = (shared.clone(), runs.clone(), gate.clone());
            async move {
                let work = async {
                    gate.acquire().await.unwrap().forget();
                    Ok(runs.fetch_add(1, Ordering::SeqCst))
                };
                shared.run(work).await.unwrap()
            }
        };
        let waiting = (run(), run(), run());
        let (outcomes, ()) = tokio::join!(
            async { tokio::join!(waiting.0, waiting.1, waiting.2) },
            async { gate.add_permits(1) }
        );
        assert_eq!(outcomes, (0, 0, 0));
        gate.add_permits(1);
        assert_eq!(run().await, 1);
    }
}
