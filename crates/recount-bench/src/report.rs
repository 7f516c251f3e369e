//! What a benchmark found, as tables and as JSON.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

/// One case: who was measured and what the floors say.
pub struct CaseReport {
    pub name: String,
    pub what: String,
    pub rows: Vec<Row>,
    pub floors: Vec<Floor>,
    pub notes: Vec<String>,
}

/// One subject's medians.
pub struct Row {
    pub subject: String,
    pub cells: Vec<Cell>,
}

/// A number with its name, which carries the unit.
pub struct Cell {
    pub name: &'static str,
    pub value: Option<f64>,
    pub decimals: usize,
}

impl Cell {
    pub fn new(name: &'static str, value: impl Into<Option<f64>>, decimals: usize) -> Self {
        Self {
            name,
            value: value.into(),
            decimals,
        }
    }
}

/// What must hold.
pub struct Floor {
    pub what: String,
    /// None where it could not be measured.
    pub value: Option<f64>,
    pub bound: Bound,
}

/// Which way a floor bounds its value.
#[derive(Clone, Copy)]
pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Floor {
    /// Enough to tell a value from its bound.
    fn decimals(&self) -> usize {
        let (Bound::AtLeast(limit) | Bound::AtMost(limit)) = self.bound;
        if limit < 0.1 { 4 } else { 2 }
    }

    fn met(&self) -> Option<bool> {
        let value = self.value?;
        Some(match self.bound {
            Bound::AtLeast(least) => value >= least,
            Bound::AtMost(most) => value <= most,
        })
    }
}

/// The middle value; the mean of the middle two of an even number.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

/// Prints the cases: tables, or one JSON document.
pub fn print(benchmark: &str, cases: &[CaseReport], as_json: bool) {
    if as_json {
        let cases: Vec<Value> = cases.iter().map(CaseReport::to_json).collect();
        println!("{}", json!({ "benchmark": benchmark, "cases": cases }));
    } else {
        for case in cases {
            println!("{}", case.to_table());
        }
    }
}

impl CaseReport {
    fn to_table(&self) -> String {
        let mut out = format!("{}: {}\n", self.name, self.what);
        let wide = self.rows.iter().map(|row| row.subject.len()).max();
        let wide = wide.unwrap_or(0);
        if let Some(first) = self.rows.first() {
            let _ = write!(out, "  {:wide$}", "");
            for cell in &first.cells {
                let _ = write!(out, "  {}", cell.name);
            }
            out.push('\n');
        }
        for row in &self.rows {
            let _ = write!(out, "  {:wide$}", row.subject);
            for cell in &row.cells {
                let width = cell.name.len();
                let value = cell.value.map(|value| format!("{value:.*}", cell.decimals));
                let value = value.unwrap_or_else(|| "-".to_owned());
                let _ = write!(out, "  {value:>width$}");
            }
            out.push('\n');
        }
        for floor in &self.floors {
            let decimals = floor.decimals();
            let value = floor.value.map(|value| format!("{value:.decimals$}"));
            let value = value.unwrap_or_else(|| "not measured".to_owned());
            let bound = match floor.bound {
                Bound::AtLeast(least) => format!("at least {least}"),
                Bound::AtMost(most) => format!("at most {most}"),
            };
            let met = match floor.met() {
                Some(true) => ": met",
                Some(false) => ": NOT MET",
                None => "",
            };
            let _ = writeln!(out, "  {}: {value} ({bound}){met}", floor.what);
        }
        for note in &self.notes {
            let _ = writeln!(out, "  {note}");
        }
        out
    }

    fn to_json(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(Row::to_json).collect();
        let floors: Vec<Value> = self
            .floors
            .iter()
            .map(|floor| {
                let (bound, limit) = match floor.bound {
                    Bound::AtLeast(least) => ("at_least", least),
                    Bound::AtMost(most) => ("at_most", most),
                };
                json!({
                    "what": floor.what,
                    "value": floor.value,
                    bound: limit,
                    "met": floor.met(),
                })
            })
            .collect();
        json!({
            "case": self.name,
            "what": self.what,
            "rows": rows,
            "floors": floors,
            "notes": self.notes,
        })
    }
}

impl Row {
    fn to_json(&self) -> Value {
        let mut row = Map::new();
        row.insert("subject".to_owned(), self.subject.as_str().into());
        for cell in &self.cells {
            row.insert(cell.name.to_owned(), cell.value.into());
        }
        Value::Object(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn floors_are_met_or_missed_or_not_measured() {
        let floor = |value, bound| Floor {
            what: String::new(),
            value,
            bound,
        };
        assert_eq!(floor(Some(0.7), Bound::AtLeast(0.7)).met(), Some(true));
        assert_eq!(floor(Some(0.6), Bound::AtLeast(0.7)).met(), Some(false));
        assert_eq!(floor(Some(46.0), Bound::AtMost(45.0)).met(), Some(false));
        assert_eq!(floor(None, Bound::AtMost(45.0)).met(), None);
    }
}
