//! What keeps running beside a log of Recount.
//!
//! A [`Consumer`] is a member of a group: it hands every entry to a handler until that succeeds, in the order
//! of each session, and takes over what dead members left. What a group gives up on is kept in
//! [`DeadLetters`] until somebody decides, and [`Once`] makes the effects of a handler happen once, although
//! entries are delivered at least once.
//!
//! The [`Mirror`] keeps a copy of a stream on a server in segments on this machine's
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
    Access, Attempt, BlockedSessions, DeadError, DeadLetters, Letter, LetterState, NewLetter,
    Reason, Refusal, Retried,
};
pub use mirror::{Incident, IncidentKind, Mirror, MirrorError, MirrorOptions, Progress, Role};
pub use mirrored::{MirrorHistory, MirroredLog};
pub use once::{Effect, Ledger, Once};
