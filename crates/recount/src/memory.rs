//! The memory that an agent works with: one session of a log, asked and told in an agent's own words.
//!
//! Whatever an agent does to its memory is an event, and what is in the memory is what these events came to.
//! So it is there after a restart, in every process that looks, and at any moment of its past.
//!
//! ```
//! use recount::Recount;
//! use recount::memory::{Extractive, NewMessage, Scope};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let url = format!("disk:{}", folder.path().display());
//! let recount = Recount::open(&url).await?; // such as "disk:recount-data", or "redis://localhost"
//! let memory = recount.memory("session-1").user("ada").agent("support");
//!
//! memory.add_message(NewMessage::user("My order 4711 arrived broken.")).await?;
//! memory.add_message(NewMessage::assistant("I am sorry. You get a refund.").tokens(9)).await?;
//!
//! // What the next prompt is made of.
//! let recent = memory.recent(20).await?;
//! assert_eq!(recent.messages.len(), 2);
//! assert!(recent.complete);
//!
//! let found = memory.search("refund", 5, Scope::Session).await?;
//! assert_eq!(found.hits[0].message.text().unwrap(), "I am sorry. You get a refund.");
//!
//! memory.summarize(&Extractive::default()).await?;
//! memory.end("completed").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Several at once
//!
//! Any number of processes may share a session on a server, and any number of tasks one on disk. What they add is
//! all kept, in one order that everybody sees: nothing is overwritten, because nothing is ever changed.
//!
//! Each of them decides by what it has read, and meanwhile others may have added something. Whoever must not
//! decide twice says what it has read: [`Recent::revision`] is where the session was, and a write through
//! [`Memory::expecting`] that revision is refused if the session is not there any more
//! ([`recount_core::AppendError::RevisionMismatch`] names both). Then read again, and decide again. Writes without an
//! expectation are never refused for that.
//!
//! * [`Memory::clear`] forgets what was added before it. A message that another process adds a moment later stays.
//! * A summary stands for the messages that were there when [`Memory::summarize`] read them; those that came while it
//!   was made are not in it, and the next one looks at them.
//! * The first write to a session begins it (`session.started`). Where two are first, one of them does.
//! * A write that failed because a server could not be reached may have happened. Made again with the same id
//!   ([`NewMessage::id`]) it happens once.

mod error;
mod extractive;
mod message;
mod openai;
mod recent;
mod search;
mod state;
mod summarize;
mod summary;
mod write;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use recount_core::payload::{MemoryCleared, SessionEnded};
use recount_core::{EventType, Timestamp};
use recount_views::SessionState;

pub use error::MemoryError;
pub use extractive::Extractive;
pub use message::NewMessage;
pub use openai::{InvalidEndpoint, OpenAi};
pub use recent::Recent;
pub use search::{Found, Hit, Scope};
pub use summarize::Summarized;
pub use summary::{Said, SummarizeError, Summarizer, Summary, SummaryRequest};
pub use write::Written;

use self::write::New;
use crate::{Recount, Session};

/// A session as the memory of an agent; see [`Recount::memory`] and [the module](self).
///
/// Cloning is cheap. Nothing of the memory is in the handle: another one, in another process, sees the same.
#[derive(Debug, Clone)]
pub struct Memory {
    recount: Recount,
    session: Session,
    user: Option<String>,
    agent: Option<String>,
    /// The revision that the session must be at for a write.
    expected: Option<u64>,
    /// Whether something is known to be recorded of the session.
    begun: Arc<AtomicBool>,
    /// What the session was when it was looked at last. It is only ever gone on from.
    seen: Arc<Mutex<Option<SessionState>>>,
}

impl Recount {
    /// The memory of an agent in one session, whether or not anything is recorded of it yet.
    pub fn memory(&self, session_id: impl Into<String>) -> Memory {
        Memory {
            recount: self.clone(),
            session: self.session(session_id),
            user: None,
            agent: None,
            expected: None,
            begun: Arc::default(),
            seen: Arc::default(),
        }
    }
}

impl Memory {
    /// The user whom what is recorded from now on is for.
    #[must_use]
    pub fn user(mut self, id: impl Into<String>) -> Self {
        self.user = Some(id.into());
        self
    }

    /// The agent that does what is recorded from now on.
    #[must_use]
    pub fn agent(mut self, id: impl Into<String>) -> Self {
        self.agent = Some(id.into());
        self
    }

    /// The same memory, whose writes are refused unless the session is at `revision`: see
    /// [the module](self#several-at-once).
    #[must_use]
    pub fn expecting(&self, revision: u64) -> Self {
        Self {
            expected: Some(revision),
            ..self.clone()
        }
    }

    /// The session that it is.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Adds a message.
    pub async fn add_message(&self, message: NewMessage) -> Result<Written, MemoryError> {
        let mut event = New::of(EventType::MessageAdded, message.message);
        (event.id, event.happened) = (message.id, message.happened);
        self.write(event).await
    }

    /// Forgets everything that was added so far, summaries too. It stays in the log, to be looked at as
    /// history.
    pub async fn clear(&self, reason: &str) -> Result<Written, MemoryError> {
        let cleared = MemoryCleared {
            reason: Some(reason.to_owned()),
            message_count: Some(self.stats().await?.message_count),
            ..MemoryCleared::default()
        };
        self.write(New::of(EventType::MemoryCleared, cleared)).await
    }

    /// What the memory came to so far: how many messages, summaries, searches, tokens, and since when.
    pub async fn stats(&self) -> Result<SessionState, MemoryError> {
        Ok(self.now().await?.state)
    }

    /// Ends the session, and records how long it lasted: since the first thing in it happened. What is added
    /// afterwards goes on with it.
    pub async fn end(&self, reason: &str) -> Result<Written, MemoryError> {
        let now = Timestamp::now().as_millis();
        let first = self.stats().await?.first_happened;
        let lasted = first.map(|first| now.saturating_sub(first.as_millis()).max(0) as u64);
        let ended = SessionEnded {
            reason: Some(reason.to_owned()),
            duration_ms: lasted,
            ..SessionEnded::default()
        };
        self.write(New::of(EventType::SessionEnded, ended)).await
    }
}
