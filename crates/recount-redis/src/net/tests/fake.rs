//! A server that says what it is told to.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// What it answers to a command, a line of RESP or several with spaces between; nothing closes the connection.
type Answer = dyn Fn(&str) -> Option<String> + Send + Sync;

pub struct Fake {
    port: u16,
    state: Arc<State>,
}

struct State {
    answer: Box<Answer>,
    connections: AtomicUsize,
    seen: Mutex<Vec<String>>,
    stopped: AtomicBool,
}

impl Fake {
    /// Starts one. PING is answered as usual, and not recorded.
    pub fn start(answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        Self::start_at(listener, answer)
    }

    /// Starts one where somebody listens already.
    pub fn start_at(
        listener: TcpListener,
        answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            answer: Box::new(answer),
            connections: AtomicUsize::new(0),
            seen: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let (stream, state) = (stream.unwrap(), shared.clone());
                // An end of the connection ends the thread.
                thread::spawn(move || state.serve(&stream));
            }
        });
        Self { port, state }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The commands so far.
    pub fn seen(&self) -> Vec<String> {
        self.state.seen.lock().unwrap().clone()
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl State {
    fn serve(&self, mut stream: &TcpStream) -> io::Result<()> {
        let mut input = BufReader::new(stream.try_clone()?);
        loop {
            let command = read(&mut input)?;
            let answer = if command == "PING" {
                Some("+PONG".to_owned())
            } else {
                self.seen.lock().unwrap().push(command.clone());
                (self.answer)(&command)
            };
            let Some(answer) = answer else {
                return stream.shutdown(std::net::Shutdown::Both);
            };
            stream.write_all(format!("{answer}\r\n").as_bytes())?;
        }
    }
}

/// The words of one command.
fn read(input: &mut impl BufRead) -> io::Result<String> {
    let mut words = Vec::new();
    for _ in 0..number(input)? {
        let mut word = vec![0; number(input)? + 2];
        input.read_exact(&mut word)?;
        word.truncate(word.len() - 2);
        words.push(String::from_utf8(word).unwrap());
    }
    Ok(words.join(" "))
}

/// The number of a line like `*3` or `$5`.
fn number(input: &mut impl BufRead) -> io::Result<usize> {
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line[1..].trim().parse().unwrap())
}
