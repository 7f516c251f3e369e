//! Recount's embedded log: one directory, nothing to install.
//!
//! A [`DiskLog`] keeps a stream in numbered segment files. A single writer thread takes appends
//! together, writes them as frames and syncs once for all of them; readers work on immutable
//! snapshots; other processes follow the files. Every byte on disk is specified in `FORMAT.md`.
//!
//! What it is not: a server, a replicated store, or a general key-value store.

#![deny(missing_docs)]
#![deny(unsafe_code)]

mod background;
mod buffers;
mod bytes;
mod dir;
pub mod doctor;
mod error;
mod floor;
mod follow;
mod frame;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod groups;
mod hash;
mod index;
mod load;
mod log;
mod meta;
mod open;
mod options;
mod prepare;
mod reader;
mod record;
mod recover;
mod scan;
mod segment;
mod shared;
pub mod sim;
mod storage;
mod table;
mod trim;
mod watermark;
mod writer;

pub use error::{OpenError, Recovery};
pub use log::{DiskLog, rename_stream, streams};
pub use options::{DiskOptions, InvalidSyncMode, SyncMode};
pub use storage::{FileSystem, Lock, Map, OpenHow, Storage, StorageFile};
