//! Where a mirror is: one directory for a stream on a server.
//!
//! ```text
//! redis-localhost-6379-memory-events-0f3a.../
//!   data/               a data directory: a stream for each partition, those set aside (:diverged-1, ...),
//!                       one that is being copied to take another's place (:rebuilding), and copies that
//!                       were begun and are of no use (:leftover-1, ...), which may be deleted
//!   views/              what views made of the copy; none of the mirror's business
//!   incidents.ndjson    gaps and divergences, one JSON object a line
//!   counts.json         how many entries the server had counted when it was last compared
//!   lock                held by the process that maintains the mirror
//!   name                under what name it registers, and in a second line which directory that is: a copy
//!                       of the directory is another mirror
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

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
    /// from others on it. A directory that was copied gets a name of its own: under one name each of the two
    /// would let go of what the other has not got.
    pub(crate) fn name(&self) -> Result<Name, MirrorError> {
        let path = self.dir.join("name");
        let identity = self
            .identity()
            .map_err(|error| failed("reading", &self.dir, &error))?;
        let Some((name, of)) = self.recorded_name() else {
            let name = new_name();
            let written = File::create_new(&path).and_then(|file| write(file, &name, &identity));
            return match written {
                Ok(()) => Ok(Name { name, copied: None }),
                // Another process was faster, or left it half written.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Name {
                    name: self.given_name().unwrap_or(name),
                    copied: None,
                }),
                Err(error) => Err(failed("writing", &path, &error)),
            };
        };
        if of.as_ref() == Some(&identity) {
            return Ok(Name { name, copied: None });
        }
        // One that says nothing of its directory is taken for the directory's own.
        let (name, copied) = match of {
            None => (name, None),
            Some(_) => (new_name(), Some(name)),
        };
        let new = self.dir.join("name.new");
        let replaced = File::create(&new)
            .and_then(|file| write(file, &name, &identity))
            .and_then(|()| fs::rename(&new, &path));
        replaced.map_err(|error| failed("writing", &path, &error))?;
        Ok(Name { name, copied })
    }

    /// What no copy of the directory has, and the directory keeps wherever it is moved on its file system.
    fn identity(&self) -> io::Result<String> {
        let metadata = fs::metadata(&self.dir)?;
        // Some file systems do not know it.
        let created = metadata.created().ok();
        let created = created.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let created = created.map_or(0, |since| since.as_nanos());
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Ok(format!("{inode}-{created}"))
    }

    /// The name that was given to it before.
    pub(crate) fn given_name(&self) -> Option<String> {
        self.recorded_name().map(|(name, _)| name)
    }

    /// The name, and which directory it was given to, if that is told.
    fn recorded_name(&self) -> Option<(String, Option<String>)> {
        let text = fs::read_to_string(self.dir.join("name")).ok()?;
        let mut lines = text.lines().map(str::trim);
        let name = lines.next().filter(|name| !name.is_empty())?.to_owned();
        let of = lines.next().filter(|of| !of.is_empty());
        Some((name, of.map(str::to_owned)))
    }
}

/// What a mirror is called.
#[derive(Debug)]
pub(crate) struct Name {
    pub(crate) name: String,
    /// The name of the mirror whose directory was copied, where that was noticed just now.
    pub(crate) copied: Option<String>,
}

/// The host's name, and what no other mirror has.
fn new_name() -> String {
    let uname = rustix::system::uname();
    let host = uname.nodename().to_string_lossy();
    let host: String = host.chars().filter(|c| !c.is_control()).take(64).collect();
    let host = if host.is_empty() { "mirror" } else { &host };
    let id = Uuid::new_v4().simple().to_string();
    format!("{host}-{}", &id[..8])
}

fn write(mut file: File, name: &str, identity: &str) -> io::Result<()> {
    write!(file, "{name}\n{identity}\n")?;
    file.sync_all()
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
        let name = place.name().unwrap().name;
        assert_eq!(place.name().unwrap().name, name);
        assert_eq!(place.given_name(), Some(name.clone()));
        // Wherever it is moved to.
        let moved = Place {
            dir: base.path().join("moved"),
        };
        fs::rename(place.dir(), moved.dir()).unwrap();
        let there = moved.name().unwrap();
        assert_eq!((there.name, there.copied), (name, None));
    }

    #[test]
    fn a_copy_has_a_name_of_its_own() {
        let base = tempfile::tempdir().unwrap();
        let place = Place::new(base.path(), "a", "b");
        place.create().unwrap();
        let name = place.name().unwrap().name;
        let copy = Place {
            dir: base.path().join("copy"),
        };
        copy.create().unwrap();
        fs::copy(place.dir().join("name"), copy.dir().join("name")).unwrap();
        let taken = copy.name().unwrap();
        assert_ne!(taken.name, name);
        assert_eq!(taken.copied, Some(name.clone()));
        // That is told once, and the other keeps its name.
        let again = copy.name().unwrap();
        assert_eq!((again.name, again.copied), (taken.name, None));
        assert_eq!(place.name().unwrap().name, name);
        // One that was named before copies were told apart keeps its name, too.
        fs::write(copy.dir().join("name"), "host-1\n").unwrap();
        for _ in 0..2 {
            let kept = copy.name().unwrap();
            assert_eq!((kept.name.as_str(), kept.copied), ("host-1", None));
        }
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
