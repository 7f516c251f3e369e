//! The disk engine against the whole contract.

use std::sync::Arc;

use recount_conformance::{Engine, Environment, GroupEngine};
use recount_disk::{DiskLog, DiskOptions, SyncMode};
use tempfile::TempDir;

/// A fresh directory; segments are tiny, so that every case meets several.
struct Disk(TempDir);

const STREAM: &str = "memory:events";

fn options(environment: &Environment) -> DiskOptions {
    DiskOptions {
        sync: SyncMode::Os,
        limits: environment.limits,
        idempotency_window: environment.idempotency_window,
        segment_bytes: 4 << 10,
        clock: Arc::clone(&environment.clock) as _,
        ..DiskOptions::default()
    }
}

impl Engine for Disk {
    type Log = DiskLog;

    async fn create() -> Self {
        Self(TempDir::new().expect("a temporary directory"))
    }

    async fn open(&self, environment: &Environment) -> DiskLog {
        DiskLog::open(self.0.path(), STREAM, options(environment))
            .await
            .expect("the log opens")
    }

    async fn follow(&self, environment: &Environment) -> DiskLog {
        DiskLog::open_read_only(self.0.path(), STREAM, options(environment))
            .await
            .expect("the log opens for reading")
    }
}

impl GroupEngine for Disk {
    type Groups = DiskLog;

    async fn groups(&self, log: &Arc<DiskLog>) -> Arc<DiskLog> {
        Arc::clone(log)
    }
}

recount_conformance::event_log_suite!(Disk);
recount_conformance::group_store_suite!(Disk);
recount_conformance::model_suite!(Disk);
recount_conformance::group_model_suite!(Disk);
