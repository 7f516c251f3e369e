//! Reading the URL. What is wrong is said without repeating any of the text.

use super::{Address, Kind, RedisUrl, TlsFiles};

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

#[derive(Clone, Copy, PartialEq)]
enum Scheme {
    Single { tls: bool },
    Sentinel,
    Cluster,
}

/// What came after the `?`.
#[derive(Default)]
struct Options {
    tls: Option<bool>,
    ca: Option<String>,
    cert: Option<String>,
    key: Option<String>,
    sentinel_password: Option<String>,
}

pub(super) fn parse(text: &str) -> Result<RedisUrl, String> {
    let (scheme, rest) = match text.trim().split_once("://") {
        Some((scheme, rest)) => (scheme_of(scheme)?, rest),
        None => (Scheme::Single { tls: false }, text.trim()),
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, hosts) = match authority.rsplit_once('@') {
        Some((login, hosts)) => (Some(login), hosts),
        None => (None, authority),
    };
    let (user, password) = login.map_or(Ok((None, None)), login_of)?;
    let addresses = addresses_of(scheme, hosts)?;
    let mut options = options_of(query)?;
    let tls = tls_of(scheme, &mut options)?;
    if options.sentinel_password.is_some() && scheme != Scheme::Sentinel {
        return Err("sentinel_password= belongs to redis-sentinel:// only".to_owned());
    }
    let (kind, db) = match scheme {
        Scheme::Single { .. } => (Kind::Single, db_of(path)?),
        Scheme::Cluster => match db_of(path)? {
            0 => (Kind::Cluster, 0),
            _ => return Err("a cluster has only database 0".to_owned()),
        },
        Scheme::Sentinel => {
            let (master, db) = path.split_once('/').unwrap_or((path, ""));
            if master.is_empty() {
                return Err(
                    "redis-sentinel:// needs the name of the master after the hosts, as in redis-sentinel://host:26379/mymaster"
                        .to_owned(),
                );
            }
            let kind = Kind::Sentinel {
                master: decoded(master)?,
                password: options.sentinel_password,
            };
            (kind, db_of(db)?)
        }
    };
    Ok(RedisUrl {
        kind,
        addresses,
        user,
        password,
        db,
        tls,
    })
}

fn scheme_of(scheme: &str) -> Result<Scheme, String> {
    match scheme.to_ascii_lowercase().as_str() {
        "redis" | "valkey" => Ok(Scheme::Single { tls: false }),
        "rediss" | "valkeys" => Ok(Scheme::Single { tls: true }),
        "redis-sentinel" => Ok(Scheme::Sentinel),
        "redis-cluster" => Ok(Scheme::Cluster),
        _ => Err(
            "it begins with none of redis://, rediss://, redis-sentinel://, redis-cluster://, valkey://, valkeys://"
                .to_owned(),
        ),
    }
}

type Login = (Option<String>, Option<String>);

fn login_of(login: &str) -> Result<Login, String> {
    let (user, password) = match login.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (login, None),
    };
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    Ok((
        some(decoded(user)?),
        password.map(decoded).transpose()?.and_then(some),
    ))
}

fn addresses_of(scheme: Scheme, hosts: &str) -> Result<Vec<Address>, String> {
    let default = if scheme == Scheme::Sentinel {
        SENTINEL_PORT
    } else {
        REDIS_PORT
    };
    if matches!(scheme, Scheme::Single { .. }) {
        if hosts.contains(',') {
            return Err(
                "several hosts belong to redis-cluster:// or redis-sentinel:// only".to_owned(),
            );
        }
        return Ok(vec![address_of(hosts, default)?]);
    }
    hosts
        .split(',')
        .map(|host| address_of(host.trim(), default))
        .collect()
}

fn address_of(text: &str, default: u16) -> Result<Address, String> {
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (host, after) = bracketed
                .split_once(']')
                .ok_or("a [ without its ] in the host")?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err("what stands in brackets is not an IPv6 address".to_owned());
            }
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err("something other than :port after the ]".to_owned()),
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() {
        return Err("a host is missing".to_owned());
    }
    let odd = |c: char| c.is_whitespace() || c.is_control() || "@%#\\\"<>".contains(c);
    if host.contains(odd) {
        return Err("a host has a character that hosts do not have".to_owned());
    }
    let port = match port {
        None => default,
        Some(port) => match port.parse() {
            Ok(port) if port > 0 => port,
            _ => {
                return Err(
                    "a port is not a number from 1 to 65535 (an IPv6 address stands in brackets; in a password the characters : / @ ? # % are percent-encoded)"
                        .to_owned(),
                );
            }
        },
    };
    Ok(Address {
        host: host.to_owned(),
        port,
    })
}

fn db_of(path: &str) -> Result<u32, String> {
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(0);
    }
    match path.parse::<u32>() {
        Ok(db) if i32::try_from(db).is_ok() => Ok(db),
        _ => Err("what follows the last / is not the number of a database".to_owned()),
    }
}

fn options_of(query: &str) -> Result<Options, String> {
    let mut options = Options::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decoded(value)?;
        let once = match name {
            "tls" => {
                let wanted = match value.as_str() {
                    "true" => true,
                    "false" => false,
                    _ => return Err("tls= is neither true nor false".to_owned()),
                };
                options.tls.replace(wanted).is_none()
            }
            "ca" => options.ca.replace(value).is_none(),
            "cert" => options.cert.replace(value).is_none(),
            "key" => options.key.replace(value).is_none(),
            "sentinel_password" => options.sentinel_password.replace(value).is_none(),
            _ => {
                return Err(
                    "an unknown option after the ?; there are tls, ca, cert, key and sentinel_password"
                        .to_owned(),
                );
            }
        };
        if !once {
            return Err("an option after the ? stands there twice".to_owned());
        }
    }
    Ok(options)
}

fn tls_of(scheme: Scheme, options: &mut Options) -> Result<Option<TlsFiles>, String> {
    let wanted = match (scheme, options.tls) {
        (Scheme::Single { tls: true }, Some(false)) => {
            return Err("tls=false contradicts rediss://".to_owned());
        }
        (Scheme::Single { tls: false }, Some(true)) => {
            return Err("a single server over TLS is rediss://, not tls=true".to_owned());
        }
        (Scheme::Single { tls }, _) => tls,
        (_, tls) => tls.unwrap_or(false),
    };
    let ca = options.ca.take().map(Into::into);
    let client = match (options.cert.take(), options.key.take()) {
        (Some(cert), Some(key)) => Some((cert.into(), key.into())),
        (None, None) => None,
        _ => return Err("cert= and key= are given together or not at all".to_owned()),
    };
    if !wanted && (ca.is_some() || client.is_some()) {
        return Err("ca=, cert= and key= need TLS: rediss://, or tls=true".to_owned());
    }
    Ok(wanted.then_some(TlsFiles { ca, client }))
}

/// Resolves `%XX`. The bytes must be UTF-8.
fn decoded(text: &str) -> Result<String, String> {
    let wrong = || {
        "a % that does not begin a percent-encoded character; a % itself is written %25".to_owned()
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'%' {
            bytes.push(byte);
            rest = after;
            continue;
        }
        let digits = after.get(..2).ok_or_else(wrong)?;
        let digit = |byte: u8| (byte as char).to_digit(16).ok_or_else(wrong);
        bytes.push((digit(digits[0])? << 4 | digit(digits[1])?) as u8);
        rest = &after[2..];
    }
    String::from_utf8(bytes).map_err(|_| "a percent-encoded part is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests;
