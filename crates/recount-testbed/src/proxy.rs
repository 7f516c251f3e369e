//! A proxy that cuts connections.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Stands before a server and, while told so, cuts each connection after a random number of bytes, mostly in
/// the middle of an answer: the client cannot know what became of what it had asked for.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: u16,
    seed: u64,
    /// At most so many bytes of answers pass before a cut.
    bytes_max: u64,
    cutting: AtomicBool,
    closed: AtomicBool,
    connections: AtomicU64,
    cuts: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Starts a proxy before the server at `upstream`. Once it cuts, connections end after 1 to `bytes_max`
    /// bytes of answers, which `seed` decides.
    pub fn start(upstream: u16, seed: u64, bytes_max: u64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared {
            upstream,
            seed,
            bytes_max,
            cutting: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            cuts: AtomicU64::new(0),
            open: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accepting.accept(&listener));
        Self { port, shared }
    }

    /// `redis://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Cuts every connection that is open; new ones last as long as chance lets them.
    pub fn begin(&self) {
        self.shared.cutting.store(true, Ordering::Relaxed);
        self.cut();
    }

    /// Cuts every connection that is open; new ones pass unharmed.
    pub fn end(&self) {
        self.shared.cutting.store(false, Ordering::Relaxed);
        self.cut();
    }

    /// Cuts every connection that is open.
    pub fn cut(&self) {
        self.shared.cut();
    }

    /// How many connections ended by chance.
    pub fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        self.shared.cut();
    }
}

impl Shared {
    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.closed.load(Ordering::Relaxed) {
                return;
            }
            // Where the server is down, so is the proxy: the connection ends.
            let Ok(client) = client else { continue };
            let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.upstream)) else {
                continue;
            };
            let _ = self.serve(&client, &server);
        }
    }

    fn serve(self: &Arc<Self>, client: &TcpStream, server: &TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let number = self.connections.fetch_add(1, Ordering::Relaxed);
        let budget = if self.cutting.load(Ordering::Relaxed) {
            1 + mix(self.seed ^ mix(number)) % self.bytes_max
        } else {
            u64::MAX
        };
        self.remember(&[client, server])?;
        let (requests, to) = (client.try_clone()?, server.try_clone()?);
        thread::spawn(move || {
            pass(&requests, &to, u64::MAX);
            end(&requests, &to);
        });
        let (answers, back) = (server.try_clone()?, client.try_clone()?);
        let shared = Arc::clone(self);
        thread::spawn(move || {
            if pass(&answers, &back, budget) {
                shared.cuts.fetch_add(1, Ordering::Relaxed);
            }
            end(&answers, &back);
        });
        Ok(())
    }

    fn remember(&self, streams: &[&TcpStream]) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in streams {
            open.push(stream.try_clone()?);
        }
        Ok(())
    }

    fn cut(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Copies up to `budget` bytes. Whether so many came.
fn pass(mut from: &TcpStream, mut to: &TcpStream, mut budget: u64) -> bool {
    let mut buffer = [0; 16 << 10];
    while budget > 0 {
        let Ok(read @ 1..) = from.read(&mut buffer) else {
            break;
        };
        let allowed = usize::try_from(budget).map_or(read, |budget| read.min(budget));
        if to.write_all(&buffer[..allowed]).is_err() {
            break;
        }
        budget -= allowed as u64;
    }
    budget == 0
}

/// Ends both connections; what the other direction waits for ends with them.
fn end(one: &TcpStream, other: &TcpStream) {
    let _ = one.shutdown(Shutdown::Both);
    let _ = other.shutdown(Shutdown::Both);
}

/// Scatters a number over 64 bits.
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
