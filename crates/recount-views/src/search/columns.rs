//! A segment's columns: where each of its events is.

use std::sync::Arc;

use recount_core::{EntryId, Position};
use tantivy::columnar::ColumnValues;
use tantivy::{DocId, SegmentReader};

use super::schema;

/// The columns of one segment. Within a partition, documents stand in the order of their entries.
pub(super) struct Columns {
    partition: Arc<dyn ColumnValues<u64>>,
    ms: Arc<dyn ColumnValues<u64>>,
    seq: Arc<dyn ColumnValues<u64>>,
    pub happened: Arc<dyn ColumnValues<i64>>,
    pub id: Arc<dyn ColumnValues<u64>>,
}

impl Columns {
    pub(super) fn of(segment: &SegmentReader) -> tantivy::Result<Self> {
        let columns = segment.fast_fields();
        Ok(Self {
            partition: columns.column_first_or_default(schema::PARTITION)?,
            ms: columns.column_first_or_default(schema::MS)?,
            seq: columns.column_first_or_default(schema::SEQ)?,
            happened: columns.column_first_or_default(schema::HAPPENED)?,
            id: columns.column_first_or_default(schema::ID)?,
        })
    }

    /// Where the event of `doc` is.
    pub(super) fn position(&self, doc: DocId) -> Position {
        Position {
            partition: self.partition(doc),
            entry_id: EntryId::new(self.ms.get_val(doc), self.seq.get_val(doc)),
        }
    }

    pub(super) fn partition(&self, doc: DocId) -> u32 {
        self.partition.get_val(doc) as u32
    }

    /// As many partitions as these events may be of; one if they are of one.
    pub(super) fn partitions_max(&self) -> u64 {
        self.partition.max_value() - self.partition.min_value() + 1
    }

    /// Ids that none of these events lies outside of.
    pub(super) fn bounds(&self) -> (EntryId, EntryId) {
        (
            EntryId::new(self.ms.min_value(), 0),
            EntryId::new(self.ms.max_value(), u64::MAX),
        )
    }

    /// How many documents there are.
    pub(super) fn len(&self) -> DocId {
        self.ms.num_vals()
    }

    /// Of documents in the order of their ids, the first whose id is not below `id`.
    pub(super) fn first_from(&self, id: EntryId) -> DocId {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.position(middle).entry_id < id {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

/// The place of the segment's first document among all that were taken in, and of the one after its last.
pub(super) fn order(segment: &SegmentReader) -> tantivy::Result<(u64, u64)> {
    let column = segment
        .fast_fields()
        .column_first_or_default::<u64>(schema::ORDER)?;
    Ok((column.min_value(), column.max_value() + 1))
}
