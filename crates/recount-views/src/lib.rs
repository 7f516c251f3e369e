//! What is made of a log by going through it, kept up to date, and asked for in milliseconds.
//!
//! * [`SessionState`] is the fold of one session.

#![deny(unsafe_code)]
#![deny(missing_docs)]

mod checkpoint;
#[cfg(test)]
mod kit;
mod projection;
mod query;
mod rows;
mod runner;
mod search;
mod session;
mod sessions;
mod view;
mod views;

pub use checkpoint::{Checkpoint, Why};
pub use projection::Finding;
pub use query::{Clause, Question, Term};
pub use rows::{KEY_BYTES_MAX, Row, RowRange, Rows, RowsError, Snapshot};
pub use search::{
    Excerpt, Hit, Order, SearchReader, TEXT_BYTES_MAX, contains, excerpt, rank, text_of,
};
pub use session::{
    Lineage, OPEN_CALLS_MAX, OpenCall, SessionState, SessionStatus, TYPES_MAX, Tokens, ToolCalls,
};
pub use sessions::{
    Cut, InvalidListCursor, ListCursor, ListError, SessionList, SessionOrder, SessionRows,
    SessionStanding, SessionsReader, SessionsView, UserList, UserOrder, UserRow, UserRows,
};
pub use view::{Fault, View};
pub use views::{
    CaughtUp, Progress, Registered, RunningViews, Upkeep, ViewError, ViewStatus, Views,
    ViewsOptions,
};
