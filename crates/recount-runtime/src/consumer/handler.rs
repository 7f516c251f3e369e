//! What applications implement.

use std::sync::Arc;

use async_trait::async_trait;

use super::message::Message;

/// Handles events, one at a time or several side by side.
///
/// Delivery is at least once: after a crash, an event may come again. [`Message::key`] tells it.
/// Events of one session come in order, the next one once the one before is done with. A panic counts as a
/// failed attempt.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Handles one entry. `Ok` acknowledges it.
    async fn handle(&self, message: &Message) -> Result<(), HandlerError>;
}

/// Handles events in batches.
///
/// As with [`Handler`]; what there is when the handler is free makes a batch, nothing is waited for. Within
/// a batch the entries of a session are in order.
#[async_trait]
pub trait BatchHandler: Send + Sync + 'static {
    /// Handles some entries, and returns one outcome for each, in the same order.
    ///
    /// Once an entry failed, the outcomes of those of its session that follow it in the batch do not count: they come
    /// again after it. A panic, or another number of outcomes than entries, is nobody's fault in particular:
    /// each entry of that batch is then handed out by itself.
    async fn handle(&self, messages: &[Message]) -> Vec<Result<(), HandlerError>>;
}

/// Why an entry was not handled, and what is to become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandlerError {
    /// It is to be tried again, as often as the consumer allows.
    Retry(String),
    /// Trying again is useless: it is a dead letter now.
    Dead(String),
}

impl HandlerError {
    /// Trying again is useless, because of `error`.
    pub fn dead(error: impl Into<String>) -> Self {
        Self::Dead(error.into())
    }

    /// What went wrong, in words.
    pub fn message(&self) -> &str {
        match self {
            Self::Retry(message) | Self::Dead(message) => message,
        }
    }
}

impl<E: std::error::Error> From<E> for HandlerError {
    /// Any error means: try again. Its causes are told too.
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let told = error.to_string();
            if !message.ends_with(&told) {
                message.push_str(": ");
                message.push_str(&told);
            }
            cause = error.source();
        }
        Self::Retry(message)
    }
}

#[async_trait]
impl<H: Handler + ?Sized> Handler for Arc<H> {
    async fn handle(&self, message: &Message) -> Result<(), HandlerError> {
        (**self).handle(message).await
    }
}

#[async_trait]
impl<H: BatchHandler + ?Sized> BatchHandler for Arc<H> {
    async fn handle(&self, messages: &[Message]) -> Vec<Result<(), HandlerError>> {
        (**self).handle(messages).await
    }
}
