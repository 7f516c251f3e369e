//! Mirrors of a server that is a log in memory.

mod behind;
mod contract;
mod divergence;
mod fake;
mod front;
mod gaps;
mod live;
mod lost;
mod partitions;
mod roles;
mod support;
mod synced;
