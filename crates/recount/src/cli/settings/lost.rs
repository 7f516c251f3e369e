//! A stream that its server does not have, and a mirror on this machine has.

use std::fs;
use std::path::{Path, PathBuf};

use recount::{EntryId, LogUrl};

use super::Settings;
use crate::cli::output::{quoted, some_of};

/// What a mirror holds of the stream.
pub(super) struct Mirrored {
    /// The mirror's directory.
    dir: PathBuf,
    /// What the stream's partitions are called there, and what was set aside of them.
    names: Vec<String>,
    /// The last id of all, and the partition that has it.
    up_to: EntryId,
    newest: String,
}

impl Settings {
    /// The mirror that holds something of the stream that the server does not have; none where there is none.
    pub(super) async fn mirrored(&self) -> Option<Mirrored> {
        let LogUrl::Redis(server) = self.url() else {
            return None;
        };
        let begin = letters(&format!("{server}-{}", self.stream()));
        for entry in fs::read_dir(self.config().mirror.as_ref()?).ok()?.flatten() {
            // A mirror's directory is called by its server and stream, as far as there is room.
            let called = letters(&entry.file_name().to_string_lossy());
            let common = called.chars().zip(begin.chars());
            let alike = common.take_while(|(a, b)| a == b).count();
            if alike < begin.len().min(COMPARED) {
                continue;
            }
            let dir = entry.path();
            let mut names = recount_disk::streams(&dir.join("data")).unwrap_or_default();
            names.retain(|name| self.is_partition(set_aside_of(name).unwrap_or(name)));
            let (mut up_to, mut newest) = (EntryId::MIN, None);
            for name in &names {
                let last = self.last_in(&dir, name).await.unwrap_or(EntryId::MIN);
                if last > up_to {
                    (up_to, newest) = (last, Some(name.clone()));
                }
            }
            if let Some(newest) = newest {
                return Some(Mirrored {
                    dir,
                    names,
                    up_to,
                    newest,
                });
            }
        }
        None
    }

    /// Whether that is what a partition of the stream is called.
    fn is_partition(&self, name: &str) -> bool {
        name.strip_prefix(self.stream())
            .is_some_and(|rest| rest.is_empty() || (rest.starts_with(":{") && rest.ends_with('}')))
    }

    /// The last id of a stream of the mirror.
    async fn last_in(&self, dir: &Path, name: &str) -> Option<EntryId> {
        let copy = self.elsewhere(LogUrl::Disk(dir.join("data")), name.to_owned());
        let log = copy.builder().read_only().open().await.ok()?;
        let tail = log.log().tail().await.ok()?;
        log.close().await.ok()?;
        Some(tail.get(0))
    }
}

/// So many letters and digits of a server and a stream stand at least in the name of the mirror's directory.
const COMPARED: usize = 40;

/// The stream of which another one was set aside, as `<stream>:diverged-<number>`.
fn set_aside_of(name: &str) -> Option<&str> {
    let (stream, number) = name.rsplit_once(":diverged-")?;
    number
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(stream)
}

/// The letters and digits of a name.
fn letters(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect()
}

impl Mirrored {
    /// What is there, and the command that shows it.
    pub(super) fn hint(&self) -> String {
        let url = format!("disk:{}", self.dir.join("data").display());
        let partitions = match &*self.names {
            [_] => String::new(),
            several => format!("; all of its streams: {}", some_of(several)),
        };
        format!(
            "the mirror in {} holds what was copied of it, up to {}: recount events --url {} --stream {} shows \
             that{partitions}",
            self.dir.display(),
            self.up_to,
            quoted(&url),
            quoted(&self.newest),
        )
    }
}
