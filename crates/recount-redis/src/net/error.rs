//! How a call fails.

use thiserror::Error;

/// How a call fails. None of it ever holds a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum CallError {
    /// No answer within the deadline, or a connection lost while a request that must not be sent twice was under way.
    #[error("{address}: {message}")]
    Unavailable {
        /// The server, as `redis://host:port`.
        address: String,
        /// What happened, and what to check.
        message: String,
    },
    /// The server's own answer.
    #[error("{address}: {code} {message}")]
    Server {
        /// The server, as `redis://host:port`.
        address: String,
        /// The first word of the answer: `WRONGTYPE`, `OOM`, `NOPERM`, `WRONGPASS`, `READONLY`, `ERR`.
        code: String,
        /// The rest of it, and what to check where that helps.
        message: String,
    },
    /// [`Net::close`](super::Net::close) was called.
    #[error("the connection to Redis was closed")]
    Closed,
}
