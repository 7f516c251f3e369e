//! Servers for Recount's tests: each test starts its own and stops it.
//!
//! ```no_run
//! use recount_testbed::{Flavor, Server};
//!
//! let mut server = Server::start(Flavor::Redis70, &["--appendonly", "yes"]);
//! server.command(&["XADD", "s", "*", "field", "value"]);
//! server.kill();
//! server.restart();
//! ```
//!
//! Everything here blocks, and panics where it cannot do what it says: a test that has no server has
//! failed. A server ends when its value is dropped, and also when the test process is killed: a
//! shell stands between the two and ends the server once the test's end of a pipe closes.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod cluster;
mod flavor;
mod port;
mod process;
mod proxy;
mod resp;
mod sentinel;
mod server;
mod tls;
mod until;

pub use cluster::Cluster;
pub use flavor::{Flavor, python_packages};
pub use proxy::Proxy;
pub use resp::{Client, Reply};
pub use sentinel::Sentinel;
pub use server::Server;
pub use tls::Authority;
pub use until::until;
