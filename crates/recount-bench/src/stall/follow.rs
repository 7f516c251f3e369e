//! Following a log, in a process of its own.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;

use clap::Args;
use recount::{EntryId, StartFrom};
use tokio::sync::oneshot;

use crate::{Failure, ours, process};

/// What a follower prints once it follows.
const READY: &str = "following";

/// The arguments of a follower.
#[derive(Args)]
pub struct Run {
    #[arg(long)]
    dir: PathBuf,
}

/// Follows a log from its end on until standard input ends, catches up with what is there by then, and
/// prints how many events it saw.
pub fn run(run: &Run) -> Result<(), Failure> {
    let seen = process::runtime()?.block_on(seen(&run.dir))?;
    println!("{seen}");
    Ok(())
}

async fn seen(dir: &Path) -> Result<u64, Failure> {
    let recount = ours::handle(dir, true).await?;
    let mut tail = recount.tail(StartFrom::End).await?;
    println!("{READY}");
    let (ended, mut end) = oneshot::channel();
    thread::spawn(move || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        let _ = ended.send(());
    });
    let (mut seen, mut last) = (0, EntryId::MIN);
    loop {
        tokio::select! {
            biased;
            _ = &mut end => break,
            recorded = tail.next() => {
                last = recorded?.position.entry_id;
                seen += 1;
            }
        }
    }
    let end = recount.log().tail().await?.get(0);
    while last < end {
        last = tail.next().await?.position.entry_id;
        seen += 1;
    }
    Ok(seen)
}

/// A follower that runs beside this process; killed when dropped before it has finished.
pub struct Follower {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Follower {
    /// Starts one and waits until it follows.
    pub fn start(dir: &Path) -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("follow")
            .arg("--dir")
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let mut follower = Self { child, out };
        match follower.line()?.as_str() {
            READY => Ok(follower),
            _ => Err(io::Error::other("the follower does not start: see above")),
        }
    }

    /// Lets it catch up and end; how many events it saw.
    pub fn finish(mut self) -> io::Result<u64> {
        drop(self.child.stdin.take());
        self.line()?
            .parse()
            .map_err(|_| io::Error::other("the follower failed: see above"))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.out.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone after the wait.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
