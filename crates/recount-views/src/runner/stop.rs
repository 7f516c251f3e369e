//! What is done where a view cannot take in an entry.

use std::sync::Arc;

use recount_core::{Cursor, Position};

use super::{Maintained, fresh};
use crate::checkpoint::Kept;
use crate::projection::{Finding, Halt};
use crate::views::ViewError;

impl Maintained {
    /// Goes back to the last commit, takes in what comes before the entry that `finding` names, and commits
    /// that with the finding. What cannot be taken in again, not even up to there, is left out.
    pub(super) async fn stop(&mut self, finding: Finding) -> Result<(), ViewError> {
        tracing::error!(%finding, "a view stands still");
        let end = self.kept.checkpoint.cursor();
        self.kept = self.roll_back().await?;
        let stop = finding.position();
        let mut until = end;
        if let Some(before) = stop.entry_id.previous() {
            // As far as it had come, and in the entry's own partition up to right before it.
            let others = until.iter().filter(|at| at.partition != stop.partition);
            until = others
                .chain([Position {
                    entry_id: before,
                    ..stop
                }])
                .collect();
        }
        let committed = self.kept.clone();
        if !self.take_again(until, stop).await? {
            self.roll_back().await?;
            self.kept = committed;
        }
        self.kept.finding = Some(finding);
        let kept = self.kept.clone();
        if let Err(halt) = self
            .work(move |projection| projection.commit(&kept))
            .await?
        {
            if let Halt::Storage(error) = halt {
                return Err(error);
            }
            // It faults on its own rows: they stay as they were committed last.
            let finding = self.kept.finding.take();
            self.kept = self.roll_back().await?;
            self.kept.finding = finding;
            let kept = self.kept.clone();
            if let Err(Halt::Storage(error)) = self
                .work(move |projection| projection.commit(&kept))
                .await?
            {
                return Err(error);
            }
        }
        self.staged = 0;
        Ok(())
    }

    /// False where an entry that was taken in before is not taken in now.
    async fn take_again(&mut self, until: Cursor, stop: Position) -> Result<bool, ViewError> {
        let mut feed = self.feed(Some(until.clone()));
        while let Some(page) = feed.next().await? {
            // Pages do not end where the view had come to.
            let partition = page
                .first()
                .map_or(stop.partition, |first| first.position.partition);
            let last = until.get(partition);
            let end = page.partition_point(|entry| entry.position.entry_id <= last);
            let page = Arc::new(page[..end].to_vec());
            let entries = Arc::clone(&page);
            match self
                .work(move |projection| projection.take(&entries))
                .await?
            {
                Ok(()) => {
                    let history = self.source.log.history(partition).await?;
                    self.kept.checkpoint.advance(&page, history);
                }
                Err(Halt::Entry(_)) => return Ok(false),
                Err(Halt::Storage(error)) => return Err(error),
            }
        }
        Ok(true)
    }

    async fn roll_back(&mut self) -> Result<Kept, ViewError> {
        self.staged = 0;
        let kept = self.work(|projection| {
            projection.roll_back()?;
            Ok::<_, ViewError>(projection.kept().clone())
        });
        let kept = kept.await??;
        if kept == Kept::default() {
            // Nothing was committed yet.
            return Ok(fresh(&*self.kind, &self.source, None));
        }
        Ok(kept)
    }
}
