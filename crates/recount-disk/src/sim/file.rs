//! An open file of the simulated disk.

use std::io::{self, IoSlice};

use super::SimStorage;
use super::faults::{Moment, full, refused};
use crate::storage::{Map, StorageFile};

pub(super) struct SimFile {
    pub(super) storage: SimStorage,
    pub(super) number: u64,
    pub(super) writable: bool,
}

impl SimFile {
    fn check_writable(&self) -> io::Result<()> {
        if self.writable {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the file was opened for reading only",
        ))
    }
}

impl StorageFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut machine = self.storage.look()?;
        machine.faults.read()?;
        let content = &machine.disk.inode(self.number).content;
        let rest = content.get(offset as usize..).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn write_at(&self, parts: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        self.check_writable()?;
        let bytes = parts.iter().fold(Vec::new(), |mut all, part| {
            all.extend_from_slice(part);
            all
        });
        let mut machine = self.storage.look()?;
        let ending = machine.faults.count();
        let wanted = match ending {
            Some((Moment::Before, _)) => 0,
            Some((Moment::During(written), _)) => written.min(bytes.len()),
            Some((Moment::After, _)) | None => bytes.len(),
        };
        let fitting = machine.faults.write().unwrap_or(usize::MAX).min(wanted);
        let written = machine.disk.write(self.number, offset, &bytes[..fitting]);
        if let Some((_, how)) = ending {
            machine.stop(how);
            return Err(refused());
        }
        written.and(if fitting < wanted {
            Err(full())
        } else {
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.storage.operate(|machine| {
            let done = machine.faults.sync();
            match &done {
                Ok(()) => machine.disk.sync(self.number),
                Err(_) => machine.disk.fail_sync(self.number),
            }
            done
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        self.storage.operate(|machine| {
            machine.disk.set_len(self.number, len as usize);
            Ok(())
        })
    }

    fn len(&self) -> io::Result<u64> {
        let machine = self.storage.look()?;
        Ok(machine.disk.inode(self.number).content.len() as u64)
    }

    fn map(&self, len: u64) -> io::Result<Map> {
        let mut machine = self.storage.look()?;
        machine.faults.read()?;
        let content = &machine.disk.inode(self.number).content;
        let mapped = content
            .get(..len as usize)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(Map::Memory(mapped.to_vec()))
    }
}
