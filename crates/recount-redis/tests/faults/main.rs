//! What goes wrong around a server, and what the engine makes of it.

mod access;
mod close;
mod cluster;
mod crash;
mod cuts;
mod durability;
mod kit;
mod outage;
mod python;
mod refusals;
mod sentinel;
