//! One session's part of a log, at any moment of its history.

mod at;
mod diff;
mod document;
mod error;
mod fold;
mod fork;
mod messages;
mod moment;
mod steps;

use recount_core::{Query, ReadError, SessionPage, SessionRead};
use recount_views::SessionState;

pub use at::{At, InvalidAt};
pub use diff::{Change, Diff, diff};
pub use error::{ForkError, SessionError};
pub use fork::Forked;
pub use messages::{Messages, StateMessage};
pub use moment::SessionAt;
pub use steps::Steps;

use crate::{Events, Recount};

/// A session of a log, whether or not anything is recorded of it yet.
///
/// Its state at any moment is the fold of its events up to there:
///
/// ```
/// # use recount::{At, Event, EventType, JsonObject, Recount};
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let recount = Recount::open(&format!("disk:{}", folder.path().display())).await?;
/// let say = |text: &str| {
///     let data = serde_json::json!({"role": "user", "content": text});
///     let event = Event::builder(EventType::MessageAdded, "session-1");
///     event.data(JsonObject::parse(data.to_string()).unwrap()).build().unwrap()
/// };
/// recount.record_all([say("Hello"), say("Where is my order?")]).await?;
///
/// let session = recount.session("session-1");
/// assert_eq!(session.state().await?.message_count, 2);
///
/// // Before the second message, with the texts of what was known then.
/// let before = session.at(At::Revision(1), 100).await?;
/// assert_eq!(before.messages.messages[0].text().unwrap(), "Hello");
///
/// // Another way on from there, which shares what came before.
/// session.fork(At::Revision(1), "session-2").await?;
/// assert_eq!(recount.session("session-2").state().await?.message_count, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Session {
    recount: Recount,
    id: String,
}

impl Session {
    pub(crate) fn new(recount: Recount, id: String) -> Self {
        Self { recount, id }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Everything recorded of it, in order.
    pub fn events(&self) -> Events {
        self.recount.events(Query::session(&self.id))
    }

    /// The newest `last` events, in order, and whether they and what is kept before them are the whole
    /// session: see [`SessionPage::is_complete`]. The cost is that of the events asked for, or of the
    /// session, never that of the log.
    pub async fn recent(&self, last: usize) -> Result<SessionPage, ReadError> {
        let read = SessionRead::last(&self.id, last);
        self.recount.log().session(&read).await
    }

    /// What it came to: its events, folded.
    pub async fn state(&self) -> Result<SessionState, SessionError> {
        self.state_at(At::Now).await
    }

    /// What it had come to at a moment; nothing recorded of it, a state without events.
    pub async fn state_at(&self, at: At) -> Result<SessionState, SessionError> {
        Ok(self.at(at, 0).await?.state)
    }
}
