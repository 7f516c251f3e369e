//! Consumers of a log in memory, whose time stands still unless everybody waits.

#[path = "../support/clock.rs"]
mod clock;

mod batches;
mod failing;
mod faults;
mod flow;
mod left;
mod ordered;
mod stopping;
mod support;
