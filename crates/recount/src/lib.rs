//! Recount is the flight recorder and event-sourced memory of AI agents.
//!
//! What an agent's memory does (a message added, a session started, a tool called, an error) is
//! recorded as an immutable [`Event`] in a durable log with the semantics of Redis Streams. This
//! crate is the comfortable way in: it opens a log named by a URL and hands out a [`Recount`].
//!
//! ```
//! use recount::{Event, EventType, JsonObject, Recount, StartFrom, EntryId};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let url = format!("disk:{}", folder.path().display());
//! let recount = Recount::open(&url).await?; // such as "disk:recount-data"
//!
//! let hello = Event::builder(EventType::MessageAdded, "session-1")
//!     .user("ada")
//!     .data(JsonObject::parse(r#"{"role":"user","content":"Hello"}"#)?)
//!     .build()?;
//! recount.record(hello).await?; // durable once this returns
//!
//! let mut events = recount.session("session-1").events();
//! while let Some(recorded) = events.next().await? {
//!     println!("{}", recount::json::line(&recorded));
//! }
//!
//! let mut tail = recount.tail(StartFrom::After(EntryId::MIN)).await?;
//! assert_eq!(tail.next().await?.revision, 1);
//! # Ok(())
//! # }
//! ```
//!
//! The same on a server, with a copy on this machine's disk that queries read:
//!
//! ```no_run
//! # use recount::Recount;
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let recount = Recount::builder()
//!     .url("redis://localhost:6379") // or redis-cluster://, redis-sentinel://, rediss://
//!     .mirror("/var/lib/recount/mirrors")
//!     .open()
//!     .await?;
//! // The last messages of a session come straight from the server, however long its history is.
//! let page = recount.session("session-1").recent(20).await?;
//! if !page.is_complete() {
//!     println!("kept from revision {:?} on", page.retained_from);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What is here
//!
//! * [`Recount`] records, reads, follows; [`Session`] is one session's part of it.
//! * [`Events`] walks an answer of any size in bounded memory; [`Tail`] waits for what comes next. Both put
//!   the partitions of a stream on a server in order.
//! * [`Recount::consumer`] hands every event to a [`Handler`] of yours, shared among the consumers of a group;
//!   [`DeadLetters`] are what a group gave up on, [`Once`] makes an effect happen once.
//! * [`Mirror`] is the copy of such a stream on this machine.
//! * [`chat`] turns recorded conversations into events, [`demo`] makes some up.
//! * [`Config`] is everything that can be set, [`config`] where it may be written.
//! * [`LogUrl`] names an engine and a place, [`Moment`] reads a time as people write it.
//! * Everything of `recount-core`: the vocabulary, the contracts, the one JSON shape.
//!
//! # What is not
//!
//! The library never reads the environment, never prints and never looks at a terminal: that is
//! the binary's part.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod chat;
pub mod config;
pub mod demo;
mod events;
mod groups;
mod handle;
mod inspect;
pub mod language;
pub mod memory;
mod open;
mod replay;
mod session;
mod tail;
mod time;
mod url;
mod views;

/// What an implementation of a trait of this crate is marked with.
pub use async_trait::async_trait;
pub use config::Config;
pub use events::Events;
pub use groups::handler;
pub use handle::Recount;
pub use inspect::{
    CallLatency, EventMetrics, FindError, Finder, Found, InvalidPageCursor, Looked, MetricsSpan,
    Order, PageCursor, TypeCount,
};
pub use language::InvalidQuestion;
pub use memory::Memory;
pub use open::{Builder, DEFAULT_STREAM, OpenError};
#[doc(inline)]
pub use recount_core::*;
pub use recount_disk::SyncMode;
pub use recount_redis::{InvalidRedisUrl, RedisUrl, WaitAof};
pub use recount_runtime::{
    Attempt, Backoff, BatchHandler, Consumer, ConsumerBuilder, ConsumerError, ConsumerMetrics,
    ConsumerReport, DeadError, DeadLetters, Effect, Handler, HandlerError, Incident, IncidentKind,
    Latency, Ledger, Letter, LetterState, Message, Mirror, MirrorError, Once,
    Progress as MirrorProgress, Reason, Refusal, Retried, Role as MirrorRole, RunningConsumer,
};
pub use recount_views::{
    CaughtUp, Clause, Excerpt, Fault, Finding, InvalidListCursor, Lineage, ListCursor, ListError,
    OpenCall, Progress as ViewProgress, Question, Registered, RowRange, Rows, RowsError,
    RunningViews, SessionList, SessionOrder, SessionRows, SessionStanding, SessionState,
    SessionStatus, SessionsReader, Snapshot, Term, Tokens, ToolCalls, Upkeep, UserList, UserOrder,
    UserRow, UserRows, View, ViewError, ViewStatus, Views, ViewsOptions, Why, excerpt, text_of,
};
pub use replay::{InvalidPace, Pace, Replay, ReplayError, ReplayMark};
pub use session::{
    At, Change, Diff, ForkError, Forked, InvalidAt, Messages, Session, SessionAt, SessionError,
    StateMessage, Steps, diff,
};
pub use tail::{Skipped, Tail};
pub use time::{InvalidMoment, Moment};
pub use url::{InvalidUrl, LogUrl};
pub use views::ViewsError;

/// The examples in the README, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;
