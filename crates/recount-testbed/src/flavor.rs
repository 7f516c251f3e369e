//! Which servers there are, and where their programs lie.

use std::path::{Path, PathBuf};

/// A server's program and version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavor {
    /// Redis 5.0: too old.
    Redis50,
    /// Redis 6.0: the oldest that is supported. No `XTRIM MINID`, no `XAUTOCLAIM`, no exclusive ranges.
    Redis60,
    /// Redis 6.2.
    Redis62,
    /// Redis 7.0, as Debian ships it, from `PATH`: the only one here that speaks TLS.
    Redis70,
    /// Redis 8.2.
    Redis82,
    /// Valkey 9.
    Valkey9,
}

impl Flavor {
    /// The program.
    pub(crate) fn program(self) -> PathBuf {
        let (folder, name) = match self {
            Self::Redis50 => ("redis-5.0", "redis-server"),
            Self::Redis60 => ("redis-6.0", "redis-server"),
            Self::Redis62 => ("redis-6.2", "redis-server"),
            Self::Redis70 => return in_path("redis-server"),
            Self::Redis82 => ("redis-8.2", "redis-server"),
            Self::Valkey9 => ("valkey-9.1", "valkey-server"),
        };
        installed(&format!("{folder}/{name}"))
    }
}

/// The folder with Python's client library `redis`, for `PYTHONPATH`.
pub fn python_packages() -> PathBuf {
    installed("python")
}

/// What `cargo xtask servers` put into its folder.
fn installed(name: &str) -> PathBuf {
    let path = folder().join(name);
    assert!(
        path.exists(),
        "{} is missing: run `cargo xtask servers`, which downloads what the tests need",
        path.display()
    );
    path
}

fn folder() -> PathBuf {
    if let Some(folder) = std::env::var_os("RECOUNT_TEST_SERVERS") {
        return folder.into();
    }
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package
        .ancestors()
        .nth(2)
        .expect("this package lies in the workspace");
    root.join("target/servers")
}

fn in_path(program: &str) -> PathBuf {
    std::env::var_os("PATH")
        .and_then(|path| {
            std::env::split_paths(&path)
                .map(|folder| folder.join(program))
                .find(|file| file.is_file())
        })
        .unwrap_or_else(|| {
            panic!("{program} is not in PATH: run `cargo xtask servers`, or install Redis 7")
        })
}
