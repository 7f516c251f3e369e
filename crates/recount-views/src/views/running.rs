//! Views that are kept up to date in the background.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{ViewError, Views};
use crate::projection::Finding;
use crate::runner::keep;

/// What is going on with a view that is kept up to date here.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Upkeep {
    /// Another process maintains it; should that one end, this one takes over.
    Elsewhere,
    /// It takes in what the log holds.
    CatchingUp,
    /// It came to the log's end, and goes on as the log grows.
    Live,
    /// It stands still at an entry, until it is built anew.
    Stopped(Finding),
    /// It failed, and is tried again.
    Failing(ViewError),
    /// It was told to stop, and has.
    Ended,
}

/// Views that are kept up to date, until [`RunningViews::stop`]; dropping it stops them too, without waiting.
pub struct RunningViews {
    stop: watch::Sender<bool>,
    running: Vec<Running>,
}

struct Running {
    name: String,
    task: JoinHandle<()>,
    upkeep: watch::Receiver<Upkeep>,
}

impl Views {
    /// Keeps views up to date in the background: catches up, and then goes on as the log grows.
    pub fn start(&self, names: &[&str]) -> Result<RunningViews, ViewError> {
        let (stop, stopped) = watch::channel(false);
        let entries: Result<Vec<_>, _> = names.iter().map(|name| self.entry(name)).collect();
        let running = entries?.into_iter().map(|entry| {
            let name = entry.kind.name().to_owned();
            let (say, upkeep) = watch::channel(Upkeep::CatchingUp);
            let task = tokio::spawn(keep(
                self.0.source.clone(),
                Arc::clone(&entry.kind),
                self.dir_of(&name),
                Arc::clone(&entry.signals),
                stopped.clone(),
                say,
            ));
            Running { name, task, upkeep }
        });
        Ok(RunningViews {
            running: running.collect(),
            stop,
        })
    }
}

impl RunningViews {
    /// What is going on with a view; none for one that is not kept up to date here.
    pub fn upkeep(&self, name: &str) -> Option<watch::Receiver<Upkeep>> {
        let mut running = self.running.iter();
        let running = running.find(|running| running.name == name)?;
        Some(running.upkeep.clone())
    }

    /// Lets every view finish and commit what it took in, and lets go of their locks.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        for running in self.running {
            let _ = running.task.await;
        }
    }
}

impl std::fmt::Debug for RunningViews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let running = self.running.iter();
        let views = running.map(|running| (&running.name, running.upkeep.borrow().clone()));
        f.debug_map().entries(views).finish()
    }
}
