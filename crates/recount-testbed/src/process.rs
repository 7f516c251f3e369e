//! A server's process, which never outlives the test's.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Starts the program, after a shell said its pid, leaves the output to it alone, and waits: for a line, then it
/// kills the program; or for the end of the pipe, which the system closes even when the test is killed, then
/// it takes the directory away as well.
const KEEPER: &str = r#"
dir=$1; shift
sh -c 'echo "$$"; exec "$@"' sh "$@" </dev/null 2>&1 & pid=$!
exec >&-
read -r line; keep=$?
kill -9 "$pid" 2>/dev/null
wait "$pid" 2>/dev/null
[ "$keep" -eq 0 ] || rm -rf -- "$dir"
"#;

/// What servers print once they answer.
const READY: [&str; 2] = ["Ready to accept connections", "Sentinel ID is"];

/// How many of a server's last lines are kept for messages.
const LOG_LINES: usize = 40;

/// Longer than any server takes to start.
const PATIENCE: Duration = Duration::from_mins(1);

type Log = Arc<Mutex<VecDeque<String>>>;

/// A program that runs in a directory of its own.
#[derive(Debug)]
pub struct Process {
    keeper: Child,
    line: Option<ChildStdin>,
    pid: Pid,
    news: Mutex<mpsc::Receiver<()>>,
    log: Log,
}

impl Process {
    /// Starts a program and waits until it has a pid.
    pub fn start(program: &Path, args: &[String], directory: &Path) -> Self {
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .arg(directory)
            .arg(program)
            .args(args)
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C reaches the test, and the server through it.
            .process_group(0)
            .spawn()
            .expect("a shell starts");
        let mut output = BufReader::new(keeper.stdout.take().expect("it is a pipe"));
        let pid = first_line(&mut output);
        let log = Log::default();
        let (tell, news) = mpsc::channel();
        let lines = Arc::clone(&log);
        thread::spawn(move || follow(output, &tell, &lines));
        Self {
            line: keeper.stdin.take(),
            keeper,
            pid,
            news: Mutex::new(news),
            log,
        }
    }

    /// Waits until the server answers. If it ended instead, its last words.
    pub fn ready(&self) -> Result<(), String> {
        let news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        match news.recv_timeout(PATIENCE) {
            Ok(()) => Ok(()),
            Err(_) => Err(self.log()),
        }
    }

    /// What it printed last.
    pub fn log(&self) -> String {
        let lines = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        Vec::from(lines.clone()).join("\n")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).expect("the server runs");
    }

    /// Kills it and leaves its directory. Returns once it is gone and its port is free.
    pub fn kill(mut self) {
        if let Some(mut line) = self.line.take() {
            line.write_all(b"kill\n").expect("the keeper listens");
        }
        self.keeper.wait().expect("the keeper ends");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Either way it is killed; unless `kill` said so, its directory goes with it.
        self.line = None;
        let _ = self.keeper.wait();
    }
}

fn first_line(output: &mut BufReader<ChildStdout>) -> Pid {
    let mut line = String::new();
    output.read_line(&mut line).expect("the shell's words");
    let pid = line.trim().parse().expect("a pid");
    Pid::from_raw(pid).expect("a pid is not 0")
}

/// Reads what the server prints for as long as it runs.
fn follow(output: BufReader<ChildStdout>, tell: &mpsc::Sender<()>, log: &Log) {
    for line in output.split(b'\n') {
        let Ok(line) = line else { return };
        let line = String::from_utf8_lossy(&line).into_owned();
        let is_ready = READY.iter().any(|words| line.contains(words));
        let mut lines = log.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LOG_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
        drop(lines);
        if is_ready {
            let _ = tell.send(());
        }
    }
}

/// A fresh directory, which is its user's to remove.
pub fn directory() -> PathBuf {
    tempfile::Builder::new()
        .prefix("recount-testbed-")
        .tempdir()
        .expect("a temporary directory")
        .keep()
}
