//! Views: the way from a handle to what is made of its log and kept up to date.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use recount_core::EventLog;
use recount_views::{Registered, Views, ViewsOptions};

use crate::Recount;

/// Where the views of a log are kept, and what they read.
pub(crate) struct Place {
    dir: PathBuf,
    /// The log as it lies on this machine, its events in their newest version.
    source: Arc<dyn EventLog>,
    options: ViewsOptions,
    opened: Mutex<Option<Views>>,
}

impl Place {
    pub(crate) fn new(dir: PathBuf, source: Arc<dyn EventLog>, options: ViewsOptions) -> Self {
        Self {
            dir,
            source,
            options,
            opened: Mutex::default(),
        }
    }

    fn open(&self) -> Result<Views, ViewsError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(views) = &*opened {
            return Ok(views.clone());
        }
        let source = Arc::clone(&self.source);
        let views = Views::open(&self.dir, source, self.options.clone())?;
        Ok(opened.insert(views).clone())
    }
}

/// Why there are no views.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewsError {
    /// The stream is on a server, and this machine has no copy of it that they could be made of.
    #[error(
        "views are made of a stream's copy on this machine: give a directory for mirrors (Builder::mirror, --mirror, \
         the setting `mirror`)"
    )]
    NeedMirror,
    /// The handle is over a log of another kind, of which no directory is known ([`Recount::over`]).
    #[error("views need a log that was opened by its URL: this handle knows no directory for them")]
    NoDirectory,
    /// They could not be opened.
    #[error(transparent)]
    View(#[from] recount_views::ViewError),
}

impl ViewsError {
    /// A stable name for programs to tell errors apart by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NeedMirror => "views_need_mirror",
            Self::NoDirectory => "views_need_directory",
            Self::View(error) => error.code(),
        }
    }
}

impl Recount {
    /// What is made of the log and kept on this machine: the sessions, the full text, and views of your own
    /// ([`crate::Builder::view`]). Nothing is read until they are asked for something.
    ///
    /// On disk they stand beside the stream, for a stream on a server beside its mirror.
    pub fn views(&self) -> Result<Views, ViewsError> {
        match self.view_place() {
            Some(place) => place.open(),
            None if self.origin().is_some() => Err(ViewsError::NeedMirror),
            None => Err(ViewsError::NoDirectory),
        }
    }

    /// The views, if any were kept by an earlier question and can be opened. For what goes faster with them
    /// and is the same without.
    pub(crate) fn kept_views(&self) -> Option<Views> {
        let place = self.view_place()?;
        if !place.dir.is_dir() {
            return None;
        }
        place
            .open()
            .inspect_err(|error| tracing::warn!(%error, "the views are not used"))
            .ok()
    }
}

/// The views that a log is opened with.
pub(crate) type Registry = Vec<Registered>;
