//! A [`View`] as the runner drives it: its rows and its checkpoint in one transaction.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use recount_core::{Position, Recorded};

use super::files;
use super::snapshot::Snapshot;
use super::store::{KEPT_KEY, Store, row_key, stored_value};
use super::{Rows, RowsError, Staged};
use crate::checkpoint::Kept;
use crate::projection::{Finding, Halt, Kind, Projection};
use crate::view::{Fault, View};
use crate::views::ViewError;

/// A view that keeps rows, and how a fresh one is made.
pub(crate) struct RowsKind<V> {
    name: String,
    version: u32,
    make: Arc<dyn Fn() -> V + Send + Sync>,
}

impl<V: View> RowsKind<V> {
    pub(crate) fn new(make: impl Fn() -> V + Send + Sync + 'static) -> Self {
        let view = make();
        Self {
            name: view.name().to_owned(),
            version: view.version(),
            make: Arc::new(make),
        }
    }
}

impl<V: View> Kind for RowsKind<V> {
    fn name(&self) -> &str {
        &self.name
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn open(&self, dir: &Path) -> Result<Box<dyn Projection>, ViewError> {
        let store = files::maintained(dir)?;
        let committed = Snapshot::of(&store)?;
        let kept = committed.kept()?.unwrap_or_default();
        Ok(Box::new(RowsProjection {
            name: self.name.clone(),
            store,
            committed: Some(committed),
            staged: Staged::new(),
            staged_bytes: 0,
            view: (self.make)(),
            make: Arc::clone(&self.make),
            kept,
            last: None,
        }))
    }

    fn remove(&self, dir: &Path) -> Result<(), ViewError> {
        Ok(files::remove(dir)?)
    }

    fn look(&self, dir: &Path) -> Result<Option<Kept>, ViewError> {
        match Snapshot::open(dir)? {
            Some(snapshot) => Ok(snapshot.kept()?),
            None => Ok(None),
        }
    }
}

struct RowsProjection<V> {
    name: String,
    store: Arc<Store>,
    /// What the view reads under what is staged; none while it is being replaced by the next commit.
    committed: Option<Snapshot>,
    staged: Staged,
    staged_bytes: usize,
    view: V,
    make: Arc<dyn Fn() -> V + Send + Sync>,
    kept: Kept,
    /// The last entry taken in, for a fault of what is done after it.
    last: Option<Finding>,
}

impl<V: View> RowsProjection<V> {
    /// Lets the view work on its rows; a panic is a fault.
    fn work<T>(
        &mut self,
        work: impl FnOnce(&mut V, &mut Rows<'_>) -> Result<T, Fault>,
    ) -> Result<T, Trouble> {
        let committed = match &self.committed {
            Some(committed) => committed,
            None => self
                .committed
                .insert(Snapshot::of(&self.store).map_err(ViewError::from)?),
        };
        let mut rows = Rows {
            committed,
            staged: &mut self.staged,
            staged_bytes: &mut self.staged_bytes,
        };
        let view = &mut self.view;
        match catch_unwind(AssertUnwindSafe(|| work(view, &mut rows))) {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(Fault::Refused(reason))) => Err(Trouble::Fault(reason)),
            // As much the view's own doing.
            Ok(Err(Fault::Rows(error @ RowsError::Key { .. }))) => {
                Err(Trouble::Fault(error.to_string()))
            }
            Ok(Err(Fault::Rows(error))) => Err(Trouble::Storage(error.into())),
            Err(panic) => Err(Trouble::Fault(format!(
                "it panicked: {}",
                words_of(&*panic)
            ))),
        }
    }

    /// As `work`, of what is done after entries: a fault is laid on the last one.
    fn work_after(
        &mut self,
        doing: &str,
        work: impl FnOnce(&mut V, &mut Rows<'_>) -> Result<(), Fault>,
    ) -> Result<(), Halt> {
        self.work(work)
            .map_err(|trouble| match (trouble, self.last.clone()) {
                (Trouble::Fault(reason), Some(mut finding)) => {
                    finding.reason = format!("{doing} after it: {reason}");
                    Halt::Entry(finding)
                }
                (Trouble::Fault(message), None) => Halt::Storage(ViewError::Storage {
                    action: "writing the rows of",
                    path: self.name.clone(),
                    message,
                }),
                (Trouble::Storage(error), _) => Halt::Storage(error),
            })
    }

    fn write(&mut self, kept: &Kept) -> Result<(), RowsError> {
        let store = Arc::clone(&self.store);
        store.check_in_place()?;
        let failed = |error: heed::Error| store.failed("writing", &error);
        // Held any longer, it would keep the pages from being used again.
        self.committed = None;
        let mut txn = store.env().write_txn().map_err(failed)?;
        let rows = store.rows();
        let (mut key, mut stored) = (row_key(&[]), Vec::new());
        for (row, value) in &self.staged {
            key.truncate(1);
            key.extend_from_slice(row);
            match value {
                Some(value) => {
                    stored_value(&key, value, &mut stored);
                    rows.put(&mut txn, &key, &stored).map_err(failed)?;
                }
                None => {
                    rows.delete(&mut txn, &key).map_err(failed)?;
                }
            }
        }
        let bytes = postcard::to_stdvec(kept).map_err(|error| RowsError::Storage {
            action: "writing",
            path: store.path().display().to_string(),
            message: error.to_string(),
        })?;
        stored_value(KEPT_KEY, &bytes, &mut stored);
        rows.put(&mut txn, KEPT_KEY, &stored).map_err(failed)?;
        txn.commit().map_err(failed)?;
        store.seal();
        self.committed = Some(Snapshot::of(&store)?);
        Ok(())
    }
}

impl<V: View> Projection for RowsProjection<V> {
    fn kept(&self) -> &Kept {
        &self.kept
    }

    fn take(&mut self, entries: &[Recorded]) -> Result<(), Halt> {
        let mut at = 0;
        let taken = self.work(|view, rows| {
            for entry in entries {
                view.apply(entry, rows)?;
                at += 1;
            }
            Ok(())
        });
        match taken {
            Ok(()) => {
                if let Some(last) = entries.last() {
                    self.last = Some(Finding::new(&self.name, last, ""));
                }
                Ok(())
            }
            Err(Trouble::Fault(reason)) => {
                Err(Halt::Entry(Finding::new(&self.name, &entries[at], reason)))
            }
            Err(Trouble::Storage(error)) => Err(Halt::Storage(error)),
        }
    }

    fn staged_bytes(&self) -> usize {
        self.staged_bytes
    }

    fn trimmed(&mut self, first: Position) -> Result<(), Halt> {
        self.work_after("letting trimmed entries go", |view, rows| {
            view.trimmed(first, rows)
        })
    }

    fn commit(&mut self, kept: &Kept) -> Result<(), Halt> {
        self.work_after("writing its rows", View::flush)?;
        self.write(kept).map_err(ViewError::from)?;
        self.staged.clear();
        self.staged_bytes = 0;
        self.kept = kept.clone();
        Ok(())
    }

    fn roll_back(&mut self) -> Result<(), ViewError> {
        self.staged.clear();
        self.staged_bytes = 0;
        self.last = None;
        self.view = (self.make)();
        self.committed = Some(Snapshot::of(&self.store)?);
        Ok(())
    }
}

enum Trouble {
    Fault(String),
    Storage(ViewError),
}

impl From<ViewError> for Trouble {
    fn from(error: ViewError) -> Self {
        Self::Storage(error)
    }
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let words = panic
        .downcast_ref::<&str>()
        .map(|words| (*words).to_owned());
    words
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without words".into())
}
