//! A fed command from its start to its end.

use std::collections::HashMap;
use std::io;
use std::pin::pin;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::answer::{Answer, Lines};
use super::lock;
use crate::cli::consume::child::{Program, Running, words};
use crate::cli::output::{fit, one_line};
use crate::cli::settings::warn;

/// An event for the command.
pub(super) struct Request {
    /// What its answer names it by.
    pub(super) key: String,
    /// The line that is written.
    pub(super) line: String,
    /// Who waits for what becomes of it.
    pub(super) done: oneshot::Sender<Fate>,
}

/// What became of an event.
pub(super) enum Fate {
    Answered(Result<(), String>),
    /// The command ended before, in these words.
    Died(String),
}

/// The command is to be started again.
pub(super) struct Restart {
    /// How it ended.
    pub(super) told: String,
    /// Whether it did anything before.
    pub(super) useful: bool,
}

/// How long a command may take to finish once there is nothing more for it.
const FINISH: Duration = Duration::from_secs(30);
/// How long one may take to end that does no good any more, or what it left running to close its output.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// A blind command that lived for so long was of use.
const LIFE_MIN: Duration = Duration::from_secs(10);

/// Starts the command. A blind one has our output.
pub(super) fn start(program: &Program, blind: bool) -> io::Result<Running> {
    let mut command = program.command();
    command.stdin(Stdio::piped());
    if !blind {
        command.stdout(Stdio::piped());
    }
    Running::start(&mut command)
}

pub(super) struct Life {
    running: Running,
    blind: bool,
    since: Instant,
    waiting: Waiting,
}

/// The events that are with the command, by what their answers name them by.
#[derive(Default)]
struct Waiting {
    by_key: Mutex<HashMap<String, oneshot::Sender<Fate>>>,
    answered: Mutex<u64>,
}

/// Why nothing more is written to the command.
enum Written {
    /// There will be no more.
    All,
    /// It does not read any more.
    Refused,
}

impl Life {
    pub(super) fn new(running: Running, blind: bool) -> Self {
        Self {
            running,
            blind,
            since: Instant::now(),
            waiting: Waiting::default(),
        }
    }

    /// Feeds the command until it ends; returns nothing once there is nothing more to feed it and it has
    /// ended, rightly.
    pub(super) async fn run(mut self, requests: &mut mpsc::Receiver<Request>) -> Option<Restart> {
        let Self {
            running,
            blind,
            since,
            waiting,
        } = &mut self;
        let waiting = &*waiting;
        let stdin = running.child.stdin.take();
        let stdout = running.child.stdout.take();
        let mut listening = stdout.is_some();
        let mut over = false;
        let status = {
            let mut reading = pin!(waiting.listen(stdout));
            let ended = tokio::select! {
                status = running.wait() => Some(status),
                written = waiting.write(stdin, requests, *blind) => {
                    over = matches!(written, Written::All);
                    None
                }
                () = &mut reading, if listening => {
                    // It cannot answer any more.
                    listening = false;
                    None
                }
            };
            let ending = async {
                if let Some(status) = ended {
                    return status;
                }
                loop {
                    tokio::select! {
                        status = running.wait() => return status,
                        () = &mut reading, if listening => listening = false,
                    }
                }
            };
            // What is not answered by now was waited for long enough.
            let patience = if over && lock(&waiting.by_key).is_empty() {
                FINISH
            } else {
                LAST_WORDS
            };
            let ended = timeout(patience, ending).await;
            if listening && ended.is_ok() {
                // What it had answered before its end counts.
                let _ = timeout(LAST_WORDS, reading).await;
            }
            match ended {
                Ok(status) => status,
                Err(_) => {
                    running.kill();
                    running.wait().await
                }
            }
        };
        let told = match status {
            Ok(status) if over && status.success() => return None,
            Ok(status) => words(status),
            Err(error) => format!("could not be waited for ({error})"),
        };
        waiting.died(&told);
        if over {
            warn(format_args!("at its end the command {told}"));
            return None;
        }
        let answered = *lock(&waiting.answered) > 0;
        Some(Restart {
            told,
            useful: answered || since.elapsed() >= LIFE_MIN,
        })
    }
}

impl Waiting {
    /// Writes events until there are no more or the command refuses them. Its input is closed then.
    async fn write(
        &self,
        stdin: Option<ChildStdin>,
        requests: &mut mpsc::Receiver<Request>,
        blind: bool,
    ) -> Written {
        let Some(mut stdin) = stdin else {
            return Written::Refused;
        };
        while let Some(Request { key, line, done }) = requests.recv().await {
            let done = if blind {
                Some(done)
            } else {
                lock(&self.by_key).insert(key, done);
                None
            };
            // Whoever waits for a blind one is told by the drop of `done`.
            if stdin.write_all(line.as_bytes()).await.is_err() {
                return Written::Refused;
            }
            if let Some(done) = done {
                let _ = done.send(Fate::Answered(Ok(())));
            }
        }
        Written::All
    }

    /// Takes answers until the command closes its output; for ever where there are none.
    async fn listen(&self, stdout: Option<ChildStdout>) {
        let Some(stdout) = stdout else {
            return std::future::pending().await;
        };
        let mut lines = Lines::new(stdout);
        let mut told = false;
        while let Some(line) = lines.next().await {
            if line.trim_ascii().is_empty() {
                continue;
            }
            if !self.take(&line) && !std::mem::replace(&mut told, true) {
                let line = String::from_utf8_lossy(&line);
                warn(format_args!(
                    "the command wrote what answers no event it has, and is passed over, as all that is \
                     like it: {}; an answer is {{\"id\": ID, \"ok\": true}}, with the event's \"id\", not its entry's",
                    fit(&one_line(&line), 200)
                ));
            }
        }
    }

    /// Whether the line answers an event that is with the command.
    fn take(&self, line: &[u8]) -> bool {
        let Some(answer) = Answer::read(line) else {
            return false;
        };
        let Some(done) = lock(&self.by_key).remove(&answer.id) else {
            return false;
        };
        *lock(&self.answered) += 1;
        // At the end nobody may wait any more.
        let _ = done.send(Fate::Answered(answer.outcome()));
        true
    }

    fn died(&self, told: &str) {
        for (_, done) in lock(&self.by_key).drain() {
            let _ = done.send(Fate::Died(format!("the command {told} before it answered")));
        }
    }
}
