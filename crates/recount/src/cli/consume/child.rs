//! Running commands: each in a process group of its own, so that Ctrl-C in a terminal reaches only us, and
//! what a command started ends with it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::process::{Child, Command};

use crate::cli::error::{Failure, Result};

/// What is to be run.
pub(in crate::cli) struct Program {
    name: OsString,
    args: Vec<OsString>,
}

impl Program {
    /// Refuses what is not there before any event is spent on it.
    pub(in crate::cli) fn new(words: Vec<OsString>) -> Result<Self> {
        let mut words = words.into_iter();
        let Some(name) = words.next() else {
            return Err(Failure::usage("no command is given"));
        };
        if !is_there(Path::new(&name)) {
            return Err(Failure::usage(format!(
                "there is no command {}",
                Path::new(&name).display()
            ))
            .hint("a shell's words need a shell: -- sh -c '...'"));
        }
        Ok(Self {
            name,
            args: words.collect(),
        })
    }

    /// Not started yet.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.name);
        command.args(&self.args).kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        command
    }

    /// Why it could not be started.
    pub(super) fn not_started(&self, error: &io::Error) -> String {
        format!("starting {}: {error}", Path::new(&self.name).display())
    }
}

/// Whether the system would find it.
#[cfg(unix)]
fn is_there(name: &Path) -> bool {
    use rustix::fs::{Access, access};

    let runs = |path: PathBuf| path.is_file() && access(&path, Access::EXEC_OK).is_ok();
    if name.components().count() != 1 || name.has_root() || name.starts_with(".") {
        return runs(name.to_owned());
    }
    let Some(path) = std::env::var_os("PATH") else {
        return true;
    };
    std::env::split_paths(&path).any(|folder| runs(folder.join(name)))
}

/// Elsewhere names are looked up in ways of their own.
#[cfg(not(unix))]
fn is_there(_: &Path) -> bool {
    true
}

/// The process groups of commands that run.
static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

fn running() -> MutexGuard<'static, BTreeSet<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills every command that runs, for a process that is about to end at once.
pub(crate) fn end_all() {
    for &leader in running().iter() {
        kill_group(leader);
    }
}

/// A command that runs. Dropping it kills it, with what it started.
pub(super) struct Running {
    pub(super) child: Child,
    leader: Option<u32>,
}

impl Running {
    pub(super) fn start(command: &mut Command) -> io::Result<Self> {
        let child = command.spawn()?;
        let leader = child.id();
        running().extend(leader);
        Ok(Self { child, leader })
    }

    /// Waits for its end. What it started may go on.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.forget();
        Ok(status)
    }

    pub(super) fn kill(&mut self) {
        if let Some(leader) = self.leader {
            kill_group(leader);
        }
    }

    fn forget(&mut self) {
        if let Some(leader) = self.leader.take() {
            running().remove(&leader);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        self.forget();
    }
}

#[cfg(unix)]
fn kill_group(leader: u32) {
    use rustix::process::{Pid, Signal, kill_process_group};

    let leader = i32::try_from(leader).ok().and_then(Pid::from_raw);
    if let Some(leader) = leader {
        // It may have ended by itself.
        let _ = kill_process_group(leader, Signal::KILL);
    }
}

/// Elsewhere the command alone is killed, when it is dropped.
#[cfg(not(unix))]
fn kill_group(_: u32) {}

/// How it ended, in words.
pub(super) fn words(status: ExitStatus) -> String {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt as _;

        if let Some(signal) = status.signal() {
            return format!("was ended by signal {signal}");
        }
    }
    match status.code() {
        Some(code) => format!("ended with exit code {code}"),
        None => "ended".to_owned(),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_refused() {
        for there in ["sh", "/bin/sh"] {
            assert!(Program::new(vec![there.into()]).is_ok(), "{there}");
        }
        for missing in ["no-such-command", "./sh", "/bin", "/etc/passwd", ""] {
            assert!(Program::new(vec![missing.into()]).is_err(), "{missing}");
        }
        assert!(Program::new(Vec::new()).is_err());
    }

    #[tokio::test]
    async fn a_command_that_is_dropped_ends_with_what_it_started() {
        let script = "sleep 1000 & echo $!; wait";
        let program = Program::new(["sh", "-c", script].map(Into::into).to_vec()).unwrap();
        let mut command = program.command();
        let mut running = Running::start(command.stdout(std::process::Stdio::piped())).unwrap();
        let out = running.child.stdout.take().unwrap();
        let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(out));
        assert!(lines.next_line().await.unwrap().is_some());
        drop(running);
        // Both held the pipe's other end.
        assert_eq!(lines.next_line().await.unwrap(), None);
    }
}
