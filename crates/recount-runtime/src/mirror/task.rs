//! The end of a task.

use std::panic::resume_unwind;

use tokio::task::JoinError;

/// What a task came to; its panic goes on here.
pub(super) async fn joined<T>(ended: Result<T, JoinError>) -> T {
    match ended {
        Ok(outcome) => outcome,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime ends, and whoever waits for this with it.
            Err(_) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn a_task_that_the_runtime_ended_did_not_panic() {
        let task = tokio::spawn(pending::<()>());
        task.abort();
        let ended = task.await;
        tokio::select! {
            biased;
            () = joined(ended) => panic!("nothing came of it"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(joined(tokio::spawn(async { 7 }).await).await, 7);
    }

    #[tokio::test]
    #[should_panic(expected = "in the task")]
    async fn a_panic_goes_on() {
        joined(tokio::spawn(async { panic!("in the task") }).await).await;
    }
}
