//! Ctrl-C: once to end, twice to end at any cost.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use recount::Recount;
use tokio::sync::watch;
use tokio::time::Instant;

use super::consume::end_all;
use super::error::{Failure, Result};
use super::settings::warn;

/// Tells whether Ctrl-C was pressed, and when, also to whoever asks later.
#[derive(Clone)]
pub(crate) struct Interrupt(watch::Receiver<Option<Instant>>);

impl Interrupt {
    /// Starts to listen. From the second time on, Ctrl-C ends the process whatever holds it up.
    pub(crate) fn listen() -> Self {
        let (pressed, receiver) = watch::channel(None);
        tokio::spawn(async move {
            pressed_once().await;
            // With nobody left to hear it the process is about to end.
            let _ = pressed.send(Some(Instant::now()));
            pressed_once().await;
            end_all();
            std::process::exit(130);
        });
        Self(receiver)
    }

    /// Returns once Ctrl-C was pressed, at once if it was already.
    pub(crate) async fn pressed(&mut self) {
        self.pressed_at().await;
    }

    /// Whether Ctrl-C was pressed.
    pub(crate) fn is_pressed(&self) -> bool {
        self.0.borrow().is_some()
    }

    async fn pressed_at(&mut self) -> Instant {
        if let Ok(pressed) = self.0.wait_for(Option::is_some).await
            && let Some(at) = *pressed
        {
            return at;
        }
        std::future::pending().await
    }

    /// `work`, unless Ctrl-C comes first.
    pub(crate) async fn unless<T>(&mut self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            done = work => done,
            () = self.pressed() => Err(Failure::Interrupted),
        }
    }
}

/// How long after Ctrl-C a command may still take, with all that was under way.
const MOMENT: Duration = Duration::from_secs(1);

impl Interrupt {
    /// `work` that is better done than dropped: after Ctrl-C it has a moment left, for the answer of a
    /// server may never come.
    pub(crate) async fn or_soon<T>(&mut self, work: impl Future<Output = Result<T>>) -> Result<T> {
        if let Some(done) = self.moment(work).await {
            return done;
        }
        warn(
            "what was under way at Ctrl-C is not answered: whether it was recorded is not known, and \
             doing it again is safe",
        );
        Err(Failure::Interrupted)
    }

    /// Closes a log. On disk that is waited for: what is acknowledged is to be synced. A server has only a
    /// moment after Ctrl-C.
    pub(crate) async fn close(&mut self, log: &Recount) -> Result {
        let closing = async { Ok(log.close().await?) };
        if log.origin().is_none() {
            return closing.await;
        }
        self.moment(closing).await.unwrap_or(Ok(()))
    }

    async fn moment<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        let pressed = tokio::select! {
            biased;
            done = &mut work => return Some(done),
            pressed = self.pressed_at() => pressed,
        };
        tokio::time::timeout_at(pressed + MOMENT, work).await.ok()
    }
}

async fn pressed_once() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Then the system ends the process as it always does.
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everything_under_way_shares_one_moment() {
        let (pressed, receiver) = watch::channel(None);
        let mut interrupt = Interrupt(receiver);
        let work = || async {
            tokio::task::yield_now().await;
            Ok(())
        };
        assert!(interrupt.or_soon(work()).await.is_ok());
        assert!(!interrupt.is_pressed());
        pressed.send(Some(Instant::now())).unwrap();
        assert!(interrupt.is_pressed());
        assert!(interrupt.or_soon(work()).await.is_ok());
        // What was under way took all of the moment.
        pressed.send(Instant::now().checked_sub(MOMENT)).unwrap();
        let ended = interrupt.or_soon(std::future::pending::<Result>()).await;
        assert!(matches!(ended, Err(Failure::Interrupted)));
    }
}
