//! What is in a memory, the newest first to be thought of.

use super::{Memory, MemoryError};
use crate::StateMessage;

/// The newest messages of a memory, with what is known of the rest.
#[derive(Debug, Clone, PartialEq)]
pub struct Recent {
    /// The messages, oldest first. Of a fork, its parent's up to the fork are among them.
    pub messages: Vec<StateMessage>,
    /// The newest summary, if there is one: it stands for what was said before it.
    pub summary: Option<String>,
    /// How many messages are in the memory, these included.
    pub message_count: u64,
    /// Whether these are the newest messages, and all that were asked for. Where the log was trimmed or holds
    /// entries that no session knows, it is told here: a part of a memory is never silent.
    pub complete: bool,
    /// How many of those that were asked for are known to be gone.
    pub missing: u64,
    /// The revision of the first entry that the log still has of the session; none where it has none.
    pub retained_from: Option<u64>,
    /// Where the session was when it was read: see [`Memory::expecting`].
    pub revision: u64,
}

impl Memory {
    /// The newest `n` messages, and the newest summary. The cost is that of what was added since this handle looked
    /// last, and of the messages.
    pub async fn recent(&self, n: usize) -> Result<Recent, MemoryError> {
        let now = self.now().await?;
        let messages = self.session.messages(&now.state, n).await?;
        let summary = self.session.summary_text(&now.state).await?;
        let lost_summary = now.state.summary.is_some() && summary.is_none();
        let all_gone = now.page.revision > 0 && now.page.retained_from.is_none();
        let all_known = !lost_summary && !all_gone && now.page.unindexed == 0;
        Ok(Recent {
            complete: messages.complete && all_known,
            messages: messages.messages,
            summary,
            message_count: now.state.message_count,
            missing: messages.missing,
            retained_from: now.page.retained_from,
            revision: if all_gone {
                now.page.revision
            } else {
                now.state.revision
            },
        })
    }
}
