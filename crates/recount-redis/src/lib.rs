//! Recount's log on Redis, Valkey or Redis Cluster.
//!
//! [`RedisLog`] gives the contract of [`recount_core::EventLog`] over a server's streams: idempotent
//! publishing by one script call a batch and partition, an index a session, trims through one safe
//! floor, [`recount_core::GroupStore`] over the server's consumer groups, and [`recount_core::Origin`] for
//! mirrors. `KEYS.md` says what stands under which key.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod content;
mod copies;
mod error;
mod facts;
mod groups;
mod info;
mod keys;
mod log;
mod net;
mod open;
mod options;
mod origin;
mod pack;
mod partitions;
mod publish;
mod read;
mod retain;
mod scripts;
mod session;
mod shared;
mod trim;
mod url;
mod watch;
mod wire;

pub use log::RedisLog;
pub use net::slot_of;
pub use open::{OpenError, streams};
pub use options::{RedisOptions, WaitAof};
pub use url::{InvalidRedisUrl, RedisUrl};
