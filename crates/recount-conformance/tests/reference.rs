//! The reference keeps the contract it is the reference for.

use std::sync::Arc;

use recount_conformance::{Engine, Environment, GroupEngine, MemoryLog, MemoryStream};

struct Memory(MemoryStream);

impl Engine for Memory {
    type Log = MemoryLog;

    async fn create() -> Self {
        Self(MemoryStream::default())
    }

    async fn open(&self, environment: &Environment) -> MemoryLog {
        MemoryLog::open(&self.0, environment.memory_options())
    }

    async fn follow(&self, environment: &Environment) -> MemoryLog {
        MemoryLog::open_read_only(&self.0, environment.memory_options())
    }
}

impl GroupEngine for Memory {
    type Groups = MemoryLog;

    async fn groups(&self, log: &Arc<MemoryLog>) -> Arc<MemoryLog> {
        Arc::clone(log)
    }
}

recount_conformance::event_log_suite!(Memory);
recount_conformance::group_store_suite!(Memory);

// Against itself: shows that the comparison runs. Other engines make it a test.
recount_conformance::model_suite!(Memory);
recount_conformance::group_model_suite!(Memory);
