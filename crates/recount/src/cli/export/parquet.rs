//! Events as Parquet.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;
use recount::{Event, Recorded};

use super::rows::undecodable;
use super::target::{Name, Sink};
use crate::cli::error::{Failure, Result};

/// The columns of the CSV, with their types.
const SCHEMA: &str = "
message recount_events {
  REQUIRED BYTE_ARRAY entry_id (STRING);
  REQUIRED INT32 partition (INTEGER(32, false));
  OPTIONAL BYTE_ARRAY id (STRING);
  OPTIONAL BYTE_ARRAY type (STRING);
  OPTIONAL BYTE_ARRAY session_id (STRING);
  OPTIONAL BYTE_ARRAY user_id (STRING);
  OPTIONAL BYTE_ARRAY agent_id (STRING);
  OPTIONAL BYTE_ARRAY trace_id (STRING);
  OPTIONAL BYTE_ARRAY causation_id (STRING);
  OPTIONAL INT64 timestamp (TIMESTAMP(MILLIS, true));
  OPTIONAL INT32 version (INTEGER(32, false));
  OPTIONAL BOOLEAN replayed;
  OPTIONAL BYTE_ARRAY data (JSON);
  OPTIONAL BYTE_ARRAY undecodable (STRING);
  OPTIONAL BYTE_ARRAY fields (JSON);
}";

/// A row group ends at either: it is what this command, and whoever reads the file, holds in
/// memory.
const GROUP_ROWS_MAX: usize = 128 << 10;
const GROUP_BYTES_MAX: usize = 32 << 20;
/// Values handed over at once.
const CHUNK_ROWS: usize = 1_024;

/// Gathers events and writes them in row groups.
pub(super) struct ParquetRows {
    writer: SerializedFileWriter<Taken>,
    name: Name,
    group: Vec<Recorded>,
    group_bytes: usize,
}

impl ParquetRows {
    pub(super) fn new(sink: Sink) -> Result<Self> {
        let name = sink.name();
        let schema = parse_message_type(SCHEMA).expect("the schema is well formed");
        let mut properties = WriterProperties::builder()
            .set_created_by(format!("recount {}", env!("CARGO_PKG_VERSION")))
            .set_compression(Compression::ZSTD(ZstdLevel::default()));
        for distinct in ["entry_id", "id", "data"] {
            properties =
                properties.set_column_dictionary_enabled(ColumnPath::from(distinct), false);
        }
        let properties = Arc::new(properties.build());
        let writer = SerializedFileWriter::new(Taken(Some(sink)), Arc::new(schema), properties)
            .map_err(|error| failed(&name, error))?;
        Ok(Self {
            writer,
            name,
            group: Vec::new(),
            group_bytes: 0,
        })
    }

    pub(super) fn add(&mut self, page: Vec<Recorded>) -> Result {
        for recorded in page {
            self.group_bytes += match recorded.event() {
                Some(event) => event.wire_bytes(),
                None => undecodable(&recorded).map_or(0, |(_, fields)| fields.len()),
            };
            self.group.push(recorded);
            if self.group.len() >= GROUP_ROWS_MAX || self.group_bytes >= GROUP_BYTES_MAX {
                self.write_group()?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result {
        self.write_group()?;
        let finished = self.writer.finish();
        finished.map_err(|error| failed(&self.name, error))?;
        match self.writer.inner_mut().0.take() {
            Some(sink) => sink.finish(),
            None => Ok(()),
        }
    }

    fn write_group(&mut self) -> Result {
        self.group_bytes = 0;
        let group = std::mem::take(&mut self.group);
        if group.is_empty() {
            return Ok(());
        }
        write_group(&mut self.writer, &group).map_err(|error| failed(&self.name, error))
    }
}

/// The sink, until it is taken back. The writer's own way to give it back would tell of an error in
/// words that say nothing about which.
struct Taken(Option<Sink>);

impl Taken {
    fn sink(&mut self) -> io::Result<&mut Sink> {
        let taken = || io::Error::other("the file is finished");
        self.0.as_mut().ok_or_else(taken)
    }
}

impl Write for Taken {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sink()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink()?.flush()
    }
}

/// Writes `group` column by column.
fn write_group(
    file: &mut SerializedFileWriter<Taken>,
    group: &[Recorded],
) -> Result<(), ParquetError> {
    let mut row_group = file.next_row_group()?;
    let mut number = 0;
    while let Some(mut column) = row_group.next_column()? {
        for chunk in group.chunks(CHUNK_ROWS) {
            write_chunk(column.untyped(), number, chunk)?;
        }
        column.close()?;
        number += 1;
    }
    row_group.close()?;
    Ok(())
}

/// The values of one column.
fn write_chunk(
    column: &mut ColumnWriter<'_>,
    number: usize,
    chunk: &[Recorded],
) -> Result<(), ParquetError> {
    match column {
        ColumnWriter::ByteArrayColumnWriter(column) => {
            let (values, levels) = present(chunk.iter().map(|recorded| text(recorded, number)));
            column.write_batch(&values, Some(&levels), None)
        }
        ColumnWriter::Int32ColumnWriter(column) => {
            let (values, levels) = present(chunk.iter().map(|recorded| match number {
                // Unsigned, by their type: the bits are what counts.
                1 => Some(recorded.position.partition as i32),
                _ => recorded.event().map(|event| event.version as i32),
            }));
            column.write_batch(&values, Some(&levels), None)
        }
        ColumnWriter::Int64ColumnWriter(column) => {
            let events = chunk.iter().map(Recorded::event);
            let (values, levels) =
                present(events.map(|event| event.map(|event| event.timestamp.as_millis())));
            column.write_batch(&values, Some(&levels), None)
        }
        ColumnWriter::BoolColumnWriter(column) => {
            let events = chunk.iter().map(Recorded::event);
            let (values, levels) = present(events.map(|event| event.map(|event| event.replayed)));
            column.write_batch(&values, Some(&levels), None)
        }
        _ => unreachable!("the schema has no other types"),
    }
    .map(|_| ())
}

/// The text in a column of an entry; none where it has none.
fn text(recorded: &Recorded, number: usize) -> Option<ByteArray> {
    let of = |text: fn(&Event) -> &str| recorded.event().map(|event| ByteArray::from(text(event)));
    match number {
        0 => Some(recorded.position.entry_id.to_string().into_bytes().into()),
        2 => of(|event| event.id.as_str()),
        3 => of(|event| event.event_type.as_str()),
        4 => of(|event| &event.session_id),
        5..=8 => {
            let (_, id) = recorded.event()?.optional_ids()[number - 5];
            id.map(ByteArray::from)
        }
        12 => of(|event| event.data.as_str()),
        13 => undecodable(recorded).map(|(reason, _)| reason.into()),
        14 => undecodable(recorded).map(|(_, fields)| fields.into_bytes().into()),
        _ => unreachable!("the schema has no other column of text"),
    }
}

/// The values that are there, and for each row whether it has one.
fn present<T>(values: impl Iterator<Item = Option<T>>) -> (Vec<T>, Vec<i16>) {
    let mut there = Vec::with_capacity(CHUNK_ROWS);
    let mut levels = Vec::with_capacity(CHUNK_ROWS);
    for value in values {
        levels.push(i16::from(value.is_some()));
        there.extend(value);
    }
    (there, levels)
}

/// What went wrong, in the words for where it went wrong.
fn failed(name: &Name, error: ParquetError) -> Failure {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => name.failed(&error),
            Err(error) => Failure::new(format!("writing Parquet: {error}")),
        },
        error => Failure::new(format!("writing Parquet: {error}")),
    }
}
