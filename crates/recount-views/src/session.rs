//! The fold of one session.

mod facts;
mod forms;
mod state;

pub use state::{
    Lineage, OPEN_CALLS_MAX, OpenCall, SessionState, SessionStatus, TYPES_MAX, Tokens, ToolCalls,
};

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
