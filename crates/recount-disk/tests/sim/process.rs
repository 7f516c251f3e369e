//! The writing process on the simulated disk.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use recount_disk::sim::{Moment, SimStorage};
use recount_disk::{Lock, Map, OpenHow, Storage, StorageFile};

/// The disk as one process sees it. The process can be killed while others go on reading, and it
/// can be refused what the simulated disk never refuses by itself.
#[derive(Clone)]
pub struct Process {
    disk: SimStorage,
    life: Arc<Mutex<Life>>,
}

/// Something that the system refuses once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    Create,
    Rename,
    Remove,
    List,
}

/// Locked during every operation, so that a kill falls between two of them.
#[derive(Default)]
struct Life {
    dead: bool,
    /// No scheduled kill happens for now.
    spared: bool,
    /// Operations to go until the process is killed, and when in the last one.
    kill: Option<(u64, Moment)>,
    /// What is refused, each after so many that succeed.
    refusals: Vec<(Refused, u64)>,
    /// What the process holds; the system releases it when the process ends.
    locks: Vec<(PathBuf, Box<dyn Lock>)>,
}

impl Process {
    pub fn start(disk: &SimStorage) -> Self {
        Self {
            disk: disk.clone(),
            life: Arc::default(),
        }
    }

    pub fn kill(&self) {
        self.life.lock().end();
    }

    pub fn is_dead(&self) -> bool {
        self.life.lock().dead
    }

    /// Kills the process at its `operation`-th operation from now on.
    pub fn kill_at(&self, operation: u64, moment: Moment) {
        self.life.lock().kill = Some((operation, moment));
    }

    /// Puts the scheduled kill off, or no longer: so that what is looked at twice stays the same.
    pub fn spare(&self, spared: bool) {
        self.life.lock().spared = spared;
    }

    /// Refuses the `nth` of a kind from now on.
    pub fn refuse(&self, what: Refused, nth: u64) {
        self.life.lock().refusals.push((what, nth));
    }

    /// Takes back what is scheduled.
    pub fn heal(&self) {
        let mut life = self.life.lock();
        life.kill = None;
        life.refusals.clear();
    }

    /// Does something that changes nothing.
    fn look<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let life = self.life.lock();
        if life.dead {
            return Err(gone());
        }
        work()
    }

    /// Does one operation; `work` is told how many of its bytes to write.
    fn operate<T>(&self, work: impl FnOnce(usize) -> io::Result<T>) -> io::Result<T> {
        let mut life = self.life.lock();
        if life.dead {
            return Err(gone());
        }
        let moment = life.count();
        let done = match moment {
            Some(Moment::Before) => None,
            Some(Moment::During(bytes)) => Some(work(bytes)),
            Some(Moment::After) | None => Some(work(usize::MAX)),
        };
        if moment.is_some() {
            life.end();
        }
        done.filter(|_| moment.is_none()).unwrap_or(Err(gone()))
    }

    fn check(&self, what: Refused) -> io::Result<()> {
        self.life.lock().check(what)
    }
}

impl Life {
    fn end(&mut self) {
        self.dead = true;
        self.locks.clear();
    }

    fn count(&mut self) -> Option<Moment> {
        let (left, moment) = self.kill.as_mut().filter(|_| !self.spared)?;
        if *left > 0 {
            *left -= 1;
            return None;
        }
        Some(*moment)
    }

    fn check(&mut self, what: Refused) -> io::Result<()> {
        let before = self.refusals.len();
        self.refusals.retain_mut(|(refused, nth)| {
            let due = *refused == what && *nth == 0;
            if *refused == what && *nth > 0 {
                *nth -= 1;
            }
            !due
        });
        if self.refusals.len() < before {
            return Err(io::Error::from_raw_os_error(13));
        }
        Ok(())
    }
}

fn gone() -> io::Error {
    io::Error::other("the process was killed")
}

impl Storage for Process {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.operate(|_| self.disk.create_dir_all(dir))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.check(Refused::List)?;
        self.look(|| self.disk.list(dir))
    }

    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn StorageFile>> {
        let file = if how == OpenHow::Create {
            self.check(Refused::Create)?;
            self.operate(|_| self.disk.open(path, how))?
        } else {
            self.look(|| self.disk.open(path, how))?
        };
        Ok(Arc::new(ProcessFile {
            process: self.clone(),
            file,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check(Refused::Rename)?;
        self.operate(|_| self.disk.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.check(Refused::Remove)?;
        self.operate(|_| self.disk.remove(path))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.operate(|_| self.disk.sync_dir(dir))
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        let Some(lock) = self.operate(|_| self.disk.try_lock(path))? else {
            return Ok(None);
        };
        let mut life = self.life.lock();
        if life.dead {
            return Err(gone());
        }
        life.locks.push((path.to_owned(), lock));
        Ok(Some(Box::new(ProcessLock {
            process: self.clone(),
            path: path.to_owned(),
        })))
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        self.look(|| self.disk.is_locked(path))
    }
}

struct ProcessFile {
    process: Process,
    file: Arc<dyn StorageFile>,
}

impl StorageFile for ProcessFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.process.look(|| self.file.read_at(buffer, offset))
    }

    fn write_at(&self, parts: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        self.process.operate(|bytes| {
            if bytes == usize::MAX {
                return self.file.write_at(parts, offset);
            }
            let all: Vec<u8> = parts.iter().flat_map(|part| part.iter()).copied().collect();
            let written = &all[..bytes.min(all.len())];
            self.file.write_at(&[IoSlice::new(written)], offset)
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.process.operate(|_| self.file.sync())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.process.operate(|_| self.file.set_len(len))
    }

    fn len(&self) -> io::Result<u64> {
        self.process.look(|| self.file.len())
    }

    fn map(&self, len: u64) -> io::Result<Map> {
        self.process.look(|| self.file.map(len))
    }
}

struct ProcessLock {
    process: Process,
    path: PathBuf,
}

impl Lock for ProcessLock {}

impl Drop for ProcessLock {
    fn drop(&mut self) {
        let mut life = self.process.life.lock();
        life.locks.retain(|(path, _)| *path != self.path);
    }
}
