//! Cases for an `EventLog`, by topic.

pub mod append;
pub mod close;
pub mod concurrency;
pub mod copies;
pub mod expectation;
pub mod follow;
pub mod idempotency;
pub mod identifiers;
pub mod info;
pub mod limits;
pub mod query;
pub mod read;
pub mod revisions;
pub mod session;
pub mod trim;
pub mod wait;
pub mod window;
