//! The names of things in a data directory. `FORMAT.md`, "The directory".

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Doing, Fault, OpenError};
use crate::hash::Hashes;
use crate::meta::{BadMeta, META_BYTES, Meta};
use crate::storage::{Map, OpenHow, Storage, StorageFile, replace, replace_by};

pub(crate) const MARKER: &str = "recount.format";
pub(crate) const MARKER_TEXT: &str = "recount data directory, format 1\n";
const MARKER_BEGINNING: &str = "recount data directory, format ";
pub(crate) const STREAMS: &str = "streams";
/// A stream's name as a file name; what file systems take is 255.
const ESCAPED_BYTES_MAX: usize = 240;

/// Attempts of this process to make a directory a data directory.
static ATTEMPTS: AtomicU64 = AtomicU64::new(0);

/// Makes `root` a data directory, or checks that it is one.
pub(crate) fn prepare_root(storage: &dyn Storage, root: &Path) -> Result<(), OpenError> {
    if check_root(storage, root)? {
        return Ok(());
    }
    // Each directory that is created stands in the one above it. The last is synced in any case: a
    // crash may have come between.
    let missing = |dir: &&Path| storage.list(dir).is_err_and(|error| is_missing(&error));
    let created: Vec<_> = root.ancestors().skip(1).take_while(missing).collect();
    storage.create_dir_all(root).doing("creating", root)?;
    // Before the marker: where that stands, the directory is known to be on stable storage.
    for dir in created.into_iter().rev().chain([root]) {
        if let Some(parent) = dir.parent() {
            let here = parent.as_os_str().is_empty();
            let parent = if here { Path::new(".") } else { parent };
            storage.sync_dir(parent).doing("syncing", parent)?;
        }
    }
    // Several processes may do this at once: each by way of a file of its own, to the same end.
    let attempt = ATTEMPTS.fetch_add(1, Ordering::Relaxed);
    let temporary = root.join(format!("recount.{}-{attempt}.tmp", std::process::id()));
    replace_by(
        storage,
        &temporary,
        &root.join(MARKER),
        MARKER_TEXT.as_bytes(),
    )?;
    Ok(())
}

fn is_missing(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::NotFound
}

/// Whether `root` is a data directory; an error if it is something else. Nothing at all is fine.
pub(crate) fn check_root(storage: &dyn Storage, root: &Path) -> Result<bool, OpenError> {
    let names = match storage.list(root) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            return Err(OpenError::Storage {
                action: "opening",
                path: root.display().to_string(),
                message: "it is no directory: name one, or a place where one can be created".into(),
            });
        }
        other => other.doing("reading", root)?,
    };
    if names.iter().any(|name| name == MARKER) {
        let path = root.join(MARKER);
        let text = read_small(storage, &path)?;
        if text == MARKER_TEXT.as_bytes() {
            return Ok(true);
        }
        let text = String::from_utf8_lossy(&text);
        let version = text.strip_prefix(MARKER_BEGINNING);
        let version = version.and_then(|version| version.trim().parse::<u32>().ok());
        return Err(match version.filter(|&version| version > 1) {
            Some(version) => OpenError::Format {
                path: path.display().to_string(),
                found: version.to_string(),
            },
            None => Fault::corrupt(
                &path,
                0,
                "it does not hold what makes this a data directory",
            )
            .into(),
        });
    }
    // Left by a crash while the marker was written, or by the file system itself.
    let ours = |name: &str| name.starts_with("recount.") && name.ends_with(".tmp");
    let foreign = |name: &String| !ours(name) && name != "lost+found";
    if names.iter().any(foreign) {
        return Err(OpenError::NotOurs {
            path: root.display().to_string(),
        });
    }
    Ok(false)
}

/// The directory of the stream called `name`.
pub(crate) fn stream_dir(root: &Path, name: &str) -> Result<PathBuf, OpenError> {
    let refuse = |reason: &str| OpenError::StreamName {
        name: name.chars().take(64).collect(),
        reason: reason.to_owned(),
    };
    if name.is_empty() {
        return Err(refuse("it is empty"));
    }
    if name.chars().any(char::is_control) {
        return Err(refuse("it holds a control character"));
    }
    let mut escaped = String::new();
    for (at, byte) in name.bytes().enumerate() {
        let plain =
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') || (byte == b'.' && at > 0);
        if plain {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    if escaped.len() > ESCAPED_BYTES_MAX {
        return Err(refuse(
            "it is too long for a directory name: use at most 80 bytes, or plain letters",
        ));
    }
    Ok(root.join(STREAMS).join(escaped))
}

/// The names of the streams in `root`, sorted.
pub(crate) fn streams(storage: &dyn Storage, root: &Path) -> Result<Vec<String>, OpenError> {
    if !check_root(storage, root)? {
        return Ok(Vec::new());
    }
    stream_names(storage, root)
}

/// As [`streams`], without a look at what makes `root` a data directory.
pub(crate) fn stream_names(storage: &dyn Storage, root: &Path) -> Result<Vec<String>, OpenError> {
    let dir = root.join(STREAMS);
    let names = match storage.list(&dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.doing("reading", &dir)?,
    };
    let mut streams = Vec::new();
    for name in names {
        if let Some(stream) = unescape(&name)
            && holds_stream(storage, &dir.join(&name))
        {
            streams.push(stream);
        }
    }
    streams.sort();
    Ok(streams)
}

/// Whether something in [`STREAMS`] is a stream's directory. One whose files nobody may list is: what
/// it holds is not known.
pub(crate) fn holds_stream(storage: &dyn Storage, dir: &Path) -> bool {
    use std::io::ErrorKind;
    match storage.list(dir) {
        Ok(names) => names
            .iter()
            .any(|name| name == "stream.meta" || name.ends_with(".seg") || name.ends_with(".log")),
        Err(error) => !matches!(error.kind(), ErrorKind::NotADirectory | ErrorKind::NotFound),
    }
}

/// Gives the stream `from` the name `to`.
pub(crate) fn rename_stream(
    storage: &dyn Storage,
    root: &Path,
    from: &str,
    to: &str,
) -> Result<(), OpenError> {
    let (old, new) = (stream_dir(root, from)?, stream_dir(root, to)?);
    if !holds_stream(storage, &old) {
        return Err(OpenError::NoStream {
            stream: from.to_owned(),
            path: root.display().to_string(),
        });
    }
    if holds_stream(storage, &new) {
        return Err(OpenError::Storage {
            action: "renaming",
            path: old.display().to_string(),
            message: format!("there is a stream {to} already"),
        });
    }
    let _alone = crate::open::lock(storage, &old, std::time::Duration::ZERO)?;
    storage.rename(&old, &new).doing("renaming", &old)?;
    let streams = root.join(STREAMS);
    storage.sync_dir(&streams).doing("syncing", &streams)?;
    Ok(())
}

fn unescape(name: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = name.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'%' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Reads a whole file of a few bytes.
pub(crate) fn read_small(storage: &dyn Storage, path: &Path) -> Result<Vec<u8>, Fault> {
    let file = storage.open(path, OpenHow::Read).doing("opening", path)?;
    let len = file.len().doing("reading", path)?.min(4096);
    crate::storage::read_exact(&*file, 0, len as usize).doing("reading", path)
}

/// A stream's directory: where it is, on what, and who the stream is.
pub(crate) struct StreamDir {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) path: PathBuf,
    pub(crate) meta: Meta,
    pub(crate) hashes: Hashes,
}

/// A directory without `stream.meta` is no stream yet, unless there is more in it.
fn no_meta(storage: &dyn Storage, dir: &Path) -> Result<Option<Meta>, OpenError> {
    let names = match storage.list(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.doing("reading", dir)?,
    };
    let is_segment = |name: &String| name.ends_with(".log") || name.ends_with(".seg");
    // Whoever creates the stream just now writes `stream.meta` before the first segment.
    let path = dir.join("stream.meta");
    if names.iter().any(is_segment) && storage.open(&path, OpenHow::Read).is_err() {
        return Err(Fault::corrupt(&path, 0, "it is missing, but there are segments").into());
    }
    Ok(None)
}

/// Which of its two names a segment file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SegmentName {
    /// `.log`: not known to be on stable storage whole.
    Log,
    /// `.seg`: complete and on stable storage.
    Sealed,
}

/// The two kinds of tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableKind {
    Ids,
    Sessions,
}

impl TableKind {
    pub(crate) const BOTH: [Self; 2] = [Self::Ids, Self::Sessions];
}

/// What a directory listing holds, sorted.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) segments: Vec<(u64, SegmentName)>,
    pub(crate) indexes: Vec<u64>,
    pub(crate) ids: Vec<(u64, u64)>,
    pub(crate) sessions: Vec<(u64, u64)>,
    pub(crate) temporary: Vec<String>,
}

impl StreamDir {
    pub(crate) fn new(storage: Arc<dyn Storage>, path: PathBuf, meta: Meta) -> Self {
        Self {
            storage,
            path,
            hashes: Hashes::new(&meta.key),
            meta,
        }
    }

    /// Reads `stream.meta`; none if it is not there.
    pub(crate) fn read_meta(storage: &dyn Storage, dir: &Path) -> Result<Option<Meta>, OpenError> {
        let path = dir.join("stream.meta");
        let bytes = match read_small(storage, &path) {
            Err(Fault::Io { missing: true, .. }) => return no_meta(storage, dir),
            other => other?,
        };
        match Meta::decode(&bytes) {
            Ok(meta) => Ok(Some(meta)),
            Err(BadMeta::Damaged) => {
                Err(Fault::corrupt(&path, 0, "it does not match its checksum").into())
            }
            Err(BadMeta::Version(version)) => Err(OpenError::Format {
                path: path.display().to_string(),
                found: version.to_string(),
            }),
        }
    }

    /// Writes `stream.meta` of a new stream.
    pub(crate) fn write_meta(
        storage: &dyn Storage,
        dir: &Path,
        meta: &Meta,
    ) -> Result<(), OpenError> {
        let path = dir.join("stream.meta");
        let bytes: [u8; META_BYTES] = meta.encode();
        replace(storage, &path, &bytes)?;
        Ok(())
    }

    pub(crate) fn lock_path(dir: &Path) -> PathBuf {
        dir.join("writer.lock")
    }

    pub(crate) fn watermark(&self) -> PathBuf {
        self.path.join("watermark")
    }

    pub(crate) fn floor(&self) -> PathBuf {
        self.path.join("floor")
    }

    /// The file that becomes the next `floor`.
    pub(crate) fn spare_floor(&self) -> PathBuf {
        self.path.join("floor.next")
    }

    pub(crate) fn groups(&self) -> PathBuf {
        self.path.join("groups.log")
    }

    /// A name for what is cut off the `number`th `groups.log` at `offset` that nobody has yet.
    pub(crate) fn new_lost_groups(&self, number: u64, offset: u64) -> PathBuf {
        let stem = format!("lost-groups-{number}-{offset}");
        let first = self.path.join(format!("{stem}.bin"));
        let further = (2_u32..).map(|n| self.path.join(format!("{stem}-{n}.bin")));
        let free = |path: &PathBuf| self.storage.open(path, OpenHow::Read).is_err();
        std::iter::once(first.clone())
            .chain(further)
            .find(free)
            .unwrap_or(first)
    }

    pub(crate) fn segment(&self, number: u64, name: SegmentName) -> PathBuf {
        let ending = match name {
            SegmentName::Log => "log",
            SegmentName::Sealed => "seg",
        };
        self.path.join(format!("{number:010}.{ending}"))
    }

    pub(crate) fn index(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:010}.idx"))
    }

    pub(crate) fn table(&self, kind: TableKind, (first, last): (u64, u64)) -> PathBuf {
        let kind = match kind {
            TableKind::Ids => "ids",
            TableKind::Sessions => "sessions",
        };
        self.path.join(format!("{kind}-{first:010}-{last:010}.tbl"))
    }

    pub(crate) fn lost(&self, number: u64, offset: u64) -> PathBuf {
        self.path.join(format!("lost-{number:010}-{offset}.bin"))
    }

    /// A name for bytes cut off that nobody has yet.
    pub(crate) fn new_lost(&self, number: u64, offset: u64) -> PathBuf {
        let first = self.lost(number, offset);
        let further = (2_u32..).map(|n| {
            self.path
                .join(format!("lost-{number:010}-{offset}-{n}.bin"))
        });
        let free = |path: &PathBuf| self.storage.open(path, OpenHow::Read).is_err();
        std::iter::once(first.clone())
            .chain(further)
            .find(free)
            .unwrap_or(first)
    }

    /// Puts a file on stable storage, if it is there.
    pub(crate) fn sync_if_there(&self, path: &Path) -> Result<(), Fault> {
        match self
            .storage
            .open(path, OpenHow::Read)
            .doing("opening", path)
        {
            Ok(file) => file.sync().doing("syncing", path),
            Err(Fault::Io { missing: true, .. }) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    /// Opens a segment file by whichever name it has now.
    pub(crate) fn open_segment(
        &self,
        number: u64,
    ) -> Result<(Arc<dyn StorageFile>, PathBuf), Fault> {
        let mut missing = None;
        // A writer may rename it between the two attempts, hence the third.
        for name in [SegmentName::Sealed, SegmentName::Log, SegmentName::Sealed] {
            let path = self.segment(number, name);
            match self
                .storage
                .open(&path, OpenHow::Read)
                .doing("opening", &path)
            {
                Ok(file) => return Ok((file, path)),
                Err(fault @ Fault::Io { missing: true, .. }) => missing = Some(fault),
                Err(other) => return Err(other),
            }
        }
        match missing {
            Some(fault) => Err(fault),
            None => unreachable!("three attempts either open or fail"),
        }
    }

    /// Maps a whole file; none if it is not there.
    pub(crate) fn map(&self, path: &Path) -> Result<Option<Map>, Fault> {
        let opened = self
            .storage
            .open(path, OpenHow::Read)
            .doing("opening", path);
        let file = match opened {
            Err(Fault::Io { missing: true, .. }) => return Ok(None),
            other => other?,
        };
        let len = file.len().doing("reading", path)?;
        file.map(len).doing("mapping", path).map(Some)
    }

    /// What the directory holds now.
    pub(crate) fn list(&self) -> Result<Listing, Fault> {
        let mut listing = Listing::default();
        for name in self.storage.list(&self.path).doing("reading", &self.path)? {
            listing.add(name);
        }
        listing.sort();
        // A crash between the steps of a rename cannot leave both names, but a copied directory can.
        listing.segments.dedup_by_key(|(number, _)| *number);
        Ok(listing)
    }
}

impl Listing {
    pub(crate) fn sort(&mut self) {
        self.segments.sort_unstable();
        self.indexes.sort_unstable();
        self.ids.sort_unstable();
        self.sessions.sort_unstable();
    }

    /// The ranges of segments that tables of a kind cover.
    pub(crate) fn tables(&self, kind: TableKind) -> &[(u64, u64)] {
        match kind {
            TableKind::Ids => &self.ids,
            TableKind::Sessions => &self.sessions,
        }
    }

    /// Takes in what a name says.
    pub(crate) fn add(&mut self, name: String) {
        let Some((stem, ending)) = name.rsplit_once('.') else {
            return;
        };
        match ending {
            "log" => self
                .segments
                .extend(number(stem).map(|n| (n, SegmentName::Log))),
            "seg" => self
                .segments
                .extend(number(stem).map(|n| (n, SegmentName::Sealed))),
            "idx" => self.indexes.extend(number(stem)),
            "tbl" => {
                let range = |text: &str| {
                    let (first, last) = text.split_once('-')?;
                    Some((number(first)?, number(last)?)).filter(|(first, last)| first <= last)
                };
                if let Some(text) = stem.strip_prefix("ids-") {
                    self.ids.extend(range(text));
                } else if let Some(text) = stem.strip_prefix("sessions-") {
                    self.sessions.extend(range(text));
                }
            }
            "tmp" => self.temporary.push(name),
            _ => {}
        }
    }
}

fn number(text: &str) -> Option<u64> {
    let digits = text.len() >= 10 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_names_survive_as_directory_names() {
        for name in [
            "memory:events",
            "a/b",
            "..",
            ".x",
            "demo%20",
            "ünï",
            "x.y-z_1",
        ] {
            let dir = stream_dir(Path::new("root"), name).unwrap();
            let escaped = dir.file_name().unwrap().to_str().unwrap();
            assert!(
                !escaped.starts_with('.') && !escaped.contains('/'),
                "{escaped}"
            );
            assert_eq!(unescape(escaped).as_deref(), Some(name));
        }
        for bad in ["", "a\nb", &":".repeat(128)] {
            assert!(matches!(
                stream_dir(Path::new("root"), bad),
                Err(OpenError::StreamName { .. })
            ));
        }
    }

    #[test]
    fn a_listing_knows_our_names_from_others() {
        let mut listing = Listing::default();
        for name in [
            "0000000001.seg",
            "0000000002.log",
            "0000000001.idx",
            "ids-0000000001-0000000008.tbl",
            "sessions-0000000009-0000000009.tbl",
            "floor.tmp",
            "floor",
            "1.log",
            "x.log",
            "ids-2-1.tbl",
        ] {
            listing.add(name.to_owned());
        }
        assert_eq!(
            listing.segments,
            [(1, SegmentName::Sealed), (2, SegmentName::Log)]
        );
        assert_eq!(listing.indexes, [1]);
        assert_eq!(listing.ids, [(1, 8)]);
        assert_eq!(listing.sessions, [(9, 9)]);
        assert_eq!(listing.temporary, ["floor.tmp"]);
    }
}
