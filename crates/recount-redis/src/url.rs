//! Where a Redis is, and how to log in: the URL.

mod parse;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;

/// Where a Redis is, and how to log in.
///
/// ```text
/// redis://[user[:password]@]host[:port][/db]          one server; also valkey://, or just host:port
/// rediss://...                                        the same over TLS; also valkeys://
/// redis-sentinel://[user:password@]host1:26379,host2:26379/master-name[/db][?sentinel_password=...]
/// redis-cluster://[user:password@]host1:7000,host2:7000[?tls=true]
/// ```
///
/// Ports default to 6379, and to 26379 for Sentinels. IPv6 addresses stand in brackets. In user and
/// password the characters `: / @ ? # %` are written percent-encoded. Options: `tls=true` (Sentinels and
/// cluster), and for TLS `ca=FILE` (trust this authority instead of the system's) and
/// `cert=FILE&key=FILE` (a client certificate).
///
/// What is displayed never holds user or password.
///
/// ```
/// use recount_redis::RedisUrl;
///
/// let url: RedisUrl = "redis://recorder:s3cret@cache.example:6380/2".parse()?;
/// assert_eq!(url.to_string(), "redis://cache.example:6380/2");
/// # Ok::<(), recount_redis::InvalidRedisUrl>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    pub(crate) kind: Kind,
    /// At least one.
    pub(crate) addresses: Vec<Address>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) db: u32,
    pub(crate) tls: Option<TlsFiles>,
}

/// What stands at the addresses.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Single,
    Sentinel {
        master: String,
        password: Option<String>,
    },
    Cluster,
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Address {
    /// A name or an IP address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// What TLS is to use instead of the system's defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) ca: Option<PathBuf>,
    /// A certificate and its private key.
    pub(crate) client: Option<(PathBuf, PathBuf)>,
}

/// A text that is not a URL of a Redis. It does not repeat the text, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not the URL of a Redis: {reason}")]
pub struct InvalidRedisUrl {
    reason: String,
}

impl RedisUrl {
    /// Logs in with this password where the URL has none; an empty one counts as none.
    #[must_use]
    pub fn with_password(mut self, password: Option<String>) -> Self {
        let given = password.filter(|password| !password.is_empty());
        self.password = self.password.or(given);
        self
    }

    /// Whether it names a cluster.
    pub fn is_cluster(&self) -> bool {
        self.kind == Kind::Cluster
    }

    /// The URL with the files of TLS, and with `***` where a user or a password stands. Without these it
    /// names the same place the same way.
    ///
    /// ```
    /// use recount_redis::RedisUrl;
    ///
    /// let url: RedisUrl = "rediss://ada:s3cret@cache.example?ca=ca.pem".parse()?;
    /// assert_eq!(url.shown_with_files(), "rediss://***@cache.example:6379/0?ca=ca.pem");
    /// # Ok::<(), recount_redis::InvalidRedisUrl>(())
    /// ```
    pub fn shown_with_files(&self) -> String {
        let mut shown = self.to_string();
        if (self.user.is_some() || self.password.is_some())
            && let Some(at) = shown.find("://")
        {
            shown.insert_str(at + "://".len(), "***@");
        }
        let files = self.tls.iter().flat_map(|tls| {
            let client = tls.client.as_ref();
            let cert = client.map(|(cert, _)| cert);
            let key = client.map(|(_, key)| key);
            [("ca", tls.ca.as_ref()), ("cert", cert), ("key", key)]
        });
        let mut options: Vec<_> = files
            .filter_map(|(name, file)| Some(format!("{name}={}", encoded(file?))))
            .collect();
        if matches!(&self.kind, Kind::Sentinel { password, .. } if password.is_some()) {
            options.push("sentinel_password=***".to_owned());
        }
        for option in options {
            shown.push(if shown.contains('?') { '&' } else { '?' });
            shown.push_str(&option);
        }
        shown
    }

    /// The same with its relative files begun at `folder`.
    #[must_use]
    pub fn with_files_in(mut self, folder: &Path) -> Self {
        if let Some(tls) = &mut self.tls {
            let client = tls.client.iter_mut().flat_map(|(cert, key)| [cert, key]);
            for file in tls.ca.iter_mut().chain(client) {
                *file = folder.join(&*file);
            }
        }
        self
    }

    /// One server of it as people write it, never with a secret.
    pub(crate) fn shown(&self, address: &Address) -> String {
        let scheme = if self.tls.is_some() {
            "rediss"
        } else {
            "redis"
        };
        format!("{scheme}://{address}")
    }
}

/// A file's name as an option's value is written.
fn encoded(file: &Path) -> String {
    let hex = |digit: u32| char::from_digit(digit & 15, 16).unwrap_or('0');
    let mut text = String::new();
    for c in file.to_string_lossy().chars() {
        if c.is_ascii_control() || matches!(c, ' ' | '%' | '&') {
            text.extend(['%', hex(c as u32 >> 4), hex(c as u32)]);
        } else {
            text.push(c);
        }
    }
    text
}

impl FromStr for RedisUrl {
    type Err = InvalidRedisUrl;

    fn from_str(text: &str) -> Result<Self, InvalidRedisUrl> {
        parse::parse(text).map_err(|reason| InvalidRedisUrl { reason })
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (&self.kind, &self.tls) {
            (Kind::Single, None) => "redis://",
            (Kind::Single, Some(_)) => "rediss://",
            (Kind::Sentinel { .. }, _) => "redis-sentinel://",
            (Kind::Cluster, _) => "redis-cluster://",
        })?;
        for (index, address) in self.addresses.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{address}")?;
        }
        match &self.kind {
            Kind::Single => return write!(f, "/{}", self.db),
            Kind::Sentinel { master, .. } => write!(f, "/{master}/{}", self.db)?,
            Kind::Cluster => {}
        }
        if self.tls.is_some() {
            f.write_str("?tls=true")?;
        }
        Ok(())
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
