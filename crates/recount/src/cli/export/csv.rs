//! Events as CSV.

use csv::{ErrorKind, Writer};
use recount::{Event, Recorded};

use super::rows::undecodable;
use super::target::{Name, Sink};
use crate::cli::error::{Failure, Result};
use crate::cli::output::count;
use crate::cli::settings::warn;

/// The keys of the JSON shape, in its order.
const COLUMNS: [&str; 15] = [
    "entry_id",
    "partition",
    "id",
    "type",
    "session_id",
    "user_id",
    "agent_id",
    "trace_id",
    "causation_id",
    "timestamp",
    "version",
    "replayed",
    "data",
    "undecodable",
    "fields",
];

/// A row an event. What an event does not have is an empty cell: no id can be empty.
pub(super) struct CsvRows {
    writer: Writer<Sink>,
    name: Name,
    /// Cells that a spreadsheet may take for more than text.
    formulas: u64,
}

impl CsvRows {
    pub(super) fn new(sink: Sink) -> Result<Self> {
        let name = sink.name();
        let mut rows = Self {
            writer: Writer::from_writer(sink),
            name,
            formulas: 0,
        };
        rows.row(&COLUMNS)?;
        Ok(rows)
    }

    pub(super) fn add(&mut self, recorded: &Recorded) -> Result {
        let position = recorded.position;
        let place = [
            position.entry_id.to_string(),
            position.partition.to_string(),
        ];
        let mut row = [""; COLUMNS.len()];
        [row[0], row[1]] = [&place[0], &place[1]];
        if let Some(event) = recorded.event() {
            let (timestamp, version) = (event.timestamp.to_string(), event.version.to_string());
            let replayed = if event.replayed { "true" } else { "false" };
            let ids = ids(event);
            self.formulas += ids.iter().filter(|id| is_formula(id)).count() as u64;
            row[2..9].copy_from_slice(&ids);
            row[9..13].copy_from_slice(&[&timestamp, &version, replayed, event.data.as_str()]);
            return self.row(&row);
        }
        let (reason, fields) = undecodable(recorded).unwrap_or_default();
        [row[13], row[14]] = [reason, &fields];
        self.row(&row)
    }

    pub(super) fn finish(self) -> Result {
        let sink = self.writer.into_inner();
        let sink = sink.map_err(|error| self.name.failed(error.error()))?;
        sink.finish()?;
        if self.formulas > 0 {
            warn(format_args!(
                "{} with =, +, - or @, which a spreadsheet may take for a formula: let it read the columns as text",
                match self.formulas {
                    1 => "1 id begins".to_owned(),
                    ids => format!("{} begin", count(ids, "id")),
                }
            ));
        }
        Ok(())
    }

    fn row(&mut self, row: &[&str]) -> Result {
        let written = self.writer.write_record(row);
        written.map_err(|error| match error.into_kind() {
            ErrorKind::Io(error) => self.name.failed(&error),
            kind => Failure::new(format!("writing CSV: {kind:?}")),
        })
    }
}

/// The columns from `id` to `causation_id`.
fn ids(event: &Event) -> [&str; 7] {
    let [user, agent, trace, causation] = event.optional_ids().map(|(_, id)| id.unwrap_or(""));
    let (id, event_type) = (event.id.as_str(), event.event_type.as_str());
    [
        id,
        event_type,
        &event.session_id,
        user,
        agent,
        trace,
        causation,
    ]
}

/// Whether a spreadsheet would compute it. It is written as it is all the same: a mark before it
/// would make it another id.
fn is_formula(cell: &str) -> bool {
    cell.starts_with(['=', '+', '-', '@'])
}
