//! Being asked to end: by Ctrl-C, or by SIGTERM as service managers send it.

use std::future::Future;

use tokio::sync::watch;

use super::end_all;
use crate::cli::error::{Failure, Result};
use crate::cli::interrupt::Interrupt;

/// Tells whether the process was asked to end, also to whoever asks later.
pub(in crate::cli) struct Stop {
    interrupt: Interrupt,
    terminated: watch::Receiver<bool>,
}

impl Stop {
    /// Starts to listen. From the second time on, SIGTERM ends the process whatever holds it up.
    pub(in crate::cli) fn listen(interrupt: Interrupt) -> Self {
        let (told, terminated) = watch::channel(false);
        tokio::spawn(async move {
            let mut signals = Terminations::listen();
            signals.next().await;
            // With nobody left to hear it the process is about to end.
            let _ = told.send(true);
            signals.next().await;
            end_all();
            std::process::exit(130);
        });
        Self {
            interrupt,
            terminated,
        }
    }

    /// Returns once the process was asked to end, at once if it was already.
    pub(in crate::cli) async fn asked(&mut self) {
        let Self {
            interrupt,
            terminated,
        } = self;
        let terminated = async {
            if terminated.wait_for(|told| *told).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = interrupt.pressed() => {}
            () = terminated => {}
        }
    }

    /// `work`, unless the process is asked to end first.
    pub(in crate::cli) async fn unless<T>(
        &mut self,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        tokio::select! {
            done = work => done,
            () = self.asked() => Err(Failure::Interrupted),
        }
    }
}

#[cfg(unix)]
struct Terminations(Option<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Terminations {
    fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};

        Self(signal(SignalKind::terminate()).ok())
    }

    async fn next(&mut self) {
        let received = match &mut self.0 {
            Some(signal) => signal.recv().await,
            None => None,
        };
        if received.is_none() {
            // Then the system ends the process as it always does.
            std::future::pending::<()>().await;
        }
    }
}

/// Elsewhere nothing of the kind is sent.
#[cfg(not(unix))]
struct Terminations;

#[cfg(not(unix))]
impl Terminations {
    fn listen() -> Self {
        Self
    }

    async fn next(&mut self) {
        std::future::pending().await
    }
}
