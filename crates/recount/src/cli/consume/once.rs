//! One run of a command, for one event.

use std::io::{self, ErrorKind};
use std::process::Stdio;
use std::time::Duration;

use recount::{Position, Recorded, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::ChildStdin;

use super::child::{Program, Running, words};
use super::said::Said;

/// How long what a command left running may still talk, after the command itself has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why a command has not handled an event.
pub(in crate::cli) enum Failed {
    /// It cannot be started, for this event or any other.
    NotStarted(String),
    /// It ended as one that failed, with these last words.
    Ended(String),
}

impl Failed {
    pub(in crate::cli) fn words(self) -> String {
        match self {
            Self::NotStarted(words) | Self::Ended(words) => words,
        }
    }
}

/// Runs the command with the event as a line on its standard input. Dropping the future kills it.
pub(in crate::cli) async fn once(
    program: &Program,
    entry: &Recorded,
    variables: Vec<(&'static str, String)>,
) -> Result<(), Failed> {
    let mut running = start(program, variables).await?;
    let stdin = running.child.stdin.take();
    let stderr = running.child.stderr.take();
    let mut said = Said::default();
    let status = {
        let talk = async {
            let listening = async {
                if let Some(stderr) = stderr {
                    said.listen(stderr).await;
                }
            };
            tokio::join!(tell(stdin, entry), listening);
        };
        tokio::pin!(talk);
        tokio::select! {
            status = running.wait() => {
                // It need not have read everything, and what it left running may hold its ends.
                let _ = tokio::time::timeout(LAST_WORDS, talk).await;
                status
            }
            () = &mut talk => running.wait().await,
        }
    };
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            Err(Failed::Ended(said.last().unwrap_or_else(|| {
                format!("the command {}", words(status))
            })))
        }
        Err(error) => Err(Failed::Ended(format!("waiting for the command: {error}"))),
    }
}

/// Starts the command. That the system has no room for it just now is not the event's fault, and waited for.
async fn start(
    program: &Program,
    variables: Vec<(&'static str, String)>,
) -> Result<Running, Failed> {
    const PAUSE_MAX: Duration = Duration::from_secs(5);
    let mut pause = Duration::from_millis(100);
    let mut command = program.command();
    command.envs(variables);
    command.stdin(Stdio::piped()).stderr(Stdio::piped());
    loop {
        let error = match Running::start(&mut command) {
            Ok(running) => return Ok(running),
            Err(error) => error,
        };
        if !is_for_now(&error) {
            return Err(Failed::NotStarted(program.not_started(&error)));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

fn is_for_now(error: &io::Error) -> bool {
    // Too many processes, too little memory, too many open files here or on the machine.
    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::OutOfMemory | ErrorKind::Interrupted
    ) || matches!(error.raw_os_error(), Some(EMFILE | ENFILE))
}

/// Writes the event. A command need not read it.
async fn tell(stdin: Option<ChildStdin>, entry: &Recorded) {
    if let Some(mut stdin) = stdin {
        let line = json::line(entry) + "\n";
        let _ = stdin.write_all(line.as_bytes()).await;
    }
}

/// What a command is told besides the event, whoever runs it.
pub(in crate::cli) fn told_of(position: Position, entry: &Recorded) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("RECOUNT_ENTRY_ID", position.entry_id.to_string()),
        ("RECOUNT_PARTITION", position.partition.to_string()),
    ];
    if let Some(event) = entry.event() {
        variables.extend([
            ("RECOUNT_EVENT_ID", event.id.to_string()),
            ("RECOUNT_EVENT_TYPE", event.event_type.to_string()),
            ("RECOUNT_SESSION_ID", event.session_id.clone()),
        ]);
    }
    variables
}
