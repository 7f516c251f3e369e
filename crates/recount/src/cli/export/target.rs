//! Where an export goes: a file that is replaced when it is whole, or what stands there already.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::cli::error::{Failure, Result};

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 64 << 10;
/// Links followed at most, as the system does.
const LINKS_MAX: usize = 40;

/// What was named on the command line.
pub(super) enum Target {
    Stdout,
    /// A device or a pipe: written as it is.
    Stream(PathBuf),
    /// A file, to be put under its name when it is finished.
    File {
        /// As it was named.
        named: PathBuf,
        /// Where the links lead.
        real: PathBuf,
        /// Of the file that is to be replaced.
        permissions: Option<Permissions>,
    },
}

impl Target {
    /// Looks at `path` and changes nothing.
    pub(super) fn look(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else {
            return Ok(Self::Stdout);
        };
        let own = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
        if own.iter().any(|own| path == Path::new(own)) {
            return Ok(Self::Stdout);
        }
        let metadata = match fs::metadata(path) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(path, &error)),
        };
        match metadata {
            Some(found) if found.is_dir() => Err(Failure::usage(format!(
                "writing {}: it is a directory, name a file in it",
                path.display()
            ))),
            Some(found) if !found.is_file() || is_descriptor(path) => {
                Ok(Self::Stream(path.to_owned()))
            }
            found => {
                let real = followed(path).map_err(|error| failed(path, &error))?;
                if !folder(&real).is_dir() {
                    return Err(Failure::usage(format!(
                        "writing {}: there is no directory {}",
                        path.display(),
                        folder(&real).display()
                    )));
                }
                Ok(Self::File {
                    named: path.to_owned(),
                    real,
                    permissions: found.map(|found| found.permissions()),
                })
            }
        }
    }

    /// Whether it is a terminal.
    pub(super) fn is_terminal(&self) -> bool {
        matches!(self, Self::Stdout) && io::stdout().is_terminal()
    }

    /// Opens it. Waits for the other end of a named pipe, on a thread where that holds up nothing.
    pub(super) async fn open(self) -> Result<Sink> {
        match self {
            Self::Stdout => Ok(Sink {
                to: To::Stdout(buffered(io::stdout())),
                name: Name(None),
            }),
            Self::Stream(path) => {
                let name = Name(Some(path.clone()));
                let opening = move || OpenOptions::new().append(true).open(&path);
                let opened = tokio::task::spawn_blocking(opening).await;
                let opened = opened.unwrap_or_else(|error| Err(io::Error::other(error)));
                let file = opened.map_err(|error| name.failed(&error))?;
                Ok(Sink {
                    to: To::Stream(buffered(file)),
                    name,
                })
            }
            Self::File {
                named,
                real,
                permissions,
            } => {
                let name = Name(Some(named));
                let file = beside(&real, permissions).map_err(|error| name.failed(&error))?;
                Ok(Sink {
                    to: To::File(buffered(file), real),
                    name,
                })
            }
        }
    }
}

/// Takes the bytes. Dropped before it is finished, it leaves no file behind.
pub(super) struct Sink {
    to: To,
    name: Name,
}

enum To {
    // Not locked: who writes a format may want to be sent between threads.
    Stdout(BufWriter<io::Stdout>),
    Stream(BufWriter<File>),
    /// A temporary file, and where it is to stand.
    File(BufWriter<NamedTempFile>, PathBuf),
}

impl Sink {
    /// What errors are to call it.
    pub(super) fn name(&self) -> Name {
        self.name.clone()
    }

    pub(super) fn finish(self) -> Result {
        let finished = match self.to {
            To::Stdout(mut stdout) => stdout.flush(),
            To::Stream(mut file) => file.flush(),
            To::File(file, real) => keep(file, &real),
        };
        finished.map_err(|error| self.name.failed(&error))
    }

    fn writer(&mut self) -> &mut dyn Write {
        match &mut self.to {
            To::Stdout(stdout) => stdout,
            To::Stream(file) => file,
            To::File(file, _) => file,
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer().flush()
    }
}

/// The name of a target as it was given; none for standard output.
#[derive(Clone)]
pub(super) struct Name(Option<PathBuf>);

impl Name {
    /// That it could not be written.
    pub(super) fn failed(&self, error: &io::Error) -> Failure {
        match &self.0 {
            Some(path) => failed(path, error),
            None => Failure::output(error),
        }
    }
}

fn buffered<W: Write>(writer: W) -> BufWriter<W> {
    BufWriter::with_capacity(BUFFER_BYTES, writer)
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("writing {}: {error}", path.display()))
}

/// Whether `path` names a descriptor of this process: the file behind it is somebody's open one,
/// and a new file in its place would not be seen there.
fn is_descriptor(path: &Path) -> bool {
    let starts = ["/dev/stderr", "/dev/stdin", "/dev/fd", "/proc"];
    starts.iter().any(|start| path.starts_with(start))
}

/// Where the symbolic links that begin at `path` lead, whether anything is there or not.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut real = path.to_owned();
    for _ in 0..LINKS_MAX {
        match fs::symlink_metadata(&real) {
            Ok(found) if found.is_symlink() => {
                // A relative link counts from its own folder.
                real = folder(&real).join(fs::read_link(&real)?);
            }
            _ => return Ok(real),
        }
    }
    Err(io::Error::other("it is a link that leads to itself"))
}

/// A file in the folder of `path`, removed again unless it is kept. Never easier to read than the
/// one that it is to replace.
fn beside(path: &Path, permissions: Option<Permissions>) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".recount-export-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // Of a new file the process's mask decides; an old one's are set below, all of them.
        let first = if permissions.is_some() { 0o600 } else { 0o666 };
        builder.permissions(Permissions::from_mode(first));
    }
    let file = builder.tempfile_in(folder(path)).map_err(|error| {
        // Its text would name the temporary file.
        let kind = error.kind();
        let folder = folder(path).display();
        io::Error::new(kind, format!("no file can be created in {folder}: {kind}"))
    })?;
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions)?;
    }
    Ok(file)
}

/// Puts the finished file under its name, so that a crash leaves the old one or the new one.
fn keep(file: BufWriter<NamedTempFile>, path: &Path) -> io::Result<()> {
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder(path))?.sync_all()
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}
