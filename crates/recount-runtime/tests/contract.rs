//! EXPERIMENT
#[path = "mirror/fake.rs"]
#[allow(dead_code)]
mod fake;
use recount_conformance::{Engine, Environment};
use recount_runtime::{MirrorOptions, MirroredLog};
use std::sync::Arc;
struct Front {
    server: Arc<fake::Fake>,
    dir: tempfile::TempDir,
}
impl Engine for Front {
    type Log = MirroredLog;
    async fn create() -> Self {
        Self {
            server: fake::Fake::new(1),
            dir: tempfile::tempdir().unwrap(),
        }
    }
    async fn open(&self, e: &Environment) -> MirroredLog {
        let log = Arc::new(recount_conformance::MemoryLog::open(
            &self.server.stream_of(0),
            e.memory_options(),
        ));
        let mut o = MirrorOptions::new(self.dir.path());
        o.look_every = std::time::Duration::from_millis(5);
        o.disk.segment_bytes = 4 << 10;
        MirroredLog::of(log, self.server.clone() as _, o)
    }
    async fn follow(&self, e: &Environment) -> MirroredLog {
        let log = Arc::new(recount_conformance::MemoryLog::open_read_only(
            &self.server.stream_of(0),
            e.memory_options(),
        ));
        let mut o = MirrorOptions::new(self.dir.path());
        o.look_every = std::time::Duration::from_millis(5);
        MirroredLog::of(log, self.server.clone() as _, o)
    }
}
recount_conformance::event_log_suite!(Front);
