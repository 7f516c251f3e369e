//! The binary as its users meet it. All tests are linked once.

mod bad_input;
mod demo;
#[cfg(unix)]
mod export;
mod follow;
mod help;
mod import;
mod kill;
mod session;
mod support;
