//! The suite that holds an engine to the contracts of [`recount_core::EventLog`] and
//! [`recount_core::GroupStore`], and [`MemoryLog`], the engine to compare with.
//!
//! An engine's author implements [`Engine`] for a type that stands for one fresh stream and names
//! it in a test file:
//!
//! ```
//! # use recount_conformance::{Engine, Environment, MemoryLog, MemoryStream};
//! struct Memory(MemoryStream);
//!
//! impl Engine for Memory {
//!     type Log = MemoryLog;
//!
//!     async fn create() -> Self {
//!         Self(MemoryStream::default())
//!     }
//!     async fn open(&self, environment: &Environment) -> MemoryLog {
//!         MemoryLog::open(&self.0, environment.memory_options())
//!     }
//!     async fn follow(&self, environment: &Environment) -> MemoryLog {
//!         MemoryLog::open_read_only(&self.0, environment.memory_options())
//!     }
//! }
//!
//! recount_conformance::event_log_suite!(Memory);
//! recount_conformance::model_suite!(Memory);
//! # fn main() {}
//! ```
//!
//! An engine with consumer groups implements [`GroupEngine`] besides, and is named in
//! [`group_store_suite!`] and [`group_model_suite!`] too.
//!
//! Every case becomes a test of its own. The cases stand in one list, from which the macros
//! register all of them; a case that is missing from the list is dead code, which this crate
//! refuses to compile.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![deny(dead_code)]

#[macro_use]
mod list;

mod cases;
mod engine;
mod kit;
mod model;
mod reference;
#[doc(hidden)]
pub mod suite;

pub use engine::{Engine, Environment, GroupEngine};
pub use reference::{MemoryLog, MemoryOptions, MemoryStream};
