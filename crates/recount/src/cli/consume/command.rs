//! A command for every event.

use std::io::{self, ErrorKind};
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use recount::{Handler, HandlerError, Message, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::ChildStdin;
use tokio::sync::watch;

use super::child::{Program, Running, words};
use super::said::Said;
use crate::cli::error::Failure;

/// Runs a command for each event.
pub(super) struct Commands {
    program: Program,
    /// Why it cannot be started any more.
    broken: watch::Sender<Option<String>>,
}

/// How long what a command left running may still talk, after the command itself has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl Commands {
    pub(super) fn new(program: Program) -> Self {
        Self {
            program,
            broken: watch::Sender::new(None),
        }
    }

    /// Returns once the command cannot be started any more.
    pub(super) async fn broken(&self) -> Failure {
        let mut broken = self.broken.subscribe();
        match broken.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(message)) => Failure::new(message.clone()),
            _ => std::future::pending().await,
        }
    }

    /// Starts the command. That the system has no room for it just now is not the event's fault, and waited for.
    async fn start(&self, message: &Message) -> Result<Running, HandlerError> {
        const PAUSE_MAX: Duration = Duration::from_secs(5);
        let mut pause = Duration::from_millis(100);
        loop {
            let mut command = self.program.command();
            command.envs(variables(message));
            command.stdin(Stdio::piped()).stderr(Stdio::piped());
            let error = match Running::start(&mut command) {
                Ok(running) => return Ok(running),
                Err(error) => error,
            };
            if !is_for_now(&error) {
                let told = self.program.not_started(&error);
                self.broken.send_replace(Some(told.clone()));
                return Err(HandlerError::Retry(told));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
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

#[async_trait]
impl Handler for Commands {
    async fn handle(&self, message: &Message) -> Result<(), HandlerError> {
        let mut running = self.start(message).await?;
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
                tokio::join!(tell(stdin, message), listening);
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
                Err(HandlerError::Retry(said.last().unwrap_or_else(|| {
                    format!("the command {}", words(status))
                })))
            }
            Err(error) => Err(HandlerError::Retry(format!(
                "waiting for the command: {error}"
            ))),
        }
    }
}

/// Writes the event. A command need not read it.
async fn tell(stdin: Option<ChildStdin>, message: &Message) {
    if let Some(mut stdin) = stdin {
        let line = json::line(&message.entry) + "\n";
        let _ = stdin.write_all(line.as_bytes()).await;
    }
}

/// What a command is told besides the event.
fn variables(message: &Message) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("RECOUNT_ENTRY_ID", message.position.entry_id.to_string()),
        ("RECOUNT_PARTITION", message.position.partition.to_string()),
        ("RECOUNT_GROUP", message.group.to_string()),
        ("RECOUNT_CONSUMER", message.consumer.to_string()),
        ("RECOUNT_DELIVERY_COUNT", message.delivery_count.to_string()),
        ("RECOUNT_KEY", message.key()),
    ];
    if let Some(event) = message.event() {
        variables.extend([
            ("RECOUNT_EVENT_ID", event.id.to_string()),
            ("RECOUNT_EVENT_TYPE", event.event_type.to_string()),
            ("RECOUNT_SESSION_ID", event.session_id.clone()),
        ]);
    }
    let token = message.lease_token;
    variables.extend(token.map(|token| ("RECOUNT_LEASE_TOKEN", token.to_string())));
    variables
}
