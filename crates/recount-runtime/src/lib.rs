//! What keeps running beside a log of Recount.
//!
//! Today that is the [`Mirror`]: it keeps a copy of a stream on a server in segments on this machine's
//! disk, so that history is as long as the disk, and queries find what they look for by index. A
//! [`MirroredLog`] puts it in front of the server's log: what the server can answer by itself it
//! answers, the rest comes from the mirror, which by then holds everything that was published before.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod consumer;
mod dead;
mod mirror;
mod mirrored;
mod once;

pub use consumer::{
    Backoff, BatchHandler, Consumer, ConsumerBuilder, ConsumerError, ConsumerMetrics,
    ConsumerReport, Handler, HandlerError, Latency, Message, RunningConsumer,
};
pub use dead::{
    Attempt, BlockedSessions, Access, DeadError, DeadLetters, Letter, LetterState, NewLetter,
    Reason, Refusal, Retried,
};
pub use mirror::{Incident, IncidentKind, Mirror, MirrorError, MirrorOptions, Progress, Role};
pub use mirrored::MirroredLog;
pub use once::{Effect, Ledger, Once};
