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
mod diff;
mod doctor;
mod errors;
#[cfg(unix)]
mod export;
mod export_formats;
mod follow;
mod fork;
#[cfg(unix)]
mod groups;
mod help;
mod import;
mod kill;
mod memory;
mod partial;
#[cfg(unix)]
mod pending;
mod pipes;
mod query;
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
#[cfg(unix)]
mod redis_replay;
mod replay;
mod replay_choices;
#[cfg(unix)]
mod replay_command;
mod replay_resume;
mod search;
mod session;
mod sessions;
mod state;
mod stats;
mod support;
mod timeline;
#[cfg(unix)]
mod views;
