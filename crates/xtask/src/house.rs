//! The house rules that a program can check.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 600;

/// The crates that map files into memory: they may use unsafe code, in modules that say so.
const UNSAFE_ALLOWED: &[&str] = &["recount-disk", "recount-views"];

/// The crate that is nothing but tests.
const CONFORMANCE: &str = "recount-conformance";

/// Folders whose contents are nobody's source.
const SKIPPED: &[&str] = &["target", "node_modules", "recount-data"];

/// Written in two parts, so that this file passes its own check.
const UNFINISHED: &[&str] = &[
    concat!("#[", "ignore"),
    concat!("to", "do!("),
    concat!("unimpl", "emented!("),
];
const SLEEP: &str = concat!("sle", "ep(");

/// Checks every source file and document under `root`.
pub fn check(root: &Path) -> Result<(), String> {
    let mut files = Vec::new();
    list(root, &mut files)?;
    let mut findings = Vec::new();
    for path in &files {
        let text = fs::read_to_string(path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let name = path.strip_prefix(root).unwrap_or(path);
        if path.extension().is_some_and(|extension| extension == "rs") {
            findings.extend(check_source(name, &text));
        } else {
            let exists = |link: &str| path.with_file_name(link).exists();
            findings.extend(check_links(name, &text, exists));
        }
    }
    if findings.is_empty() {
        eprintln!("house rules: {} files in order", files.len());
        return Ok(());
    }
    let mut message = String::new();
    for finding in &findings {
        let _ = writeln!(message, "{finding}");
    }
    Err(format!("{message}house rules: {} broken", findings.len()))
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let failed = |error| format!("cannot list {}: {error}", folder.display());
    let mut entries = fs::read_dir(folder)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if entry.file_type().map_err(failed)?.is_dir() {
            if !name.starts_with('.') && !SKIPPED.contains(&name.as_ref()) {
                list(&path, files)?;
            }
        } else if name.ends_with(".rs") || name.ends_with(".md") {
            files.push(path);
        }
    }
    Ok(())
}

fn check_source(path: &Path, text: &str) -> Vec<String> {
    let shown = path.display();
    let mut findings = Vec::new();
    let lines = text.lines().count();
    if lines > LINES_MAX {
        findings.push(format!(
            "{shown}: {lines} lines, at most {LINES_MAX} are allowed: split it"
        ));
    }

    let mut in_tests = path.ends_with("tests.rs")
        || path
            .iter()
            .any(|part| part == "tests" || part == CONFORMANCE);
    let mut previous = "";
    for (number, line) in (1..).zip(text.lines()) {
        let code = line.trim_start();
        in_tests |= previous == "#[cfg(test)]" && code.starts_with("mod ") && code.ends_with('{');
        previous = code;
        if code.starts_with("//") {
            continue;
        }
        for word in UNFINISHED {
            if code.contains(word) {
                findings.push(format!(
                    "{shown}:{number}: {word} is not allowed: finish it"
                ));
            }
        }
        if in_tests && code.contains(SLEEP) {
            findings.push(format!(
                "{shown}:{number}: a test sleeps: wait for what it needs instead"
            ));
        }
    }

    if path.ends_with("src/lib.rs") {
        findings.extend(check_library(path, text));
    }
    findings
}

fn check_library(path: &Path, text: &str) -> Vec<String> {
    let has = |attribute: &str| text.lines().any(|line| line.trim() == attribute);
    let may_use_unsafe = UNSAFE_ALLOWED
        .iter()
        .any(|allowed| path.iter().any(|part| part == *allowed));
    let mut findings = Vec::new();
    if !has("#![deny(missing_docs)]") {
        findings.push(format!(
            "{}: #![deny(missing_docs)] is missing",
            path.display()
        ));
    }
    if !(has("#![forbid(unsafe_code)]") || may_use_unsafe && has("#![deny(unsafe_code)]")) {
        findings.push(format!(
            "{}: #![forbid(unsafe_code)] is missing",
            path.display()
        ));
    }
    findings
}

/// Finds the links of a document that lead nowhere; `exists` is asked about relative ones.
fn check_links(path: &Path, text: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut findings = Vec::new();
    let mut in_code = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
            continue;
        }
        if in_code {
            continue;
        }
        for rest in line.split("](").skip(1) {
            let link = rest.split([')', ' ']).next().unwrap_or_default();
            let file = link.split('#').next().unwrap_or_default();
            let elsewhere = link.contains("://") || link.starts_with("mailto:");
            if !elsewhere && !file.is_empty() && !exists(file) {
                findings.push(format!(
                    "{}:{number}: the link to {link} leads nowhere",
                    path.display()
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        check_source(Path::new(path), text).len()
    }

    #[test]
    fn unfinished_code_is_found_and_comments_are_not_code() {
        for word in UNFINISHED {
            assert_eq!(findings("src/a.rs", &format!("fn a() {{}}\n  {word}")), 1);
            assert_eq!(findings("src/a.rs", &format!("// {word}")), 0);
        }
    }

    #[test]
    fn sleeping_is_found_in_tests_only() {
        let nap = format!("thread::{SLEEP}second);");
        assert_eq!(findings("src/a.rs", &nap), 0);
        assert_eq!(findings("tests/a.rs", &nap), 1);
        assert_eq!(findings("crates/recount-conformance/src/a.rs", &nap), 1);
        let inline = format!("{nap}\n#[cfg(test)]\nmod tests {{\n    {nap}\n}}");
        assert_eq!(findings("src/a.rs", &inline), 1);
        let declared = format!("#[cfg(test)]\nmod tests;\n{nap}");
        assert_eq!(findings("src/a.rs", &declared), 0);
        assert_eq!(findings("src/a/tests.rs", &nap), 1);
    }

    #[test]
    fn long_files_are_found() {
        assert_eq!(findings("src/a.rs", &"\n".repeat(LINES_MAX)), 0);
        assert_eq!(findings("src/a.rs", &"\n".repeat(LINES_MAX + 1)), 1);
    }

    #[test]
    fn libraries_deny_missing_documentation_and_unsafe_code() {
        let strict = "#![forbid(unsafe_code)]\n#![deny(missing_docs)]";
        let lax = "#![deny(unsafe_code)]\n#![deny(missing_docs)]";
        assert_eq!(findings("crates/a/src/lib.rs", strict), 0);
        assert_eq!(findings("crates/a/src/lib.rs", lax), 1);
        assert_eq!(findings("crates/recount-disk/src/lib.rs", lax), 0);
        assert_eq!(findings("crates/a/src/lib.rs", ""), 2);
        assert_eq!(findings("crates/a/src/main.rs", ""), 0);
    }

    #[test]
    fn only_relative_links_outside_code_are_looked_up() {
        let text = "[a](there.md) [b](gone.md#part) [c](https://x.org/gone.md) [d](#here)\n\
                    ```\n[e](gone.md)\n```\n";
        let found = check_links(Path::new("README.md"), text, |link| link == "there.md");
        assert_eq!(
            found,
            ["README.md:1: the link to gone.md#part leads nowhere"]
        );
    }
}
