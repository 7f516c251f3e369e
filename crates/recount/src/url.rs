//! One URL chooses the engine and the place.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use recount_redis::{InvalidRedisUrl, RedisUrl};

/// Which engine keeps the log, and where.
///
/// ```
/// use recount::LogUrl;
///
/// let url: LogUrl = "disk:recount-data".parse()?;
/// assert_eq!(url, LogUrl::Disk("recount-data".into()));
/// assert_eq!(url.to_string(), "disk:recount-data");
/// # Ok::<(), recount::InvalidUrl>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogUrl {
    /// `disk:PATH`: the embedded engine, in a directory of this machine.
    Disk(PathBuf),
    /// `redis://`, `rediss://`, `redis-sentinel://`, `redis-cluster://`: a server. Shown without user and
    /// password.
    Redis(RedisUrl),
}

impl fmt::Display for LogUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(path) => write!(f, "disk:{}", path.display()),
            Self::Redis(url) => url.fmt(f),
        }
    }
}

impl FromStr for LogUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        if text.chars().any(char::is_control) {
            return Err(InvalidUrl::ControlCharacter);
        }
        let (scheme, rest) = text.split_once(':').ok_or(InvalidUrl::NoScheme)?;
        match scheme {
            "disk" if rest.is_empty() => Err(InvalidUrl::NoPath),
            "disk" if rest.starts_with("//") && !rest.starts_with("///") => {
                Err(InvalidUrl::DiskHost)
            }
            "disk" => Ok(Self::Disk(rest.into())),
            "redis" | "rediss" | "redis-sentinel" | "redis-cluster" | "valkey" | "valkeys" => {
                text.parse().map(Self::Redis).map_err(InvalidUrl::Redis)
            }
            _ => Err(InvalidUrl::UnknownScheme),
        }
    }
}

/// Why a URL names no log. Never repeats the URL, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidUrl {
    /// There is a character in it that terminals obey, and that no path should have.
    #[error(
        "the URL holds a control character: write disk:PATH without one, such as disk:recount-data"
    )]
    ControlCharacter,
    /// There is no colon in it.
    #[error("the URL names no engine: write disk:PATH or redis://HOST, such as disk:recount-data")]
    NoScheme,
    /// `disk:` without a path.
    #[error("the URL disk: names no directory: write disk:PATH, such as disk:recount-data")]
    NoPath,
    /// `disk://x`, which could mean a host, a relative or an absolute path.
    #[error(
        "a disk URL has no host: write disk:PATH for a relative path, disk:/PATH for an absolute one"
    )]
    DiskHost,
    /// It is to name a server, and does not.
    #[error(transparent)]
    Redis(InvalidRedisUrl),
    /// Its scheme is none of ours.
    #[error(
        "the URL's scheme is unknown: write disk:PATH, redis://HOST, rediss://HOST, \
         redis-sentinel://HOST,HOST/NAME or redis-cluster://HOST,HOST"
    )]
    UnknownScheme,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disk_urls_name_a_directory_relative_or_absolute() {
        for (text, path) in [
            ("disk:recount-data", "recount-data"),
            ("disk:/var/lib/recount", "/var/lib/recount"),
            ("disk:///var/lib/recount", "/var/lib/recount"),
            ("disk:a:b", "a:b"),
        ] {
            assert_eq!(text.parse(), Ok(LogUrl::Disk(path.into())), "{text}");
        }
        assert_eq!("disk:".parse::<LogUrl>(), Err(InvalidUrl::NoPath));
        assert_eq!("disk://x".parse::<LogUrl>(), Err(InvalidUrl::DiskHost));
        for text in ["disk:x\0y", "disk:\u{1b}[2J", "disk:x\n"] {
            assert_eq!(text.parse::<LogUrl>(), Err(InvalidUrl::ControlCharacter));
        }
        assert_eq!("data".parse::<LogUrl>(), Err(InvalidUrl::NoScheme));
    }

    #[test]
    fn servers_are_named_and_shown_without_secrets() {
        for (text, shown) in [
            ("redis://ada:hunter2@localhost", "redis://localhost:6379/0"),
            ("rediss://:hunter2@h:1/2", "redis"),
            (
                "redis-cluster://x:hunter2@a,b:7001",
                "redis-cluster://a:6379,b:7001",
            ),
            (
                "redis-sentinel://x:hunter2@a/m",
                "redis-sentinel://a:26379/m",
            ),
            ("valkey://h", "redis://h:6379/0"),
        ] {
            let url: LogUrl = text.parse().unwrap();
            assert!(matches!(url, LogUrl::Redis(_)));
            assert!(url.to_string().starts_with(shown), "{url}");
            assert!(!format!("{url} {url:?}").contains("hunter2"));
        }
    }

    #[test]
    fn what_names_nothing_is_refused_and_no_password_repeated() {
        for text in [
            "redis://ada:hunter2@localhost:port",
            "redis://ada:hunter2@",
            "redis-cluster://x:hunter2@a,b/no",
            "hunter2:hunter2@localhost",
            "hunter2@localhost",
            "disk://ada:hunter2@host/data",
        ] {
            let error = text.parse::<LogUrl>().unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
