//! Replays with a name: how far each came, kept in a directory between runs.
//!
//! A file a replay, replaced as a whole after each batch that was delivered: whatever ends the process, at most the
//! last batch is delivered again. Whoever runs a replay holds the lock of its name.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use recount::Timestamp;

use super::kept::{Kept, load, reading};
use crate::cli::error::{Failure, Result};

/// The directory that they are kept in.
pub(super) struct Names(PathBuf);

/// A replay that this process runs, or forgets.
pub(super) struct Named {
    name: String,
    path: PathBuf,
    /// Held until this is dropped.
    _lock: File,
}

impl Names {
    /// In `dir`, else where such things are kept on this machine.
    pub(super) fn new(dir: Option<PathBuf>) -> Result<Self> {
        if let Some(dir) = dir {
            return Ok(Self(dir));
        }
        for (name, below) in [("XDG_STATE_HOME", ""), ("HOME", ".local/state")] {
            // A relative one is to be ignored, says the convention.
            let folder = std::env::var_os(name).map(PathBuf::from);
            if let Some(folder) = folder.filter(|folder| folder.is_absolute()) {
                return Ok(Self(folder.join(below).join("recount/replays")));
            }
        }
        Err(
            Failure::usage("there is no directory to keep named replays in")
                .hint("--state-dir DIR names one, as do XDG_STATE_HOME and HOME"),
        )
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.json"))
    }

    /// The replay of this name, for this process alone, and what is kept of it.
    pub(super) fn open(&self, name: &str) -> Result<(Named, Option<Kept>)> {
        let named = self.lock(name)?;
        let kept = load(&named.path)?;
        Ok((named, kept))
    }

    fn lock(&self, name: &str) -> Result<Named> {
        let trouble = |error: io::Error| {
            Failure::new(format!(
                "keeping replay {name} in {}: {error}",
                self.0.display()
            ))
            .hint("--state-dir DIR names another directory")
        };
        fs::create_dir_all(&self.0).map_err(trouble)?;
        // Not removed again: whoever opened it meanwhile would lock a file that nobody else sees.
        let path = self.0.join(format!("{name}.lock"));
        let mut options = File::options();
        options.create(true).read(true).write(true).truncate(false);
        let mut lock = options.open(path).map_err(trouble)?;
        if !is_locked(&lock).map_err(trouble)? {
            let mut pid = String::new();
            let _ = lock.read_to_string(&mut pid);
            let by = match pid.trim() {
                "" => "another process".to_owned(),
                pid => format!("process {pid}"),
            };
            return Err(Failure::new(format!("replay {name} is being run by {by}"))
                .hint("recount replay --list lists the replays that have a name"));
        }
        // For people: the lock holds without it.
        let _ = lock
            .set_len(0)
            .and_then(|()| write!(lock, "{}", std::process::id()));
        Ok(Named {
            name: name.to_owned(),
            path: self.path(name),
            _lock: lock,
        })
    }

    /// All of them by name, and whether each is being run.
    pub(super) fn list(&self) -> Result<Vec<(String, Kept, bool)>> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(reading(&self.0, &error)),
        };
        let mut all = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| reading(&self.0, &error))?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(name) = name.and_then(|name| name.strip_suffix(".json")) else {
                continue;
            };
            let lock = File::open(self.0.join(format!("{name}.lock")));
            let running = lock
                .is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)));
            // It may have been forgotten meanwhile.
            if let Some(kept) = load(&path)? {
                all.push((name.to_owned(), kept, running));
            }
        }
        all.sort_by(|(name, ..), (other, ..)| name.cmp(other));
        Ok(all)
    }

    /// Forgets how far the replay came. Whether there was one.
    pub(super) fn forget(&self, name: &str) -> Result<bool> {
        if !self.path(name).exists() {
            return Ok(false);
        }
        // What is damaged is forgotten, too.
        let named = self.lock(name)?;
        match fs::remove_file(&named.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Failure::new(format!(
                "removing {}: {error}",
                named.path.display()
            ))),
            Ok(()) => Ok(true),
        }
    }
}

impl Named {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Keeps it, so that no crash loses it or leaves half of it.
    pub(super) fn keep(&self, kept: &mut Kept) -> Result {
        kept.changed = Timestamp::now().to_string();
        self.replace(kept).map_err(|error| {
            Failure::new(format!(
                "keeping how far replay {} is, in {}: {error}",
                self.name,
                self.path.display()
            ))
            .hint("what was delivered since it was kept last is delivered again when it goes on")
        })
    }

    fn replace(&self, kept: &Kept) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(kept)?;
        let beside = self.path.with_extension("new");
        let mut file = File::create(&beside)?;
        file.write_all(&text)?;
        file.sync_data()?;
        fs::rename(&beside, &self.path)?;
        match self.path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

/// Locks it, unless another process has: one that only lists them has it for a moment.
fn is_locked(lock: &File) -> io::Result<bool> {
    const TRIES: usize = 5;
    const PAUSE: Duration = Duration::from_millis(10);
    for tried in 1..=TRIES {
        match lock.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if tried < TRIES => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => {}
        }
    }
    Ok(false)
}

/// A name that a file can have anywhere.
pub(super) fn name(text: &str) -> Result<String, String> {
    const LENGTH_MAX: usize = 64;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if text.is_empty()
        || text.len() > LENGTH_MAX
        || text.starts_with(['.', '-'])
        || !text.bytes().all(plain)
    {
        return Err(format!(
            "a name is 1 to {LENGTH_MAX} letters, digits, -, _ and ., and begins with neither - nor ."
        ));
    }
    Ok(text.to_owned())
}
