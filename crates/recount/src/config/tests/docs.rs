//! `docs/configuration.md` is made of the settings.

use std::fmt::Write as _;

use super::*;

/// The documentation's table and example are made of the settings.
#[test]
fn the_documentation_says_what_the_code_does() {
    const RENEW: &str = "RECOUNT_WRITE_DOCS=1 cargo test -p recount --lib config::tests";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let written = std::fs::read_to_string(&path).unwrap();
    let mut page = written.clone();
    for (name, part) in [
        ("table", table()),
        ("example", format!("```toml\n{}```\n", example())),
    ] {
        let (begin, end) = (
            format!("<!-- {name} -->\n"),
            format!("<!-- end of {name} -->"),
        );
        let from = page.find(&begin).expect("a place for it") + begin.len();
        let to = from + page[from..].find(&end).expect("the end of its place");
        page.replace_range(from..to, &part);
    }
    if std::env::var_os("RECOUNT_WRITE_DOCS").is_some() {
        std::fs::write(&path, page).unwrap();
        return;
    }
    assert!(
        written == page,
        "docs/configuration.md is not what the code says; renew it: {RENEW}"
    );
}

fn table() -> String {
    let mut table =
        "| key | variable | flag | default | meaning |\n|---|---|---|---|---|\n".to_owned();
    for setting in SETTINGS {
        let flag = match (setting.flag, setting.commands) {
            (None, _) => String::new(),
            (Some(flag), "") => format!("`{flag}`"),
            (Some(flag), commands) => format!("`{flag}` ({commands})"),
        };
        let default = setting.value(&Config::default());
        let (key, variable, meaning) = (setting.key, setting.variable(), setting.meaning);
        let also = setting
            .also
            .map_or_else(String::new, |also| format!(", else `{also}`"));
        let _ = writeln!(
            table,
            "| `{key}` | `{variable}`{also} | {flag} | `{default}` | {meaning} |"
        );
    }
    table
}
