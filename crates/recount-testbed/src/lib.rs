//! Servers for Recount's tests: each test starts its own and stops it.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
