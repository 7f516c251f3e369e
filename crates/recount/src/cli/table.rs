//! Tables for people, as wide as the terminal.

use unicode_width::UnicodeWidthStr as _;

use super::output::{pad, wrapped};

/// Names on the left, facts on the right, broken where the terminal ends.
pub(crate) fn facts(rows: &[(String, String)], terminal: Option<usize>) -> Vec<String> {
    const FACT_WIDTH_MIN: usize = 20;
    let width = rows.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
    let room = terminal.map_or(usize::MAX, |terminal| {
        terminal.saturating_sub(width + 2).max(FACT_WIDTH_MIN)
    });
    let lines = rows.iter().flat_map(|(name, fact)| {
        let facts = wrapped(fact, room).into_iter();
        let names = std::iter::once(&**name).chain(std::iter::repeat(""));
        names.zip(facts)
    });
    lines
        .map(|(name, fact)| format!("{}  {fact}", pad(name, width)))
        .collect()
}

/// Rows below their titles, in columns, the first `numbers` of them aligned by their last digits. Where
/// the terminal is too narrow for that, each row as facts by title, and an empty line between two.
pub(crate) fn columns(
    titles: &[&str],
    rows: &[Vec<String>],
    numbers: usize,
    terminal: Option<usize>,
) -> Vec<String> {
    let titles: Vec<_> = titles.iter().map(|&title| title.to_owned()).collect();
    let all: Vec<_> = std::iter::once(&titles).chain(rows).collect();
    let lines = aligned(&all, numbers);
    let fits = |width| lines.iter().all(|line| line.width() <= width);
    if terminal.is_none_or(fits) {
        return lines;
    }
    let records = rows.iter().enumerate().flat_map(|(at, row)| {
        let cells = titles.iter().cloned().zip(row.iter().cloned());
        let told: Vec<_> = cells.filter(|(_, cell)| !cell.is_empty()).collect();
        let apart = (at > 0).then(String::new);
        apart.into_iter().chain(facts(&told, terminal))
    });
    records.collect()
}

/// A column of a table that leaves some out where the terminal is narrow.
pub(crate) struct Column {
    pub(crate) title: &'static str,
    /// The columns with the lowest go first.
    pub(crate) keep: u8,
    /// Numbers are aligned by their last digits.
    pub(crate) number: bool,
    pub(crate) cells: Vec<String>,
}

/// Fewer are no table any more.
const COLUMNS_MIN: usize = 3;

/// The columns, numbers first, as many as the terminal is wide enough for. Where not even a few are, each row
/// as facts by title.
pub(crate) fn fitted(mut columns: Vec<Column>, terminal: Option<usize>) -> Vec<String> {
    columns.sort_by_key(|column| !column.number);
    let width = |column: &Column| {
        let cells = column.cells.iter().map(|cell| cell.width());
        cells.max().unwrap_or(0).max(column.title.width())
    };
    let needed = |columns: &[Column]| {
        columns
            .iter()
            .map(|column| width(column) + 2)
            .sum::<usize>()
    };
    let room = terminal.map_or(usize::MAX, |terminal| terminal + 2);
    let mut dropped = Vec::new();
    while columns.len() > COLUMNS_MIN && needed(&columns) > room {
        let least = (0..columns.len()).min_by_key(|&at| columns[at].keep);
        dropped.extend(least.map(|at| (at, columns.remove(at))));
    }
    if needed(&columns) > room {
        // Facts have room for all of them.
        for (at, column) in dropped.into_iter().rev() {
            columns.insert(at, column);
        }
    }
    let titles: Vec<_> = columns.iter().map(|column| column.title).collect();
    let numbers = columns.iter().filter(|column| column.number).count();
    let rows = columns.iter().map(|column| column.cells.len()).max();
    let row = |at: usize| {
        columns
            .iter()
            .map(|column| column.cells[at].clone())
            .collect()
    };
    let rows: Vec<Vec<String>> = (0..rows.unwrap_or(0)).map(row).collect();
    self::columns(&titles, &rows, numbers, terminal)
}

fn aligned(rows: &[&Vec<String>], numbers: usize) -> Vec<String> {
    let number = rows.iter().map(|row| row.len()).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.width()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..number).map(width).collect();
    let line = |row: &&Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, &width))| {
            if column < numbers {
                let room = width.saturating_sub(cell.width());
                format!("{:room$}{cell}", "")
            } else {
                pad(cell, width)
            }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn a_long_fact_goes_on_under_itself() {
        let rows = [
            ("engine".to_owned(), "disk".to_owned()),
            (
                "it".to_owned(),
                "survives a power failure, and more".to_owned(),
            ),
        ];
        assert_eq!(
            facts(&rows, Some(34)),
            [
                "engine  disk",
                "it      survives a power failure,",
                "        and more"
            ]
        );
        assert_eq!(facts(&rows, None).len(), 2);
    }

    #[test]
    fn what_is_too_wide_in_columns_stands_row_by_row() {
        let rows = [words(&["7", "ada", ""]), words(&["1,000", "bob", "away"])];
        let table = |terminal| columns(&["number", "name", "where"], &rows, 1, terminal);
        let wide = ["number  name  where", "     7  ada", " 1,000  bob   away"];
        assert_eq!(table(None), wide);
        assert_eq!(table(Some(19)), wide);
        assert_eq!(
            table(Some(18)),
            [
                "number  7",
                "name    ada",
                "",
                "number  1,000",
                "name    bob",
                "where   away"
            ]
        );
    }

    #[test]
    fn the_columns_that_matter_least_go_first() {
        let column = |title, keep, number, cells: &[&str]| Column {
            title,
            keep,
            number,
            cells: words(cells),
        };
        let table = |terminal| {
            let columns = vec![
                column("name", 9, false, &["ada", "bob"]),
                column("number", 7, true, &["7", "1,000"]),
                column("size", 2, true, &["1", "2"]),
                column("where", 3, false, &["here", "away"]),
            ];
            fitted(columns, terminal)
        };
        let wide = [
            "number  size  name  where",
            "     7     1  ada   here",
            " 1,000     2  bob   away",
        ];
        assert_eq!(table(None), wide);
        assert_eq!(table(Some(25)), wide);
        let narrow = [
            "number  name  where",
            "     7  ada   here",
            " 1,000  bob   away",
        ];
        assert_eq!(table(Some(24)), narrow);
        assert_eq!(table(Some(19)), narrow);
        assert_eq!(table(Some(18)).len(), 2 * 4 + 1);
    }
}
