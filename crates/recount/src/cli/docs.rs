//! `docs/cli.md`: the parser as a page to be read. A test keeps it true.

mod page;

use std::fs;
use std::path::Path;

const RENEW: &str = "RECOUNT_WRITE_DOCS=1 cargo test -p recount --bin recount cli::docs";

#[test]
fn the_page_says_what_the_parser_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    let page = page::render(RENEW);
    if std::env::var_os("RECOUNT_WRITE_DOCS").is_some() {
        fs::write(&path, page).unwrap();
        return;
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let mut lines = written.lines().zip(page.lines()).enumerate();
    let first = lines.find(|(_, (written, now))| written != now);
    assert!(
        written == page,
        "docs/cli.md is not what the parser says{}\nrenew it: {RENEW}",
        first.map_or(String::new(), |(at, (written, now))| format!(
            ", from line {}:\n  written {written:?}\n  now     {now:?}",
            at + 1
        ))
    );
}

#[test]
fn every_link_leads_to_a_heading() {
    let page = page::render(RENEW);
    let headings = page.lines().filter_map(|line| line.split_once("# "));
    let anchors: Vec<_> = headings
        .map(|(_, title)| title.to_lowercase().replace(' ', "-"))
        .collect();
    let links: Vec<_> = page
        .split("](#")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .collect();
    assert!(links.len() > 10, "{links:?}");
    for link in links {
        assert!(anchors.iter().any(|anchor| anchor == link), "{link}");
    }
}
