//! Where a mirror is: one directory for a stream on a server.
//!
//! ```text
//! redis-localhost-6379-memory-events-0f3a.../
//!   data/               a data directory: a stream for each partition, those set aside (:diverged-1, ...),
//!                       one that is being copied to take another's place (:rebuilding), and copies that
//!                       were begun and are of no use (:leftover-1, ...), which may be deleted
//!   incidents.ndjson    gaps and divergences, one JSON object a line
//!   counts.json         how many entries the server had counted when it was last compared
//!   lock                held by the process that maintains the mirror
//!   name                under what name it registers
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use twox_hash::XxHash3_64;
use uuid::Uuid;

use super::MirrorError;

/// The paths of one mirror.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    dir: PathBuf,
}

/// Held by the process that maintains a mirror; dropping it lets go.
#[derive(Debug)]
pub(crate) struct Turn {
    _lock: File,
}

/// Of address and stream so much is told by the directory's name.
const READABLE_MAX: usize = 80;

impl Place {
    /// The place of a stream's mirror among all mirrors in `base`.
    pub(crate) fn new(base: &Path, address: &str, stream: &str) -> Self {
        let mut readable = String::new();
        for c in format!("{address}-{stream}").chars() {
            if c.is_ascii_alphanumeric() || c == '.' {
                readable.push(c);
            } else if !readable.ends_with('-') {
                readable.push('-');
            }
        }
        readable.truncate(READABLE_MAX);
        let hash = XxHash3_64::oneshot(format!("{address}\0{stream}").as_bytes());
        Self {
            dir: base.join(format!("{}-{hash:016x}", readable.trim_matches(['-', '.']))),
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    pub(crate) fn incidents(&self) -> PathBuf {
        self.dir.join("incidents.ndjson")
    }

    pub(crate) fn counts(&self) -> PathBuf {
        self.dir.join("counts.json")
    }

    /// Creates the directory.
    pub(crate) fn create(&self) -> Result<(), MirrorError> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        // Who may not read the server must not read its copy.
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        let created = builder.create(&self.dir);
        created.map_err(|error| failed("creating", &self.dir, &error))
    }

    /// The lock, unless another process holds it.
    pub(crate) fn try_turn(&self) -> Result<Option<Turn>, MirrorError> {
        let path = self.dir.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| failed("opening", &path, &error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Turn { _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed("locking", &path, &error)),
        }
    }

    /// The name to register under, made up the first time: the host's, and what tells this directory
    /// from others on it.
    pub(crate) fn name(&self) -> Result<String, MirrorError> {
        if let Some(name) = self.given_name() {
            return Ok(name);
        }
        let uname = rustix::system::uname();
        let host = uname.nodename().to_string_lossy();
        let host: String = host.chars().filter(|c| !c.is_control()).take(64).collect();
        let host = if host.is_empty() { "mirror" } else { &host };
        let id = Uuid::new_v4().simple().to_string();
        let name = format!("{host}-{}", &id[..8]);
        let path = self.dir.join("name");
        let written = File::create_new(&path).and_then(|mut file| {
            file.write_all(name.as_bytes())?;
            file.sync_all()
        });
        match written {
            Ok(()) => Ok(name),
            // Another process was faster, or left it half written.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Ok(self.given_name().unwrap_or_else(|| host.to_owned()))
            }
            Err(error) => Err(failed("writing", &path, &error)),
        }
    }

    /// The name that was given to it before.
    pub(crate) fn given_name(&self) -> Option<String> {
        let name = fs::read_to_string(self.dir.join("name")).ok()?;
        Some(name.trim().to_owned()).filter(|name| !name.is_empty())
    }
}

/// Says what could not be done.
pub(crate) fn failed(action: &'static str, path: &Path, error: &io::Error) -> MirrorError {
    MirrorError::Storage {
        action,
        path: path.display().to_string(),
        message: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(address: &str, stream: &str) -> String {
        let place = Place::new(Path::new("/mirrors"), address, stream);
        let name = place.dir().file_name().expect("a name");
        name.to_string_lossy().into_owned()
    }

    #[test]
    fn a_directory_says_what_is_mirrored_and_is_one_stream_s_alone() {
        let plain = name("redis://localhost:6379", "memory:events");
        let (readable, hash) = plain.rsplit_once('-').expect("a hash");
        assert_eq!(readable, "redis-localhost-6379-memory-events");
        assert_eq!(hash.len(), 16);
        let others = [
            name("redis://localhost:6379", "memory-events"),
            name("redis://localhost", "6379:memory:events"),
            name("redis://[::1]:6379/1", "../../etc"),
            name("redis://localhost:6379", &"x".repeat(5_000)),
        ];
        for other in others {
            assert_ne!(other, plain);
            assert!(!other.contains('/') && other.len() < 120, "{other}");
        }
    }

    #[test]
    fn the_name_stays() {
        let base = tempfile::tempdir().unwrap();
        let place = Place::new(base.path(), "a", "b");
        place.create().unwrap();
        assert_eq!(place.given_name(), None);
        let name = place.name().unwrap();
        assert_eq!(place.name().unwrap(), name);
        assert_eq!(place.given_name(), Some(name));
    }

    #[test]
    fn one_at_a_time_has_its_turn() {
        let base = tempfile::tempdir().unwrap();
        let place = Place::new(base.path(), "a", "b");
        place.create().unwrap();
        let turn = place.try_turn().unwrap().expect("nobody has it");
        assert!(place.try_turn().unwrap().is_none());
        drop(turn);
        assert!(place.try_turn().unwrap().is_some());
    }
}
