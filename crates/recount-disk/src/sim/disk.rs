//! What the simulated disk holds, now and on stable storage.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::faults::full;
use super::random::Random;

const SECTOR: usize = 512;

/// A file, under whatever names.
#[derive(Debug, Clone, Default)]
pub(super) struct Inode {
    pub(super) content: Vec<u8>,
    stable: Vec<u8>,
    /// Sectors and the length that the next sync puts on stable storage.
    dirty: BTreeSet<usize>,
    length_dirty: bool,
    /// Sectors that a failed sync gave up: only writing them again makes them dirty.
    given_up: BTreeSet<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Dir,
    File(u64),
}

/// A change of a directory that is not on stable storage.
#[derive(Debug, Clone)]
enum Change {
    Add(PathBuf, Name),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf, Name),
}

#[derive(Debug, Clone)]
pub(super) struct Disk {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, Name>,
    stable_names: BTreeMap<PathBuf, Name>,
    /// Of each directory, in order.
    changes: BTreeMap<PathBuf, Vec<Change>>,
    pub(super) locks: BTreeSet<PathBuf>,
    pub(super) space: Option<u64>,
}

impl Disk {
    pub(super) fn new() -> Self {
        let root = BTreeMap::from([(PathBuf::from("/"), Name::Dir)]);
        Self {
            inodes: Vec::new(),
            names: root.clone(),
            stable_names: root,
            changes: BTreeMap::new(),
            locks: BTreeSet::new(),
            space: None,
        }
    }

    pub(super) fn inode(&self, number: u64) -> &Inode {
        &self.inodes[number as usize]
    }

    fn inode_mut(&mut self, number: u64) -> &mut Inode {
        &mut self.inodes[number as usize]
    }

    pub(super) fn file(&self, path: &Path) -> io::Result<u64> {
        match self.names.get(path) {
            Some(Name::File(number)) => Ok(*number),
            Some(Name::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn files(&self) -> Vec<PathBuf> {
        let files = self.names.iter().filter(|(_, name)| **name != Name::Dir);
        files.map(|(path, _)| path.clone()).collect()
    }

    fn check_dir(&self, dir: &Path) -> io::Result<()> {
        match self.names.get(dir) {
            Some(Name::Dir) => Ok(()),
            Some(Name::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.check_dir(dir)?;
        let inside = self.names.keys().filter(|path| path.parent() == Some(dir));
        let name = |path: &PathBuf| {
            path.file_name()
                .map(|name| name.to_string_lossy().into_owned())
        };
        Ok(inside.filter_map(name).collect())
    }

    fn changed(&mut self, path: &Path, change: Change) {
        let dir = path.parent().unwrap_or(path).to_owned();
        self.changes.entry(dir).or_default().push(change);
    }

    fn add(&mut self, path: &Path, name: Name) {
        self.names.insert(path.to_owned(), name);
        self.changed(path, Change::Add(path.to_owned(), name));
    }

    pub(super) fn create_dir_all(&mut self, dir: &Path) -> io::Result<()> {
        let mut above: Vec<&Path> = dir.ancestors().collect();
        above.reverse();
        for dir in above {
            match self.names.get(dir) {
                Some(Name::Dir) => {}
                Some(Name::File(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
                None => self.add(dir, Name::Dir),
            }
        }
        Ok(())
    }

    /// Creates a file, or empties the one that is there.
    pub(super) fn create(&mut self, path: &Path) -> io::Result<u64> {
        if let Ok(number) = self.file(path) {
            self.set_len(number, 0);
            return Ok(number);
        }
        self.check_dir(path.parent().unwrap_or(path))?;
        let number = self.inodes.len() as u64;
        self.inodes.push(Inode::default());
        self.add(path, Name::File(number));
        Ok(number)
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        if from.parent() != to.parent() {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        let number = self.file(from)?;
        self.free_name(to);
        self.names.remove(from);
        self.names.insert(to.to_owned(), Name::File(number));
        self.changed(
            from,
            Change::Rename(from.to_owned(), to.to_owned(), Name::File(number)),
        );
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.file(path)?;
        self.free_name(path);
        self.names.remove(path);
        self.changed(path, Change::Remove(path.to_owned()));
        Ok(())
    }

    /// The space of a file whose name goes is free again.
    fn free_name(&mut self, path: &Path) {
        if let (Ok(number), Some(space)) = (self.file(path), self.space) {
            self.space = Some(space + self.inode(number).content.len() as u64);
        }
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        self.check_dir(dir)?;
        for change in self.changes.remove(dir).unwrap_or_default() {
            change.apply(&mut self.stable_names);
        }
        Ok(())
    }

    /// Writes what finds a place.
    pub(super) fn write(&mut self, number: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = offset as usize;
        let len = self.inode(number).content.len();
        let growth = (offset + bytes.len()).saturating_sub(len);
        let fitting = match &mut self.space {
            Some(space) if *space < growth as u64 => {
                let missing = growth - *space as usize;
                *space = 0;
                bytes.len().saturating_sub(missing)
            }
            Some(space) => {
                *space -= growth as u64;
                bytes.len()
            }
            None => bytes.len(),
        };
        self.inode_mut(number).write(offset, &bytes[..fitting]);
        if fitting < bytes.len() {
            Err(full())
        } else {
            Ok(())
        }
    }

    pub(super) fn set_len(&mut self, number: u64, len: usize) {
        let before = self.inode(number).content.len();
        self.inode_mut(number).set_len(len);
        if let Some(space) = &mut self.space {
            *space = (*space + before as u64).saturating_sub(len as u64);
        }
    }

    pub(super) fn sync(&mut self, number: u64) {
        self.inode_mut(number).sync();
    }

    pub(super) fn fail_sync(&mut self, number: u64) {
        let inode = self.inode_mut(number);
        inode.given_up.append(&mut inode.dirty);
    }

    pub(super) fn tamper(&mut self, path: &Path, content: Option<Vec<u8>>) {
        let name = match content {
            None => None,
            Some(content) => {
                let number = self.inodes.len() as u64;
                self.inodes.push(Inode {
                    stable: content.clone(),
                    content,
                    ..Inode::default()
                });
                Some(Name::File(number))
            }
        };
        for names in [&mut self.names, &mut self.stable_names] {
            match name {
                Some(name) => names.insert(path.to_owned(), name),
                None => names.remove(path),
            };
        }
    }

    /// Leaves what was on stable storage, and by chance some of the rest.
    pub(super) fn lose_power(&mut self, random: &mut Random) {
        for (_, changes) in std::mem::take(&mut self.changes) {
            let surviving = random.below(changes.len() as u64 + 1) as usize;
            for change in &changes[..surviving] {
                change.apply(&mut self.stable_names);
            }
        }
        let names = self.stable_names.clone();
        let is_dir = |dir: &Path| names.get(dir) == Some(&Name::Dir);
        self.stable_names
            .retain(|path, _| path.ancestors().skip(1).all(is_dir));
        self.names.clone_from(&self.stable_names);
        for inode in &mut self.inodes {
            inode.lose_power(random);
        }
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<PathBuf, Name>) {
        match self {
            Self::Add(path, name) => {
                names.insert(path.clone(), *name);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
            Self::Rename(from, to, name) => {
                names.remove(from);
                names.insert(to.clone(), *name);
            }
        }
    }
}

impl Inode {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len();
        let from = offset.min(self.content.len());
        if end > self.content.len() {
            self.content.resize(end, 0);
        }
        self.content[offset..end].copy_from_slice(bytes);
        self.touch(from, end);
        self.length_dirty |= end > self.stable.len();
    }

    fn set_len(&mut self, len: usize) {
        let before = self.content.len();
        self.content.resize(len, 0);
        self.touch(before.min(len), before.max(len));
        self.length_dirty |= before != len;
    }

    /// The sectors from byte `from` to `end` are to be written.
    fn touch(&mut self, from: usize, end: usize) {
        for sector in from / SECTOR..end.div_ceil(SECTOR) {
            self.given_up.remove(&sector);
            self.dirty.insert(sector);
        }
    }

    fn sync(&mut self) {
        if self.length_dirty {
            self.stable.resize(self.content.len(), 0);
        }
        for sector in std::mem::take(&mut self.dirty) {
            self.copy_sector(sector);
        }
        self.length_dirty = false;
    }

    fn copy_sector(&mut self, sector: usize) {
        let from = sector * SECTOR;
        let end = (from + SECTOR)
            .min(self.content.len())
            .min(self.stable.len());
        if from < end {
            self.stable[from..end].copy_from_slice(&self.content[from..end]);
        }
    }

    fn lose_power(&mut self, random: &mut Random) {
        let (old, new) = (self.stable.len(), self.content.len());
        let len = match random.below(4) {
            0 => old,
            1 => new,
            // A file shrinks at once, but grows in steps.
            _ if new < old => new,
            _ => old + random.below((new - old) as u64 + 1) as usize,
        };
        let mut unsynced = std::mem::take(&mut self.dirty);
        unsynced.append(&mut self.given_up);
        self.stable.resize(len, 0);
        for sector in unsynced {
            if random.coin() {
                self.copy_sector(sector);
            }
        }
        self.length_dirty = false;
        self.content.clone_from(&self.stable);
    }
}
