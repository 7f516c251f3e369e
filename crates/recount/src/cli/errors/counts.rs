//! Errors by tool and by code.

use std::collections::HashMap;

use recount::Recorded;
use serde_json::{Map, Value, json};

use super::Told;
use crate::cli::output::{fit, one_line, terminal_width, thousands};
use crate::cli::table::columns;

/// Tools and codes that are counted one by one.
const NAMES_MAX: usize = 10_000;
/// Of these, how many are told.
const TOLD_MAX: usize = 10;

#[derive(Default)]
pub(super) struct Counts {
    pub(super) all: u64,
    tools: Names,
    codes: Names,
}

/// How often each name stood there; and how often none, or one too many.
#[derive(Default)]
struct Names {
    named: HashMap<String, u64>,
    unnamed: u64,
}

impl Names {
    fn take(&mut self, name: Option<String>) {
        match name {
            Some(name) if self.named.len() < NAMES_MAX || self.named.contains_key(&name) => {
                *self.named.entry(name).or_default() += 1;
            }
            _ => self.unnamed += 1,
        }
    }

    /// The most frequent first.
    fn top(&self) -> Vec<(&str, u64)> {
        let mut top: Vec<_> = self
            .named
            .iter()
            .map(|(name, &count)| (&**name, count))
            .collect();
        top.sort_unstable_by(|(name, count), (other, others)| {
            others.cmp(count).then(name.cmp(other))
        });
        top.truncate(TOLD_MAX);
        top
    }

    fn table(&self, title: &str) -> Vec<String> {
        const NAME_MAX: usize = 60;
        let mut rows: Vec<_> = self
            .top()
            .into_iter()
            .map(|(name, count)| {
                vec![
                    thousands(count),
                    fit(&one_line(name), NAME_MAX).into_owned(),
                ]
            })
            .collect();
        if rows.is_empty() {
            return Vec::new();
        }
        let told: u64 = self.top().iter().map(|(_, count)| count).sum();
        let all: u64 = self.named.values().sum();
        if all > told {
            rows.push(vec![thousands(all - told), "(others)".to_owned()]);
        }
        if self.unnamed > 0 {
            rows.push(vec![thousands(self.unnamed), "-".to_owned()]);
        }
        let lines = columns(&["errors", title], &rows, 1, terminal_width());
        std::iter::once(String::new()).chain(lines).collect()
    }

    fn document(&self, name: &str) -> Vec<Value> {
        let row = |(named, count): (&str, u64)| {
            let mut row = Map::new();
            row.insert(name.to_owned(), json!(named));
            row.insert("count".to_owned(), json!(count));
            Value::Object(row)
        };
        self.top().into_iter().map(row).collect()
    }
}

impl Counts {
    pub(super) fn take(&mut self, recorded: &Recorded) {
        let told = Told::by(recorded);
        self.all += 1;
        self.tools.take(told.tool);
        self.codes.take(told.code);
    }

    /// For people.
    pub(super) fn tables(&self) -> Vec<String> {
        [self.tools.table("tool"), self.codes.table("code")].concat()
    }

    /// For programs, with the newest errors, each one as its JSON.
    pub(super) fn document(&self, newest: &[String]) -> String {
        format!(
            r#"{{"count":{},"by_tool":{},"by_code":{},"errors":[{}]}}"#,
            self.all,
            json!(self.tools.document("tool")),
            json!(self.codes.document("code")),
            newest.join(",")
        )
    }
}
