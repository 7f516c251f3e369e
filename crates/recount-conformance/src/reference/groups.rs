//! The consumer groups of a stream in memory.

mod group;
mod lease;
mod store;

pub(super) use group::Group;
