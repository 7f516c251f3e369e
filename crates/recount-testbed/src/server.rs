//! One server.

use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::process::{self, Process};
use crate::{Client, Flavor, Reply, port};

/// How often a server is started at another port before that counts as failed.
const ATTEMPTS: usize = 5;

/// A server on a port of its own, in a directory of its own. Persists nothing unless told to.
#[derive(Debug)]
pub struct Server {
    flavor: Flavor,
    port: u16,
    directory: PathBuf,
    args: Vec<String>,
    process: Option<Process>,
}

impl Server {
    /// Starts a server; `args` are configuration in the form `--name value`. Returns once it
    /// answers.
    pub fn start(flavor: Flavor, args: &[&str]) -> Self {
        Self::start_with(flavor, |_| args.iter().map(ToString::to_string).collect())
    }

    /// As [`Server::start`], with arguments that depend on the server's directory.
    pub fn start_with(flavor: Flavor, args: impl Fn(&Path) -> Vec<String>) -> Self {
        let mut words = String::new();
        for _ in 0..ATTEMPTS {
            let directory = process::directory();
            let mut server = Self {
                flavor,
                port: port::free(),
                args: args(&directory),
                directory,
                process: None,
            };
            match server.run() {
                Ok(()) => return server,
                Err(log) => words = log,
            }
            // Somebody may have taken the port meanwhile.
            if !words.contains("in use") {
                break;
            }
        }
        panic!("{flavor:?} does not start:\n{words}");
    }

    /// Starts a stopped server again: the same directory, port and arguments.
    pub fn restart(&mut self) {
        self.launch();
        let process = self.process.as_ref().expect("it was just launched");
        if let Err(log) = process.ready() {
            panic!("{:?} does not start again:\n{log}", self.flavor);
        }
    }

    /// As [`Server::restart`], but returns at once: the server may still be loading its data.
    pub fn launch(&mut self) {
        assert!(self.process.is_none(), "the server still runs");
        self.process = Some(Process::start(
            &self.flavor.program(),
            &self.arguments(),
            &self.directory,
        ));
    }

    fn run(&mut self) -> Result<(), String> {
        self.launch();
        self.process.as_ref().map_or(Ok(()), Process::ready)
    }

    fn arguments(&self) -> Vec<String> {
        let port = self.port.to_string();
        let directory = self.directory.display().to_string();
        let mut arguments: Vec<String> = Vec::new();
        // A configuration file comes first, if there is one.
        let mut own = self.args.iter().peekable();
        if let Some(file) = own.next_if(|first| !first.starts_with("--")) {
            arguments.push(file.clone());
        }
        let common = ["--bind", "127.0.0.1", "--port", &port, "--dir", &directory];
        arguments.extend(common.map(str::to_owned));
        arguments.extend(["--save", "", "--appendonly", "no"].map(str::to_owned));
        // A replica need not wait for others that may come.
        arguments.extend(["--repl-diskless-sync-delay", "0"].map(str::to_owned));
        arguments.extend(own.cloned());
        arguments
    }

    /// Kills the server as a crash would; what it did not write is lost. Returns once it is gone.
    pub fn kill(&mut self) {
        self.process.take().expect("the server runs").kill();
    }

    /// Whether it was not killed.
    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Stops the server in its tracks: its connections stay, nothing is answered.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a paused server go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let process = self.process.as_ref().expect("the server runs");
        process.signal(signal);
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Where it keeps its files.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A connection to it.
    pub fn client(&self) -> Client {
        Client::connect(self.port).expect("the server accepts a connection")
    }

    /// One command, over a connection of its own.
    pub fn command(&self, words: &[&str]) -> Reply {
        self.client().command(words)
    }

    /// A field of `INFO`; none where there is no such field, or the server does not say.
    pub fn info(&self, field: &str) -> Option<String> {
        let answer = self.command(&["INFO", "all"]);
        if answer.error().is_some() {
            return None;
        }
        let text = answer.text();
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        lines
            .find(|(name, _)| *name == field)
            .map(|(_, value)| value.trim().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process = None;
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
