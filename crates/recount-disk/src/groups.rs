//! Consumer groups: their state in memory, and the journal `groups.log` that it is made of again.
//!
//! Every call decides under one lock what changes, writes the changes as one frame, and applies them by the
//! same code that applies them when the file is read. So what a crash leaves is a state that once was, and
//! at worst entries are delivered again. `FORMAT.md`, "groups.log".

mod apply;
mod change;
mod codec;
mod deliver;
mod flusher;
mod follower;
mod frame;
mod inner;
mod journal;
mod keeper;
mod load;
mod needs;
mod repair;
mod rewrite;
mod snapshot;
mod state;
mod store;

pub(crate) use follower::Following;
pub(crate) use keeper::{Keeper, open};
pub(crate) use load::examine;
pub(crate) use needs::Need;
pub(crate) use repair::mend;

use crate::error::Fault;
use state::State;

/// What a handle knows of its stream's groups.
pub(crate) enum Groups {
    /// In the process that writes.
    Kept(Keeper),
    /// In one that reads.
    Followed(Following),
}

impl Groups {
    /// Takes in what another process has written.
    fn refresh(&self) -> Result<(), Fault> {
        match self {
            Self::Kept(_) => Ok(()),
            Self::Followed(following) => following.refresh(),
        }
    }

    /// Looks at the state.
    fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        match self {
            Self::Kept(keeper) => keeper.read(read),
            Self::Followed(following) => following.read(read),
        }
    }

    /// Ends in order.
    pub(crate) fn close(&self) {
        if let Self::Kept(keeper) = self {
            keeper.close();
        }
    }
}
