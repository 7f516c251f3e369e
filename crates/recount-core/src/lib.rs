//! The vocabulary of Recount: what an event is, how a stream stores it, and what a log promises.
//!
//! Everything here is data and contracts. There is no I/O and no async runtime, so an auditor, an
//! engine and a front end can all depend on it alone.
//!
//! * [`Event`] is what a producer records; [`Entry`] is how a stream stores it; [`codec`] goes
//!   between the two.
//! * [`EntryId`] and its relatives parse and print the id forms of Redis Streams.
//! * [`EventLog`] and [`GroupStore`] are the contracts. Their prose is the specification, and the
//!   crate `recount-conformance` holds an engine to every clause of it.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod clock;
pub mod codec;
mod content;
mod data;
mod entry;
mod entry_id;
mod event;
mod event_type;
mod fold;
mod groups;
mod ids;
pub mod json;
mod limits;
mod log;
mod origin;
pub mod payload;
mod retention;
mod timestamp;
mod upcast;

pub use clock::{Clock, ManualClock, SystemClock};
pub use content::{canonical_data, same_content};
pub use data::{InvalidData, JsonObject};
pub use entry::{Body, Cursor, Entry, Field, Partition, Position, Recorded, Undecodable};
pub use entry_id::{EntryId, IdRange, InvalidEntryId, NewId, RangeEnd, RangeStart, StartFrom};
pub use event::{Event, EventBuilder, InvalidEvent, TimestampSource};
pub use event_type::EventType;
pub use fold::Fold;
pub use groups::{
    Claim, ClaimRequest, ConsumerInfo, Delivery, GroupError, GroupInfo, GroupStart, GroupStore,
    Lease, LeaseAnswer, LeaseRequest, PendingEntry, PendingSummary, UpcastGroups,
};
pub use ids::{EventId, InvalidId};
pub use limits::Limits;
pub use log::{
    AppendError, Batch, Direction, Durability, EventLog, Filter, HeldBack, HeldUp, LogInfo, Lost,
    Outcome, Page, PartitionInfo, Query, ReadError, ReadRange, Receipt, SessionPage, SessionRead,
    TrimError, TrimLimit, TrimReport, TrimRequest,
};
pub use origin::{Behind, Feed, Origin, Registration, Standing};
pub use retention::{MaxLength, Retention};
pub use timestamp::{InvalidTimestamp, Timestamp};
pub use upcast::{InvalidUpcasters, Schema, UpcastLog, Upcasters, UpcastersBuilder};
