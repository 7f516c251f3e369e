//! The server's log with the mirror beside it.
