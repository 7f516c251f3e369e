//! What the tests need besides Rust, and how to get it.

use std::path::Path;
use std::process::{Command, Stdio};

/// A program that some test starts.
struct Need {
    /// Its name, looked up in `PATH`.
    program: &'static str,
    /// The Debian packages that bring it.
    debian: &'static [&'static str],
    /// Where to get it elsewhere, in one line.
    elsewhere: &'static str,
}

const NEEDS: &[Need] = &[Need {
    program: "cc",
    debian: &["gcc", "libc6-dev"],
    elsewhere: "Rust links with it: install a C compiler",
}];

/// Installs what is missing, or says how to.
pub fn provide() -> Result<(), String> {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !in_path(need.program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if debian_as_root() {
        let packages: Vec<&str> = missing
            .iter()
            .flat_map(|need| need.debian)
            .copied()
            .collect();
        eprintln!("installing {}", packages.join(" "));
        apt_get(&["update", "--quiet"])?;
        return apt_get(&[&["install", "--yes", "--quiet"], packages.as_slice()].concat());
    }
    let lines: Vec<String> = missing
        .iter()
        .map(|need| {
            format!(
                "the tests need {}: apt-get install {} on Debian; elsewhere: {}",
                need.program,
                need.debian.join(" "),
                need.elsewhere
            )
        })
        .collect();
    Err(lines.join("\n"))
}

fn in_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    })
}

fn debian_as_root() -> bool {
    let id = Command::new("id").arg("-u").stderr(Stdio::null()).output();
    Path::new("/etc/debian_version").exists()
        && id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn apt_get(args: &[&str]) -> Result<(), String> {
    let status = Command::new("apt-get")
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()
        .map_err(|error| format!("cannot start apt-get: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("apt-get {} failed: see above", args.join(" ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_the_path() {
        assert!(in_path("cargo"), "cargo runs this test");
        assert!(!in_path("no-such-program-in-any-path"));
    }

    #[test]
    fn every_need_says_how_to_meet_it() {
        for need in NEEDS {
            assert!(!need.debian.is_empty() && !need.elsewhere.is_empty());
        }
    }
}
