//! The machine's own file system.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, OFlags, flock};

use super::{Lock, Map, OpenHow, Storage, StorageFile};

/// Real files.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileSystem;

impl Storage for FileSystem {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            // A name that is not UTF-8 is none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn StorageFile>> {
        let file = match how {
            OpenHow::Read => open_regular(path),
            OpenHow::Write => OpenOptions::new().read(true).write(true).open(path),
            OpenHow::Create => OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(path),
        }?;
        Ok(Arc::new(RealFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        if !held_by_nobody(flock(&file, FlockOperation::NonBlockingLockExclusive))? {
            return Ok(None);
        }
        let lock = RealLock {
            path: path.to_owned(),
            file,
        };
        // It may have been removed between opening and locking it.
        if !lock.still_stands()? {
            return Ok(None);
        }
        lock.file.set_len(0)?;
        write!(&lock.file, "{}", std::process::id())?;
        Ok(Some(Box::new(lock)))
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        let file = match open_regular(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other?,
        };
        // A shared lock, held for an instant: a writer that starts just now tries again.
        Ok(!held_by_nobody(flock(
            &file,
            FlockOperation::NonBlockingLockShared,
        ))?)
    }
}

/// Opens a file to read it. What is none, a directory, a pipe or a device, is refused, and never
/// waited for.
fn open_regular(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::IsADirectory,
            "it is a directory",
        ));
    }
    if !kind.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no regular file",
        ));
    }
    Ok(file)
}

fn held_by_nobody(attempt: rustix::io::Result<()>) -> io::Result<bool> {
    match attempt {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

struct RealLock {
    path: PathBuf,
    /// Closing it releases the lock.
    file: File,
}

impl Lock for RealLock {
    fn still_stands(&self) -> io::Result<bool> {
        let held = self.file.metadata()?;
        match fs::metadata(&self.path) {
            Ok(named) => Ok((held.dev(), held.ino()) == (named.dev(), named.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

struct RealFile(File);

impl StorageFile for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut read = 0;
        while read < buffer.len() {
            match self.0.read_at(&mut buffer[read..], offset + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn write_at(&self, parts: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        let whole: usize = parts.iter().map(|part| part.len()).sum();
        let mut written = rustix::io::pwritev(&self.0, parts, offset)?;
        if written == whole {
            return Ok(());
        }
        // Rare: a signal or a nearly full disk cut the write short. Go on part by part.
        let mut at = offset;
        for part in parts {
            let skip = written.min(part.len());
            written -= skip;
            self.0.write_all_at(&part[skip..], at + skip as u64)?;
            at += part.len() as u64;
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        // On macOS the standard library issues F_FULLFSYNC here.
        self.0.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn still_stands(&self) -> io::Result<bool> {
        Ok(self.0.metadata()?.nlink() > 0)
    }

    #[allow(unsafe_code)]
    fn map(&self, len: u64) -> io::Result<Map> {
        if len == 0 {
            return Ok(Map::Memory(Vec::new()));
        }
        // SAFETY: the engine maps complete files only and never truncates or overwrites one; a
        // repair writes new files. Another program that truncates one of them would make reads
        // fault, which stops this process and harms no data.
        let map = unsafe { memmap2::MmapOptions::new().len(len as usize).map(&self.0)? };
        Ok(Map::File(map))
    }
}
