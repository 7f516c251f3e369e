//! Keeping the index of texts.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use recount_core::{Partition, Position, Recorded};
use tantivy::index::SegmentId;
use tantivy::indexer::{IndexWriterOptions, NoMergePolicy};
use tantivy::query::{BooleanQuery, Query, RangeQuery};
use tantivy::schema::Field;
use tantivy::{Index, IndexWriter, SegmentReader, TantivyDocument};

use super::columns::{self, Columns};
use super::error::refused;
use super::files;
use super::merges;
use super::schema::Fields;
use super::seal;
use crate::views::ViewError;

/// Bytes that are collected in memory before a segment is written, at the latest.
const MEMORY_BYTES: usize = 128 << 20;

/// Which part of the time that is kept must be trimmed before it leaves the index.
const TRIM_PARTS: u64 = 16;

/// Writes the index of texts. One at a time.
pub(super) struct Writer {
    dir: PathBuf,
    fields: Fields,
    index: Index,
    /// None only while it is being dropped.
    inner: Option<IndexWriter>,
    /// Events that were taken in, in the life of the index.
    taken: u64,
    committed: u64,
    /// The places of committed segments in the order in which events were taken in.
    places: HashMap<SegmentId, u64>,
    merging: HashSet<SegmentId>,
    /// The last millisecond of which something was taken in, and of each partition the one up to which it was
    /// trimmed.
    newest: u64,
    trimmed: HashMap<Partition, u64>,
}

impl Writer {
    /// Opens the index in `dir`, with what its last commit noted.
    pub(super) fn open(dir: &Path) -> Result<(Self, Option<String>), ViewError> {
        let refused = |error| refused("opening", dir, &error);
        seal::check_all(dir)?;
        let index = files::open(dir).map_err(refused)?;
        let note = index.load_metas().map_err(refused)?.payload;
        Ok((Self::over(dir, index).map_err(refused)?, note))
    }

    /// Makes an empty index in `dir`, whatever is there.
    pub(super) fn create(dir: &Path) -> Result<Self, ViewError> {
        files::create(dir)
            .and_then(|index| Self::over(dir, index))
            .map_err(|error| refused("creating", dir, &error))
    }

    fn over(dir: &Path, index: Index) -> tantivy::Result<Self> {
        let mut places = HashMap::new();
        let mut taken = 0;
        let mut newest = 0;
        for segment in index.searchable_segments()? {
            let reader = SegmentReader::open(&segment)?;
            let (from, to) = columns::order(&reader)?;
            places.insert(segment.id(), from);
            taken = taken.max(to);
            newest = newest.max(Columns::of(&reader)?.bounds().1.ms);
        }
        // One thread splits texts into words while this one reads the log; another one merges.
        let options = IndexWriterOptions::builder()
            .memory_budget_per_thread(MEMORY_BYTES)
            .num_worker_threads(1)
            .num_merge_threads(1)
            .build();
        let writer = index.writer_with_options(options)?;
        writer.set_merge_policy(Box::new(NoMergePolicy));
        Ok(Self {
            dir: dir.to_owned(),
            fields: Fields::new(),
            index,
            inner: Some(writer),
            taken,
            committed: taken,
            places,
            merging: HashSet::new(),
            newest,
            trimmed: HashMap::new(),
        })
    }

    fn writer(&mut self) -> &mut IndexWriter {
        self.inner
            .as_mut()
            .expect("it is taken only when this is dropped")
    }

    /// Takes in `entries`; seen once they are committed. What could not be decoded is left out.
    pub(super) fn take(&mut self, entries: &[Recorded]) -> Result<(), ViewError> {
        for entry in entries {
            let Some(event) = entry.event() else { continue };
            let document: TantivyDocument = self.fields.document(entry.position, event, self.taken);
            self.taken += 1;
            self.newest = self.newest.max(entry.position.entry_id.ms);
            if let Err(error) = self.writer().add_document(document) {
                return Err(refused("writing", &self.dir, &error));
            }
        }
        Ok(())
    }

    /// Makes what was taken in visible and durable, together with `note`.
    pub(super) fn commit(&mut self, note: &str) -> Result<(), ViewError> {
        let commit = |writer: &mut IndexWriter| {
            let mut commit = writer.prepare_commit()?;
            commit.set_payload(note);
            commit.commit()
        };
        let committed = commit(self.writer()).and_then(|_| {
            self.committed = self.taken;
            self.merge()
        });
        committed.map_err(|error| refused("committing", &self.dir, &error))?;
        seal::note_new(&self.dir);
        Ok(())
    }

    /// Forgets what was taken in since the last commit.
    pub(super) fn roll_back(&mut self) -> Result<(), ViewError> {
        if let Err(error) = self.writer().rollback() {
            return Err(refused("rolling back", &self.dir, &error));
        }
        self.writer().set_merge_policy(Box::new(NoMergePolicy));
        self.taken = self.committed;
        self.trimmed.clear();
        self.merging.clear();
        Ok(())
    }

    /// Leaves out, from the next commit on, what the partition of `first` holds of milliseconds before it. It
    /// looks at every event, so it waits until what is trimmed is a part of what there is.
    pub(super) fn trim(&mut self, first: Position) -> Result<(), ViewError> {
        let ms = first.entry_id.ms;
        let trimmed = self.trimmed.entry(first.partition).or_default();
        if ms.saturating_sub(*trimmed) <= self.newest.saturating_sub(ms) / TRIM_PARTS {
            return Ok(());
        }
        *trimmed = ms;
        let below = |field: Field, from, to| -> Box<dyn Query> {
            let term = |value| tantivy::Term::from_field_u64(field, value);
            Box::new(RangeQuery::new(
                std::ops::Bound::Included(term(from)),
                std::ops::Bound::Excluded(term(to)),
            ))
        };
        let partition = u64::from(first.partition);
        let query = BooleanQuery::intersection(vec![
            below(self.fields.partition, partition, partition + 1),
            below(self.fields.ms, 0, ms),
        ]);
        match self.writer().delete_query(Box::new(query)) {
            Ok(_) => Ok(()),
            Err(error) => Err(refused("trimming", &self.dir, &error)),
        }
    }

    /// Lets neighbouring segments become one, in the background.
    fn merge(&mut self) -> tantivy::Result<()> {
        let segments = self.index.searchable_segments()?;
        let mut places = HashMap::with_capacity(segments.len());
        let mut sizes = Vec::with_capacity(segments.len());
        for segment in &segments {
            let id = segment.id();
            let place = match self.places.get(&id) {
                Some(&place) => place,
                None => columns::order(&SegmentReader::open(segment)?)?.0,
            };
            places.insert(id, place);
            sizes.push((place, id, u64::from(segment.meta().num_docs())));
        }
        self.places = places;
        self.merging.retain(|id| self.places.contains_key(id));
        sizes.sort_unstable_by_key(|&(place, ..)| place);
        let free: Vec<Option<u64>> = sizes
            .iter()
            .map(|(_, id, docs)| (!self.merging.contains(id)).then_some(*docs))
            .collect();
        for run in merges::plan(&free) {
            let ids: Vec<SegmentId> = sizes[run].iter().map(|&(_, id, _)| id).collect();
            self.merging.extend(&ids);
            // Nobody waits for it: what it makes is taken in by itself. Where it fails, the next writer
            // tries again.
            drop(self.writer().merge(&ids));
        }
        Ok(())
    }
}

impl Drop for Writer {
    /// Waits for merges: what they write must not meet what the next writer does.
    fn drop(&mut self) {
        if let Some(writer) = self.inner.take() {
            let _ = writer.wait_merging_threads();
            seal::note_new(&self.dir);
        }
    }
}
