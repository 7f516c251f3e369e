//! Free ports.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// The lowest port handed out.
const FIRST: u32 = 11_000;
/// How many there are. With [`BUS`] added they still lie below those that the system gives to
/// outgoing connections: a stopped server finds its port free when it starts again.
const COUNT: u32 = 10_000;
/// How far a Cluster node's second port lies above its first.
const BUS: u16 = 10_000;

/// A port that nobody listens on, nor on the port of a Cluster's bus that belongs to it. Given out once
/// in this process; another process may yet take it: who starts a server tries again then.
pub fn free() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Processes begin at different places, so that they rarely meet.
    let begin = std::process::id().wrapping_mul(7_919);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = (FIRST + begin.wrapping_add(step) % COUNT) as u16;
        if is_free(port) && is_free(port + BUS) {
            return port;
        }
    }
    panic!("no port between {FIRST} and {} is free", FIRST + COUNT);
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
