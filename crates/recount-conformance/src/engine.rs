//! What the suite needs of an engine under test.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use recount_core::{EventLog, GroupStore, Limits, ManualClock};

use crate::MemoryOptions;

/// One stream of an engine, and how to open it.
///
/// A value stands for the place where the stream is kept (a temporary directory, a key on a
/// server) and takes it away when it is dropped. Methods panic where they cannot do what they say.
pub trait Engine: Sized + Send + Sync + 'static {
    /// The engine.
    type Log: EventLog;

    /// A fresh place, where no stream has been yet.
    fn create() -> impl Future<Output = Self> + Send;

    /// Opens the stream for reading and writing, creating it the first time. The suite closes and
    /// drops a handle before it opens the next.
    fn open(&self, environment: &Environment) -> impl Future<Output = Self::Log> + Send;

    /// Opens the stream a second time, beside the handle from [`Engine::open`]: for reading only
    /// where the engine has such handles.
    fn follow(&self, environment: &Environment) -> impl Future<Output = Self::Log> + Send;
}

/// An engine with consumer groups.
pub trait GroupEngine: Engine {
    /// What keeps the groups.
    type Groups: GroupStore;

    /// The groups of an open stream.
    fn groups(&self, log: &Arc<Self::Log>) -> impl Future<Output = Arc<Self::Groups>> + Send;
}

/// What a stream is opened with.
#[derive(Clone)]
pub struct Environment {
    /// The time, which the cases move.
    pub clock: Arc<ManualClock>,
    /// What an append may hold at most.
    pub limits: Limits,
    /// How long event ids are remembered.
    pub idempotency_window: Duration,
}

impl Environment {
    /// The same for a [`crate::MemoryLog`].
    pub fn memory_options(&self) -> MemoryOptions {
        MemoryOptions {
            clock: Arc::clone(&self.clock) as _,
            limits: self.limits,
            idempotency_window: self.idempotency_window,
        }
    }
}
