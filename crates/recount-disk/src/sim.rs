//! A file system in memory that fails on purpose, for tests.
//!
//! [`SimStorage`] keeps for every file what it holds now and what is on stable storage, in sectors of
//! 512 bytes, and for every directory which of its changes were synced. It stops at any operation
//! a test names, as a killed process does or as a power failure does, and leaves what that leaves:
//!
//! * after a **kill** everything that was written is there;
//! * after a **power failure** everything that was synced is there. Of the rest each sector survives or
//!   not, a file's length lies anywhere between the old and the new, and of each directory's
//!   changes a first part survives. Chance decides, from the seed.
//!
//! A directory is synced for itself, a file for itself. A failed sync puts nothing on stable storage
//! and forgets the content that was to be written, as Linux does: a later sync that succeeds says
//! nothing of it, while readers still see it.
//!
//! ```
//! use std::io::IoSlice;
//! use std::path::Path;
//!
//! use recount_disk::sim::SimStorage;
//! use recount_disk::{OpenHow, Storage};
//!
//! # fn main() -> std::io::Result<()> {
//! let storage = SimStorage::new(7);
//! let file = storage.open(Path::new("/a"), OpenHow::Create)?;
//! file.write_at(&[IoSlice::new(b"kept")], 0)?;
//! file.sync()?;
//! storage.sync_dir(Path::new("/"))?;
//! let after = storage.crash();
//! assert_eq!(after.content("/a").as_deref(), Some(&b"kept"[..]));
//! assert!(file.sync().is_err(), "the process that opened it is gone");
//! # Ok(())
//! # }
//! ```

mod disk;
mod faults;
mod file;
mod random;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::storage::{Lock, OpenHow, Storage, StorageFile};
use disk::Disk;
pub use faults::{Fault, Moment, Stop};
use faults::{Faults, refused};
use file::SimFile;
pub use random::Random;

/// One process's view of a simulated disk. Clones are the same process.
#[derive(Clone)]
pub struct SimStorage {
    machine: Arc<Mutex<Machine>>,
    /// Which life of the process this is; a handle of an earlier one is dead.
    life: u64,
}

/// The disk and what happens to it.
#[derive(Clone)]
struct Machine {
    disk: Disk,
    faults: Faults,
    random: Random,
    life: u64,
}

impl SimStorage {
    /// An empty disk that holds nothing but `/`. The same seed gives the same faults.
    pub fn new(seed: u64) -> Self {
        Self::running(Machine {
            disk: Disk::new(),
            faults: Faults::default(),
            random: Random::new(seed),
            life: 0,
        })
    }

    fn running(machine: Machine) -> Self {
        let life = machine.life;
        Self {
            machine: Arc::new(Mutex::new(machine)),
            life,
        }
    }

    /// A copy of the disk with a fate of its own, as `seed` decides it. It has no process, no locks
    /// and no scheduled faults.
    #[must_use]
    pub fn fork(&self, seed: u64) -> Self {
        let mut machine = self.machine.lock().clone();
        machine.random = Random::new(seed);
        machine.restart();
        Self::running(machine)
    }

    /// The power fails. Returns the storage of the next process.
    #[must_use]
    pub fn crash(&self) -> Self {
        self.end(Stop::Power)
    }

    /// The process is killed. Returns the storage of the next one.
    #[must_use]
    pub fn kill(&self) -> Self {
        self.end(Stop::Kill)
    }

    fn end(&self, how: Stop) -> Self {
        self.machine.lock().stop(how);
        self.restarted()
    }

    /// The storage of the next process, after the scheduled end of this one. Kills this one if it
    /// still runs.
    #[must_use]
    pub fn restarted(&self) -> Self {
        let mut machine = self.machine.lock();
        machine.restart();
        Self {
            machine: Arc::clone(&self.machine),
            life: machine.life,
        }
    }

    /// Schedules the end of the process at its `operation`-th operation from now on, from 0.
    pub fn stop_at(&self, operation: u64, moment: Moment, how: Stop) {
        self.machine.lock().faults.stop_at(operation, moment, how);
    }

    /// Schedules a fault.
    pub fn fail(&self, fault: Fault) {
        self.machine.lock().faults.add(fault);
    }

    /// Takes back what is scheduled.
    pub fn heal(&self) {
        self.machine.lock().faults.clear();
    }

    /// How many more bytes files can grow by in all; none for no limit.
    pub fn set_space(&self, bytes: Option<u64>) {
        self.machine.lock().disk.space = bytes;
    }

    /// How many operations the process did: everything but reading.
    pub fn operations(&self) -> u64 {
        self.machine.lock().faults.operations()
    }

    /// Whether the scheduled end has come.
    pub fn has_stopped(&self) -> bool {
        self.machine.lock().faults.stopped()
    }

    /// What a file holds now; none if there is no such file.
    pub fn content(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let machine = self.machine.lock();
        let number = machine.disk.file(path.as_ref()).ok()?;
        Some(machine.disk.inode(number).content.clone())
    }

    /// Changes a file behind everybody's back, on stable storage too; none removes it.
    pub fn tamper(&self, path: impl AsRef<Path>, content: Option<Vec<u8>>) {
        self.machine.lock().disk.tamper(path.as_ref(), content);
    }

    /// Every file there is, sorted.
    pub fn files(&self) -> Vec<PathBuf> {
        self.machine.lock().disk.files()
    }

    /// The machine, unless this process is gone. Counts no operation.
    fn look(&self) -> io::Result<MutexGuard<'_, Machine>> {
        let machine = self.machine.lock();
        if machine.life != self.life || machine.faults.stopped() {
            return Err(refused());
        }
        Ok(machine)
    }

    /// Does one operation, if the process lives to see it; it may end before or after.
    fn operate<T>(&self, work: impl FnOnce(&mut Machine) -> io::Result<T>) -> io::Result<T> {
        let mut machine = self.look()?;
        let ending = machine.faults.count();
        if let Some((Moment::Before | Moment::During(_), how)) = ending {
            machine.stop(how);
            return Err(refused());
        }
        let done = work(&mut machine);
        if let Some((Moment::After, how)) = ending {
            machine.stop(how);
            // What was done is dropped last: dropping a lock looks at the machine.
            drop(machine);
            return Err(refused());
        }
        done
    }
}

impl Machine {
    fn stop(&mut self, how: Stop) {
        if self.faults.stopped() {
            return;
        }
        if how == Stop::Power {
            self.disk.lose_power(&mut self.random);
        }
        self.faults.end();
    }

    fn restart(&mut self) {
        self.life += 1;
        self.disk.locks.clear();
        self.faults = Faults::default();
    }
}

impl Storage for SimStorage {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.operate(|machine| machine.disk.create_dir_all(dir))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.look()?.disk.list(dir)
    }

    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn StorageFile>> {
        let number = match how {
            OpenHow::Read | OpenHow::Write => self.look()?.disk.file(path)?,
            OpenHow::Create => self.operate(|machine| machine.disk.create(path))?,
        };
        Ok(Arc::new(SimFile {
            storage: self.clone(),
            number,
            writable: how != OpenHow::Read,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.operate(|machine| machine.disk.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.operate(|machine| machine.disk.remove(path))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.operate(|machine| {
            machine.faults.sync()?;
            machine.disk.sync_dir(dir)
        })
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        self.operate(|machine| {
            if machine.disk.locks.contains(path) {
                return Ok(None);
            }
            let number = match machine.disk.file(path) {
                Ok(number) => number,
                Err(_) => machine.disk.create(path)?,
            };
            let holder = format!("{}", std::process::id());
            machine.disk.set_len(number, 0);
            machine.disk.write(number, 0, holder.as_bytes())?;
            machine.disk.locks.insert(path.to_owned());
            Ok(Some(Box::new(SimLock {
                storage: self.clone(),
                path: path.to_owned(),
            }) as Box<dyn Lock>))
        })
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        Ok(self.look()?.disk.locks.contains(path))
    }
}

struct SimLock {
    storage: SimStorage,
    path: PathBuf,
}

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        // A process that is gone holds no lock any more.
        if let Ok(mut machine) = self.storage.look() {
            machine.disk.locks.remove(&self.path);
        }
    }
}
