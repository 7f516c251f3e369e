//! The consumer runtime: a group's entries, handed to a handler until they are done with.

mod ack;
mod backoff;
mod builder;
mod call;
mod end;
mod error;
mod feed;
mod grave;
mod handler;
mod hold;
mod intake;
mod keep;
mod lanes;
mod leases;
mod message;
mod metrics;
mod ordered;
mod pending;
mod running;
mod sequence;
mod settle;
mod shared;
mod suspects;
mod tail;
mod work;
mod workers;

pub use backoff::Backoff;
pub use builder::{Consumer, ConsumerBuilder};
pub use error::ConsumerError;
pub use handler::{BatchHandler, Handler, HandlerError};
pub use message::Message;
pub use metrics::{ConsumerMetrics, Latency};
pub use running::{ConsumerReport, RunningConsumer};
