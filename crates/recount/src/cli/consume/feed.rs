//! One command that runs all the time, and is started again whenever it ends.

mod answer;
mod life;
mod turns;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use recount::{Handler, HandlerError, Message, json};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use self::life::{Fate, Life, Request, Restart, start};
use self::turns::Turns;
use super::child::{Program, Running};
use crate::cli::error::{Failure, Result};
use crate::cli::settings::warn;

/// Feeds a command.
pub(super) struct Feed {
    /// To whoever keeps the command; none once it is to end.
    requests: Mutex<Option<mpsc::Sender<Request>>>,
    ending: watch::Sender<bool>,
    keeper: Mutex<Option<JoinHandle<()>>>,
    turns: Turns,
}

impl Feed {
    /// Starts the command. A blind one acknowledges nothing itself.
    pub(super) fn start(program: Program, blind: bool) -> Result<Arc<Self>> {
        let first = start(&program, blind);
        let first = first.map_err(|error| Failure::new(program.not_started(&error)))?;
        let (requests, receiver) = mpsc::channel(1);
        let (ending, told) = watch::channel(false);
        let keeper = Keeper {
            program,
            blind,
            requests: receiver,
            ending: told,
        };
        Ok(Arc::new(Self {
            requests: Mutex::new(Some(requests)),
            ending,
            keeper: Mutex::new(Some(tokio::spawn(keeper.keep(first)))),
            turns: Turns::default(),
        }))
    }

    /// Closes the command's input and waits for its end. Nothing is to be handled any more.
    pub(super) async fn end(&self) {
        lock(&self.requests).take();
        self.ending.send_replace(true);
        let keeper = lock(&self.keeper).take();
        if let Some(keeper) = keeper {
            // It says itself what happened.
            let _ = keeper.await;
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Handler for Feed {
    async fn handle(&self, message: &Message) -> Result<(), HandlerError> {
        const ENDED: &str = "the command had ended before the event was written to it";
        let key = match message.event() {
            Some(event) => event.id.to_string(),
            None => message.position.to_string(),
        };
        let _turn = self.turns.take(message.position, &key).await;
        let requests = lock(&self.requests).clone();
        let Some(requests) = requests else {
            return Err(HandlerError::Retry(ENDED.to_owned()));
        };
        let (done, fate) = oneshot::channel();
        let line = json::line(&message.entry) + "\n";
        if requests.send(Request { key, line, done }).await.is_err() {
            return Err(HandlerError::Retry(ENDED.to_owned()));
        }
        let fate = fate.await;
        match fate.unwrap_or_else(|_| Fate::Died(ENDED.to_owned())) {
            Fate::Answered(answer) => {
                self.turns.clear(message.position);
                answer.map_err(HandlerError::Retry)
            }
            Fate::Died(error) => {
                self.turns.suspect(message.position);
                Err(HandlerError::Retry(error))
            }
        }
    }
}

/// Keeps the command going.
struct Keeper {
    program: Program,
    blind: bool,
    requests: mpsc::Receiver<Request>,
    ending: watch::Receiver<bool>,
}

impl Keeper {
    async fn keep(mut self, first: Running) {
        let mut running = first;
        let mut pause = Pause::default();
        loop {
            let life = Life::new(running, self.blind);
            let Some(Restart { told, useful }) = life.run(&mut self.requests).await else {
                return;
            };
            warn(format_args!("the command {told}: starting it again"));
            if useful {
                pause = Pause::default();
            }
            running = loop {
                if self.ends_within(pause.next()).await {
                    return;
                }
                match start(&self.program, self.blind) {
                    Ok(running) => break running,
                    Err(error) => warn(format_args!(
                        "{}; trying again",
                        self.program.not_started(&error)
                    )),
                }
            };
        }
    }

    /// Waits, unless the end comes first.
    async fn ends_within(&mut self, pause: Duration) -> bool {
        let ending = self.ending.wait_for(|ending| *ending);
        tokio::time::timeout(pause, ending).await.is_ok()
    }
}

/// How long to wait before the command is started again: longer each time, until it did something.
struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(Duration::from_millis(100))
    }
}

impl Pause {
    fn next(&mut self) -> Duration {
        const MAX: Duration = Duration::from_secs(10);
        let pause = self.0;
        self.0 = (pause * 2).min(MAX);
        pause
    }
}
