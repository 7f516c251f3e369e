//! Ctrl-C: once to end, twice to end at any cost.

use std::future::Future;

use tokio::sync::watch;

use super::error::{Failure, Result};

/// Tells whether Ctrl-C was pressed, also to whoever asks later.
#[derive(Clone)]
pub(crate) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Starts to listen. From the second time on, Ctrl-C ends the process whatever holds it up.
    pub(crate) fn listen() -> Self {
        let (pressed, receiver) = watch::channel(false);
        tokio::spawn(async move {
            pressed_once().await;
            // With nobody left to hear it the process is about to end.
            let _ = pressed.send(true);
            pressed_once().await;
            std::process::exit(130);
        });
        Self(receiver)
    }

    /// Returns once Ctrl-C was pressed, at once if it was already.
    pub(crate) async fn pressed(&mut self) {
        if self.0.wait_for(|pressed| *pressed).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// `work`, unless Ctrl-C comes first.
    pub(crate) async fn unless<T>(&mut self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            done = work => done,
            () = self.pressed() => Err(Failure::Interrupted),
        }
    }
}

async fn pressed_once() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Then the system ends the process as it always does.
        std::future::pending::<()>().await;
    }
}
