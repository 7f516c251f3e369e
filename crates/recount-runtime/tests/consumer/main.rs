//! Consumers of a log in memory, whose time stands still unless everybody waits.

mod flow;
mod support;
