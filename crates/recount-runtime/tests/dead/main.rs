//! Dead letters over logs in memory.

mod add;
mod close;
mod contents;
mod fast;
mod sequence;
mod support;
