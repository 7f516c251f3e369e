//! What `recount_disk::doctor` sees, and what it makes of it.

mod crash;
mod damage;
mod evidence;
mod healthy;
mod real;
mod support;
mod tables;
mod trimmed;
mod unreadable;
