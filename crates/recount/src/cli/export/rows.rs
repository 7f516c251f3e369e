//! Events in the format that was asked for.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;

use clap::ValueEnum;
use recount::{Body, Recorded, Undecodable, json};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::csv::CsvRows;
#[cfg(feature = "parquet")]
use super::parquet::ParquetRows;
use super::target::{Sink, Target};
use crate::cli::error::{Failure, Result};

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A JSON object a line; the one that can be imported again
    Ndjson,
    /// A row an event under a line of names, for spreadsheets and data frames
    Csv,
    /// Typed columns in compressed groups, for analytics; if recount was built with it
    Parquet,
}

impl Format {
    /// What the ending of a file's name asks for.
    pub(super) fn of(path: &Path) -> Self {
        let ending = path.extension().map(OsStr::to_ascii_lowercase);
        match ending.as_deref().and_then(|ending| ending.to_str()) {
            Some("csv") => Self::Csv,
            Some("parquet") => Self::Parquet,
            _ => Self::Ndjson,
        }
    }

    /// Its name, for people.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Ndjson => "NDJSON",
            Self::Csv => "CSV",
            Self::Parquet => "Parquet",
        }
    }

    /// Refuses what cannot be written there.
    pub(super) fn check(self, target: &Target) -> Result {
        if self != Self::Parquet {
            return Ok(());
        }
        if !cfg!(feature = "parquet") {
            return Err(
                Failure::usage("this recount was built without Parquet").hint(
                    "cargo install --path crates/recount --features parquet builds one with it; CSV and NDJSON need nothing",
                ),
            );
        }
        if target.is_terminal() {
            return Err(
                Failure::usage("Parquet is binary: it is not written to a terminal")
                    .hint("--output FILE.parquet"),
            );
        }
        Ok(())
    }
}

/// Takes the events and writes them, some time.
pub(super) enum Rows {
    Ndjson(Sink),
    Csv(Box<CsvRows>),
    #[cfg(feature = "parquet")]
    Parquet(Box<ParquetRows>),
}

impl Rows {
    pub(super) fn new(format: Format, sink: Sink) -> Result<Self> {
        Ok(match format {
            Format::Ndjson => Self::Ndjson(sink),
            Format::Csv => Self::Csv(Box::new(CsvRows::new(sink)?)),
            #[cfg(feature = "parquet")]
            Format::Parquet => Self::Parquet(Box::new(ParquetRows::new(sink)?)),
            #[cfg(not(feature = "parquet"))]
            Format::Parquet => unreachable!("refused by Format::check"),
        })
    }

    pub(super) fn add(&mut self, page: Vec<Recorded>) -> Result {
        match self {
            Self::Ndjson(sink) => {
                for recorded in page {
                    let written = writeln!(sink, "{}", json::line(&recorded));
                    written.map_err(|error| sink.name().failed(&error))?;
                }
                Ok(())
            }
            Self::Csv(rows) => page.iter().try_for_each(|recorded| rows.add(recorded)),
            #[cfg(feature = "parquet")]
            Self::Parquet(rows) => rows.add(page),
        }
    }

    /// Writes what is left, and puts a file under its name.
    pub(super) fn finish(self) -> Result {
        match self {
            Self::Ndjson(sink) => sink.finish(),
            Self::Csv(rows) => rows.finish(),
            #[cfg(feature = "parquet")]
            Self::Parquet(rows) => rows.finish(),
        }
    }
}

/// What is recorded of an entry that is no event: why, and its fields as in the JSON shape.
pub(super) fn undecodable(recorded: &Recorded) -> Option<(&str, String)> {
    #[derive(Deserialize)]
    struct Line<'a> {
        #[serde(borrow)]
        fields: &'a RawValue,
    }
    let Body::Undecodable(Undecodable { reason, .. }) = &recorded.body else {
        return None;
    };
    let line = json::line(recorded);
    let line: Line<'_> = serde_json::from_str(&line).expect("the line of an undecodable entry");
    Some((reason, line.fields.get().to_owned()))
}
