//! `recount export --format`: whatever the format, it holds what the NDJSON holds.

use std::fs;

use serde_json::{Map, Value};

use super::support::Sandbox;

/// The columns of CSV and Parquet.
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

/// Entries that are hard to write: no event, bytes that are no text, quotes, line ends, formulas.
const HARD: &str = r#"{"entry_id":"5-0","fields":[["a",{"hex":"ff00"}],["b","x, \"y\"\n"]]}
{"entry_id":"6-0","id":"=1+1","type":"message.added","session_id":"a,b","user_id":"@ada","agent_id":"'\"'","trace_id":"日本","causation_id":"-1","timestamp":"1969-12-31T23:59:59.999Z","version":4294967295,"data":{"text":"a \"quoted\", word\r\n;\ttab"}}
{"entry_id":"6-1","id":"e2","type":"note","session_id":"s","timestamp":"2026-01-02T10:00:00Z","version":1,"replayed":true,"data":{"n":1.50}}
"#;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let run = sandbox.run_with(&["import", "-", "--quiet"], HARD);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    sandbox.with_session()
}

/// What the NDJSON export says, cell by cell; nothing where an entry has nothing.
fn expected(sandbox: &Sandbox) -> Vec<Vec<Option<String>>> {
    let export = sandbox.run(&["export"]);
    assert_eq!(export.stdout.lines().count(), 9, "{}", export.stderr);
    let rows = export.stdout.lines().map(|line| {
        let object: Map<String, Value> = serde_json::from_str(line).unwrap();
        let cell = |name: &&str| match object.get(*name) {
            // The text of the data, not what this test makes of it.
            Some(Value::Object(_)) => {
                let (_, data) = line.split_once(r#","data":"#).unwrap();
                Some(data.strip_suffix('}').unwrap().to_owned())
            }
            Some(Value::String(text)) => Some(text.clone()),
            Some(other) => Some(other.to_string()),
            None if *name == "replayed" && object.contains_key("id") => Some("false".to_owned()),
            None => None,
        };
        COLUMNS.iter().map(cell).collect()
    });
    rows.collect()
}

#[test]
fn csv_holds_what_the_json_holds() {
    let sandbox = sandbox();
    let run = sandbox.run(&["export", "--output", "all.CSV"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(
        run.stderr.contains("9 events exported as CSV"),
        "{}",
        run.stderr
    );
    let formulas = "warning: 3 ids begin with =, +, - or @, which a spreadsheet may take";
    assert!(run.stderr.contains(formulas), "{}", run.stderr);

    let mut reader = csv::Reader::from_path(sandbox.path().join("all.CSV")).unwrap();
    assert_eq!(reader.headers().unwrap(), &COLUMNS[..]);
    let rows: Vec<Vec<_>> = reader
        .records()
        .map(|row| {
            let row = row.unwrap();
            row.iter()
                .map(|cell| (!cell.is_empty()).then(|| cell.to_owned()))
                .collect()
        })
        .collect();
    assert_eq!(rows, expected(&sandbox));

    let text = fs::read_to_string(sandbox.path().join("all.CSV")).unwrap();
    let piped = sandbox.run(&["export", "--format", "csv", "--quiet"]);
    assert_eq!(piped.stdout, text);
    let chosen = sandbox.run(&["export", "--session", "s", "--format", "csv"]);
    assert_eq!(chosen.stdout.lines().count(), 2);
    assert!(!chosen.stderr.contains("warning"), "{}", chosen.stderr);
}

#[test]
fn an_empty_log_is_a_line_of_names() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run_with(&["publish"], "").code, Some(0));
    let run = sandbox.run(&["export", "--format", "csv"]);
    assert_eq!(run.stdout, COLUMNS.join(",") + "\n");
}

#[test]
fn a_format_that_was_named_wins_over_the_ending() {
    let sandbox = Sandbox::new().with_session();
    for (file, args, first) in [
        ("a.csv", &[][..], "entry_id,"),
        ("b.ndjson", &["--format", "csv"], "entry_id,"),
        ("c.csv", &["--format", "ndjson"], "{"),
        ("d", &[], "{"),
    ] {
        let args = [&["export", "--output", file], args].concat();
        assert_eq!(sandbox.run(&args).code, Some(0), "{file}");
        let text = fs::read_to_string(sandbox.path().join(file)).unwrap();
        assert!(text.starts_with(first), "{file}");
    }
    sandbox
        .run(&["export", "--format", "xml"])
        .assert_refused(2, &["ndjson, csv, parquet"]);
}

#[cfg(not(feature = "parquet"))]
#[test]
fn parquet_says_how_to_have_it() {
    let sandbox = Sandbox::new().with_session();
    for args in [["--output", "events.parquet"], ["--format", "parquet"]] {
        let run = sandbox.run(&[&["export"], &args[..]].concat());
        run.assert_refused(2, &["built without Parquet", "--features parquet"]);
    }
    assert!(!sandbox.path().join("events.parquet").exists());
}

#[cfg(feature = "parquet")]
mod parquet {
    use std::fs::{self, File};

    use parquet::file::metadata::RowGroupMetaData;
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::record::{Field, Row};

    use super::{COLUMNS, expected, sandbox};
    use crate::support::{Run, Sandbox};

    fn open(sandbox: &Sandbox, name: &str) -> SerializedFileReader<File> {
        SerializedFileReader::new(File::open(sandbox.path().join(name)).unwrap()).unwrap()
    }

    fn cells(row: &Row) -> Vec<Option<String>> {
        let names = row.get_column_iter().map(|(name, _)| name);
        assert!(names.eq(&COLUMNS));
        let cell = |field: &Field| match field {
            Field::Null => None,
            Field::Str(text) => Some(text.clone()),
            Field::UInt(number) => Some(number.to_string()),
            Field::Bool(flag) => Some(flag.to_string()),
            Field::TimestampMillis(ms) => {
                let at = recount::Timestamp::from_millis(*ms).unwrap();
                Some(at.to_string())
            }
            other => panic!("a type that was not to be there: {other:?}"),
        };
        row.get_column_iter()
            .map(|(_, field)| cell(field))
            .collect()
    }

    #[test]
    fn parquet_holds_what_the_json_holds() {
        let sandbox = sandbox();
        let run = sandbox.run(&["export", "--output", "all.parquet"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert!(
            run.stderr.contains("9 events exported as Parquet"),
            "{}",
            run.stderr
        );
        let file = open(&sandbox, "all.parquet");
        let rows = file.get_row_iter(None).unwrap();
        let rows: Vec<_> = rows.map(|row| cells(&row.unwrap())).collect();
        assert_eq!(rows, expected(&sandbox));
        let types: Vec<_> = file
            .metadata()
            .file_metadata()
            .schema_descr()
            .columns()
            .iter()
            .filter_map(|column| column.logical_type_ref().map(|kind| format!("{kind:?}")))
            .collect();
        insta::assert_snapshot!("parquet-types", types.join("\n"));

        let mut command = sandbox.command(&["export", "--format", "parquet"]);
        let piped = command.output().unwrap();
        assert_eq!(
            piped.stdout,
            fs::read(sandbox.path().join("all.parquet")).unwrap()
        );
    }

    #[test]
    fn an_empty_log_is_a_file_without_rows() {
        let sandbox = Sandbox::new();
        assert_eq!(sandbox.run_with(&["publish"], "").code, Some(0));
        let run = sandbox.run(&["export", "--output", "none.parquet"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let file = open(&sandbox, "none.parquet");
        assert_eq!(file.metadata().file_metadata().num_rows(), 0);
    }

    #[test]
    fn row_groups_are_bounded() {
        let sandbox = Sandbox::new();
        let padding = "x".repeat(900_000);
        let line =
            |n| format!(r#"{{"id":"{n}","type":"t","session_id":"s","data":{{"x":"{padding}"}}}}"#);
        let lines: Vec<_> = (0..40).map(line).collect();
        let run = sandbox.run_with(&["publish", "--fsync", "os"], &lines.join("\n"));
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let run: Run = sandbox.run(&["export", "--output", "large.parquet"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let file = open(&sandbox, "large.parquet");
        let groups = file.metadata().row_groups();
        let rows: Vec<_> = groups.iter().map(RowGroupMetaData::num_rows).collect();
        assert_eq!(rows, [38, 2]);
    }
}
