//! The cases. Each is an async function over a fresh [`crate::kit::Setup`].

pub mod groups;
pub mod log;
