//! What goes wrong around a server, and what the engine makes of it.

mod access;
mod close;
mod cluster;
mod crash;
mod cuts;
mod durability;
mod floor;
mod groups;
mod kit;
mod outage;
mod partitions;
mod python;
mod refusals;
mod sentinel;
mod several;
