//! Recount's log on Redis, Valkey or Redis Cluster.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
