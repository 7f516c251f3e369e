//! Mending a damaged `groups.log`.

use std::path::PathBuf;

use super::load::{self, load};
use super::snapshot;
use super::state::State;
use crate::dir::StreamDir;
use crate::error::Fault;
use crate::open::save;
use crate::storage::replace;

/// What became of a damaged file.
pub(crate) struct Mended {
    /// Where it was bad.
    pub(crate) offset: u64,
    /// The groups that are left.
    pub(crate) groups: u64,
    /// Where the damaged file is now.
    pub(crate) saved_to: PathBuf,
}

/// Writes the file anew up to its last frame before the damage, having saved it as it is. None where it is
/// not damaged.
pub(crate) fn mend(dir: &StreamDir) -> Result<Option<Mended>, Fault> {
    let Some(bytes) = load::bytes(dir)? else {
        return Ok(None);
    };
    let (state, number, offset) = match load(&bytes, &dir.meta) {
        Ok(loaded) if loaded.bad.is_some_and(|bad| bad.was_synced) => {
            // Anew, for what came of a part of the bad frame is in the state.
            let kept = load(&bytes[..loaded.end as usize], &dir.meta);
            let state = kept.map(|kept| kept.state).unwrap_or_default();
            (state, loaded.header.number, loaded.end)
        }
        Ok(_) => return Ok(None),
        Err(_) => (State::default(), 0, 0),
    };
    let lost = dir.new_lost_groups(number, 0);
    save(&*dir.storage, &lost, &bytes)?;
    let anew = snapshot::file(&state, &dir.meta, number + 1);
    replace(&*dir.storage, &dir.groups(), &anew)?;
    Ok(Some(Mended {
        offset,
        groups: state.groups.len() as u64,
        saved_to: lost,
    }))
}
