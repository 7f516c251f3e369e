//! The binary as its users meet it. All tests are linked once.

mod bad_input;
#[cfg(unix)]
mod claim;
mod config;
#[cfg(unix)]
mod consume;
#[cfg(unix)]
mod dead;
mod demo;
mod doctor;
#[cfg(unix)]
mod export;
mod export_formats;
mod follow;
#[cfg(unix)]
mod groups;
mod help;
mod import;
mod kill;
mod partial;
#[cfg(unix)]
mod pending;
mod pipes;
#[cfg(unix)]
mod redis;
#[cfg(unix)]
mod redis_errors;
#[cfg(unix)]
mod redis_import;
#[cfg(unix)]
mod redis_mirrors;
#[cfg(unix)]
mod redis_missing;
#[cfg(unix)]
mod redis_outage;
mod replay;
mod session;
mod support;
