//! A command for every event.

use async_trait::async_trait;
use recount::{Handler, HandlerError, Message};
use tokio::sync::watch;

use super::child::Program;
use super::once::{Failed, once, told_of};
use crate::cli::error::Failure;

/// Runs a command for each event.
pub(super) struct Commands {
    program: Program,
    /// Why it cannot be started any more.
    broken: watch::Sender<Option<String>>,
}

impl Commands {
    pub(super) fn new(program: Program) -> Self {
        Self {
            program,
            broken: watch::Sender::new(None),
        }
    }

    /// Returns once the command cannot be started any more.
    pub(super) async fn broken(&self) -> Failure {
        let mut broken = self.broken.subscribe();
        match broken.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(message)) => Failure::new(message.clone()),
            _ => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Handler for Commands {
    async fn handle(&self, message: &Message) -> Result<(), HandlerError> {
        let ran = once(&self.program, &message.entry, variables(message)).await;
        ran.map_err(|failed| {
            if let Failed::NotStarted(told) = &failed {
                self.broken.send_replace(Some(told.clone()));
            }
            HandlerError::Retry(failed.words())
        })
    }
}

/// What a command is told besides the event.
fn variables(message: &Message) -> Vec<(&'static str, String)> {
    let mut variables = told_of(message.position, &message.entry);
    variables.extend([
        ("RECOUNT_GROUP", message.group.to_string()),
        ("RECOUNT_CONSUMER", message.consumer.to_string()),
        ("RECOUNT_DELIVERY_COUNT", message.delivery_count.to_string()),
        ("RECOUNT_KEY", message.key()),
    ]);
    let token = message.lease_token;
    variables.extend(token.map(|token| ("RECOUNT_LEASE_TOKEN", token.to_string())));
    variables
}
