//! The front against the contract of a log.

use std::sync::Arc;

use recount_conformance::{Engine, Environment, MemoryLog};
use recount_runtime::MirroredLog;
use tempfile::TempDir;

use super::fake::Fake;
use super::support::options;

/// A fresh server, and where its mirror is kept.
struct Front {
    server: Arc<Fake>,
    dir: TempDir,
}

impl Front {
    fn of(&self, log: MemoryLog) -> MirroredLog {
        let origin = Arc::clone(&self.server) as _;
        MirroredLog::of(Arc::new(log), origin, options(self.dir.path()))
    }
}

impl Engine for Front {
    type Log = MirroredLog;

    async fn create() -> Self {
        Self {
            server: Fake::new(1),
            dir: TempDir::new().expect("a temporary directory"),
        }
    }

    async fn open(&self, environment: &Environment) -> MirroredLog {
        let stream = self.server.stream_of(0);
        self.of(MemoryLog::open(&stream, environment.memory_options()))
    }

    async fn follow(&self, environment: &Environment) -> MirroredLog {
        let stream = self.server.stream_of(0);
        let options = environment.memory_options();
        self.of(MemoryLog::open_read_only(&stream, options))
    }
}

/// Registers the cases, but for the one that a mirror is there to fail: what the server trimmed can still
/// be read.
macro_rules! tests {
    ($suite:ident $engine:ty; $($topic:ident { $($case:ident)+ })+) => {
        $(mod $topic {
            use super::*;
            $(case!($topic $case $engine);)+
        })+
    };
}

macro_rules! case {
    (follow it_sees_trims $engine:ty) => {};
    ($topic:ident $case:ident $engine:ty) => {
        #[test]
        fn $case() {
            recount_conformance::suite::log::$topic::$case::<$engine>();
        }
    };
}

recount_conformance::__log_cases!([tests] log Front);
