//! What the engine does beyond the contract: partitions, the window's bounds, indexes beside foreign
//! entries, retention, and what `info` says.

#[path = "../faults/kit.rs"]
#[allow(dead_code)]
mod kit;

mod foreign;
mod groups;
mod options;
mod partitions;
mod waiting;
mod window;
