//! `recount.toml` from the file system, never more of it than a configuration can be.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use recount::config::{ConfigFile, FILE_BYTES_MAX};

use super::report;
use crate::cli::error::{Failure, Result};

const NAME: &str = "recount.toml";

/// The file of the current folder; none where there is none.
pub(super) fn of_this_folder() -> Result<Option<ConfigFile>> {
    let path = Path::new(NAME);
    match read(path) {
        // A link that leads nowhere was meant to lead somewhere.
        Err(error)
            if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() =>
        {
            Ok(None)
        }
        contents => parsed(path, contents, "").map(Some),
    }
}

/// The file that the flag or variable `source` names, which must exist.
pub(super) fn named(source: &str, path: &Path) -> Result<ConfigFile> {
    parsed(path, read(path), &format!("{source}: "))
}

fn parsed(path: &Path, contents: io::Result<Vec<u8>>, source: &str) -> Result<ConfigFile> {
    let contents = contents.map_err(|error| {
        let path = path.display();
        Failure::usage(match error.kind() {
            io::ErrorKind::NotFound => format!("{source}there is no file {path}"),
            io::ErrorKind::IsADirectory => {
                format!("{source}{path} is a directory: a file with settings is wanted")
            }
            _ => format!("{source}reading {path}: {error}"),
        })
    })?;
    ConfigFile::parse(path, &contents).map_err(|errors| report::failure(&errors))
}

/// The file's contents, or as much of them as shows that they are too long.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let mut contents = Vec::new();
    file.take(FILE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut contents)?;
    Ok(contents)
}
