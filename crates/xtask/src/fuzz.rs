//! Runs the fuzz targets: `cargo xtask fuzz`.
//!
//! The fuzzers are built as cargo-fuzz builds them, but for its address sanitizer: nothing here is
//! unsafe. So nothing need be installed besides a nightly compiler.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{root, succeed};

pub const USAGE: &str = "\
usage: cargo xtask fuzz [TARGET] [--seconds N]

Fuzzes every target, or one, for 30 seconds each. The corpus is in fuzz/corpus, what is found on the
way in fuzz/target/found, an input that fails in fuzz/artifacts. Needs a nightly compiler
(`rustup toolchain install nightly`) and a C++ compiler; without them nothing is done.

  TARGET       frames, segments, codec, ids, ndjson, chat or config
  --seconds N  how long each; default 30";

const TARGETS: [&str; 7] = [
    "frames", "segments", "codec", "ids", "ndjson", "chat", "config",
];

/// What makes the compiler count which code an input reaches.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Ccodegen-units=1 --cfg fuzzing";

pub fn run(args: &[&str]) -> Result<(), String> {
    let (targets, seconds) = parse(args)?;
    if let Some(missing) = missing() {
        eprintln!("nothing was fuzzed: {missing}");
        return Ok(());
    }
    let fuzz = root().join("fuzz");
    let built = build(&fuzz, &targets)?;
    let mut failed = Vec::new();
    for target in targets {
        eprintln!("fuzzing {target} for {seconds} s");
        if let Err(message) = fuzz_one(&fuzz, &built, target, seconds) {
            eprintln!("{message}");
            failed.push(target);
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("fuzzing found failures of {}", failed.join(", ")))
    }
}

fn parse(args: &[&str]) -> Result<(Vec<&'static str>, u64), String> {
    let mut targets = TARGETS.to_vec();
    let mut seconds = 30;
    let mut args = args.iter().copied();
    while let Some(arg) = args.next() {
        if arg == "--seconds" {
            seconds = args
                .next()
                .and_then(|seconds| seconds.parse().ok())
                .ok_or(USAGE)?;
        } else {
            targets.retain(|target| *target == arg);
        }
    }
    if targets.is_empty() {
        return Err(USAGE.to_owned());
    }
    Ok((targets, seconds))
}

/// What is not there that fuzzing needs, and how to get it.
fn missing() -> Option<&'static str> {
    let works = |program: &str, args: &[&str]| {
        let mut command = Command::new(program);
        command
            .args(args)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    // Not the `cargo` that started this one, which takes no `+nightly`.
    if !works("cargo", &["+nightly", "--version"]) {
        return Some("it needs a nightly compiler: rustup toolchain install nightly");
    }
    if !works("c++", &["--version"]) {
        return Some("it needs a C++ compiler: apt-get install g++ on Debian");
    }
    None
}

/// Builds the fuzzers; returns the folder they are in.
fn build(fuzz: &Path, targets: &[&str]) -> Result<PathBuf, String> {
    let output = Command::new("rustc")
        .args(["+nightly", "-vV"])
        .output()
        .map_err(|error| format!("cannot start rustc: {error}"))?;
    let about = String::from_utf8_lossy(&output.stdout);
    let host = about
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .ok_or("rustc +nightly does not say what it builds for")?;
    let mut command = Command::new("cargo");
    command
        .current_dir(fuzz)
        // With a target named, the flags are for the fuzzers and not for what runs while building.
        .args(["+nightly", "build", "--release", "--features", "libfuzzer"])
        .args(["--target", host])
        .env("RUSTFLAGS", COVERAGE)
        .env("CARGO_TARGET_DIR", fuzz.join("target"))
        .env_remove("RUSTC")
        .env_remove("RUSTUP_TOOLCHAIN");
    for target in targets {
        command.args(["--bin", target]);
    }
    succeed(&mut command, "the fuzzers do not build: see above")?;
    Ok(fuzz.join("target").join(host).join("release"))
}

fn fuzz_one(fuzz: &Path, built: &Path, target: &str, seconds: u64) -> Result<(), String> {
    let found = fuzz.join("target/found").join(target);
    let artifacts = fuzz.join("artifacts").join(target);
    for folder in [&found, &artifacts] {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("cannot create {}: {error}", folder.display()))?;
    }
    let mut command = Command::new(built.join(target));
    command
        // New inputs go to the first folder.
        .arg(&found)
        .arg(fuzz.join("corpus").join(target))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(format!("-max_total_time={seconds}"))
        .args(["-timeout=20", "-max_len=16384", "-print_funcs=0"])
        .args(["-verbosity=0"]);
    let message = format!(
        "{target} fails: see above; once more: {} {}/<the file named above>",
        built.join(target).display(),
        artifacts.display()
    );
    succeed(&mut command, &message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Option<(Vec<&'static str>, u64)> {
        parse(args).ok()
    }

    #[test]
    fn targets_and_seconds_are_chosen() {
        assert_eq!(parsed(&[]), Some((TARGETS.to_vec(), 30)));
        assert_eq!(parsed(&["ids", "--seconds", "5"]), Some((vec!["ids"], 5)));
        for wrong in [
            &["nothing"][..],
            &["--seconds"],
            &["--seconds", "soon"],
            &["ids", "chat"],
        ] {
            assert_eq!(parsed(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn every_target_has_a_fuzzer_and_a_corpus() {
        for target in TARGETS {
            let fuzzer = format!("fuzz/fuzz_targets/{target}.rs");
            assert!(root().join(&fuzzer).exists(), "{fuzzer}");
            assert!(root().join("fuzz/corpus").join(target).is_dir(), "{target}");
        }
    }
}
