//! What a query on a server's log waits for: the mirror, which the first one builds.

use indicatif::ProgressBar;
use recount::{Filter, Mirror, Recount};

use super::error::Result;
use super::output::{count, progress_bar, thousands};
use super::settings::{Settings, warn};

/// Sees to it that what passes `filter` can be found, and shows how far that is where it takes long.
pub(super) async fn prepare(log: &Recount, filter: &Filter, settings: &Settings) -> Result {
    let Some(folder) = log.mirror_dir() else {
        return Ok(());
    };
    if !log.needs_mirror(filter).await? {
        return Ok(());
    }
    let is_new = !folder.exists();
    let Some(mirror) = log.mirror().await? else {
        return Ok(());
    };
    if is_new {
        settings.note(format_args!(
            "no mirror of the stream on this machine yet: copying it to {}; if that is stopped, the next \
             query goes on",
            folder.display()
        ));
    }
    let end = log.log().tail().await?;
    let bar = progress_bar(None, "{spinner} {msg}, {elapsed}", settings.quiet());
    tokio::select! {
        caught_up = mirror.caught_up(&end) => caught_up?,
        () = show(&mirror, &bar) => {}
    }
    bar.finish_and_clear();
    let gaps = mirror.partitions_with_gaps().len() as u64;
    if gaps > 0 {
        warn(format_args!(
            "the mirror lacks entries of {}, which were trimmed before they were copied: {} tells which",
            count(gaps, "partition"),
            settings.command("info")
        ));
    }
    Ok(())
}

/// Goes on as long as the mirror does.
async fn show(mirror: &Mirror, bar: &ProgressBar) {
    let mut progress = mirror.progress();
    while progress.changed().await.is_ok() {
        let (mut mirrored, mut expected) = (0, 0);
        for partition in progress.borrow_and_update().iter() {
            mirrored += partition.mirrored;
            expected += partition.expected.max(partition.mirrored);
        }
        bar.set_message(format!(
            "mirroring: {} of about {}",
            thousands(mirrored),
            count(expected, "event")
        ));
        bar.tick();
    }
    std::future::pending::<()>().await;
}
