//! `recount search`

use insta::assert_snapshot;
use serde_json::Value;

use super::support::Sandbox;

#[test]
fn hits_are_shown_with_where_they_are() {
    let sandbox = Sandbox::new().with_session();
    assert_snapshot!(
        "search",
        [
            sandbox.run(&["search", "--quiet", "order"]).told(),
            sandbox
                .run(&["search", "--quiet", "--color", "always", "find_order"])
                .told(),
            sandbox
                .run(&["search", "--quiet", "session:s1", "find_order"])
                .told(),
            sandbox
                .run(&["search", "nothing-of-the-kind", "--quiet"])
                .told(),
        ]
        .join("\n")
    );
}

#[test]
fn a_program_gets_event_excerpt_and_score() {
    let sandbox = Sandbox::new().with_session();
    let run = sandbox.run(&["search", "--json", "ORDER my"]);
    let hits: Vec<Value> = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(hits.len(), 1, "{}", run.stderr);
    assert_eq!(hits[0]["event"]["id"], "e2");
    let text = hits[0]["excerpt"]["text"].as_str().unwrap();
    let marks = hits[0]["excerpt"]["marks"].as_array().unwrap();
    let marked = marks.iter().map(|mark| {
        let end = |at: usize| mark[at].as_u64().unwrap() as usize;
        &text[end(0)..end(1)]
    });
    assert_eq!(marked.collect::<Vec<_>>(), ["my", "order"]);
    assert!(hits[0]["score"].as_f64().unwrap() > 0.0);
    let counted = sandbox.run(&["search", "--count", "find_order"]);
    assert_eq!(counted.stdout, "2\n");
    let counted = sandbox.run(&["search", "--count", "--json", "find_order"]);
    assert_eq!(counted.stdout, "{\"count\":2}\n");
}

#[test]
fn the_newest_or_the_last_to_happen_can_come_first() {
    let sandbox = Sandbox::new().with_session();
    for sort in ["recorded", "happened"] {
        let run = sandbox.run(&["search", "--json", "--sort", sort, "find_order"]);
        let first: Value = serde_json::from_str(run.stdout.lines().next().unwrap()).unwrap();
        assert_eq!(first["event"]["id"], "e5", "{sort}");
    }
    let first = sandbox.run(&["search", "find_order", "--json", "--limit", "1"]);
    let (_, rest) = first.stderr.split_once("--cursor ").unwrap();
    let cursor = rest.trim();
    let args = [
        "search",
        "find_order",
        "--json",
        "--limit",
        "1",
        "--cursor",
        cursor,
    ];
    let second = sandbox.run(&args);
    assert_eq!(second.stdout.lines().count(), 1, "{}", second.stderr);
    assert_ne!(first.stdout, second.stdout);
}

#[test]
fn a_search_needs_a_word() {
    let sandbox = Sandbox::new().with_session();
    for query in ["", "type:message.added"] {
        sandbox
            .run(&["search", query])
            .assert_refused(2, &["no word to look for", "recount events"]);
    }
}

#[test]
fn an_index_that_was_lost_is_made_again() {
    let sandbox = Sandbox::new().with_session();
    let found = sandbox.run(&["search", "--json", "ORDER my"]).stdout;
    let data = sandbox.path().join("recount-data");
    let views = find(&data, "views").expect("a directory of views");
    std::fs::remove_dir_all(views).unwrap();
    assert_eq!(sandbox.run(&["search", "--json", "ORDER my"]).stdout, found);
}

fn find(folder: &std::path::Path, name: &str) -> Option<std::path::PathBuf> {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.ends_with(name) {
                return Some(path);
            }
            if let Some(found) = find(&path, name) {
                return Some(found);
            }
        }
    }
    None
}

/// A server's words are looked for in the mirror; without one, one by one.
#[cfg(unix)]
#[test]
fn on_a_server() {
    let server = crate::redis::server();
    let mirrored = Sandbox::on(&server.url()).with_session();
    let run = mirrored.run(&["search", "--json", "ORDER my"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(run.stdout.lines().count(), 1);

    let bare = Sandbox::new().with("RECOUNT_URL", &server.url());
    bare.run(&["search", "where"])
        .assert_refused(1, &["give a directory for mirrors"]);
    for args in [
        &["search", "where", "--sort", "recorded", "--json"][..],
        &["search", "session:s1 where", "--json"],
        &["events", "where", "--json"],
    ] {
        let run = bare.run(args);
        assert_eq!(run.stdout.lines().count(), 1, "{args:?}: {}", run.stderr);
    }
}
