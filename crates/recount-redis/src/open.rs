//! Opening a stream on a server.

use redis::Value;
use tokio::sync::{Notify, watch};

use crate::error::{Failed, explain};
use crate::facts::Facts;
use crate::keys::{self, Keys};
use crate::net::{Call, CallError, Net, NetOptions, Repeat};
use crate::options::RedisOptions;
use crate::partitions::tags;
use crate::scripts::{self, PARTITION};
use crate::shared::Shared;
use crate::url::RedisUrl;
use crate::wire;

/// Why a stream on a server could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The server could not be reached.
    #[error("{address}: {message}")]
    Unavailable {
        /// The server, without secrets.
        address: String,
        /// What happened, and what to check.
        message: String,
    },
    /// The server refused.
    #[error("{address}: {message}")]
    Refused {
        /// The server, without secrets.
        address: String,
        /// What it said, and what to do.
        message: String,
    },
    /// The server is too old.
    #[error("{address} is {server}: Recount needs Redis 6.0 or later, or Valkey")]
    TooOld {
        /// The server, without secrets.
        address: String,
        /// Its name and version.
        server: String,
    },
    /// The server lacks a command that an option needs.
    #[error("{address} is {server}, which has no {command}: {instead}")]
    Missing {
        /// The server, without secrets.
        address: String,
        /// Its name and version.
        server: String,
        /// What it lacks.
        command: &'static str,
        /// What to do instead.
        instead: &'static str,
    },
    /// The server has no append-only file, whose sync was to be waited for.
    #[error(
        "{address} has no append-only file to wait for: set `appendonly yes` there, or wait for replicas only"
    )]
    NoAof {
        /// The server, without secrets.
        address: String,
    },
    /// The stream's name cannot be a key.
    #[error("the stream name {name:?} cannot be used on a server: {reason}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The key holds something else.
    #[error("{address}: the key {key} holds a {kind}, not a stream: choose another --stream")]
    WrongType {
        /// The server, without secrets.
        address: String,
        /// The key.
        key: String,
        /// What it holds.
        kind: String,
    },
    /// A later version of Recount wrote it.
    #[error(
        "{address}: the stream is of format {format} ({key}), which this version does not know: use a newer one"
    )]
    Newer {
        /// The server, without secrets.
        address: String,
        /// The key that says so.
        key: String,
        /// The format.
        format: String,
    },
    /// There is no such stream, and it was to be read only.
    #[error("{address} has no stream {name}: publish to it first, or look what there is")]
    NoStream {
        /// The server, without secrets.
        address: String,
        /// The stream.
        name: String,
    },
    /// The name is that of another stream's partition.
    #[error(
        "{address}: {name} is a partition of the stream {stream}: name that stream, or choose another name"
    )]
    IsPartition {
        /// The server, without secrets.
        address: String,
        /// The name, and the partition's key.
        name: String,
        /// The stream with partitions.
        stream: String,
    },
    /// What would be a partition holds another stream.
    #[error(
        "{address}: the stream {name} would have a partition at the key {key}, which holds another stream: choose \
         another name, or remove the key"
    )]
    Held {
        /// The server, without secrets.
        address: String,
        /// The stream that was to have partitions.
        name: String,
        /// The key.
        key: String,
    },
    /// An option is out of its bounds.
    #[error(
        "a stream has from 1 to {} partitions, not {given}",
        RedisOptions::PARTITIONS_MAX
    )]
    Partitions {
        /// What was given.
        given: u32,
    },
    /// The stream has another number of partitions, and data in them.
    #[error(
        "the stream {name} has {} with data, not {wanted}: a session's order would not survive a change. To \
         migrate, export it and import it into a new stream of {}, at the same URL: `recount export \
         --stream {name} | recount import - --stream NEW --partitions {wanted}`",
        count(*.actual),
        count(*.wanted)
    )]
    OtherPartitions {
        /// The stream.
        name: String,
        /// How many it has.
        actual: u32,
        /// How many were asked for.
        wanted: u32,
    },
}

fn count(partitions: u32) -> String {
    match partitions {
        1 => "1 partition".to_owned(),
        several => format!("{several} partitions"),
    }
}

impl From<Failed> for OpenError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Call(CallError::Unavailable { address, message }) => {
                Self::Unavailable { address, message }
            }
            Failed::Call(CallError::Server {
                address,
                code,
                message,
            }) => Self::Refused {
                address,
                message: explain(&code, &message),
            },
            Failed::Call(CallError::Closed) => Self::Unavailable {
                address: "the server".into(),
                message: "the connection was closed".into(),
            },
            Failed::Unexpected { address, wanted } => Self::Refused {
                address,
                message: format!("the answer is not {wanted}: is this a Redis server?"),
            },
        }
    }
}

impl From<CallError> for OpenError {
    fn from(error: CallError) -> Self {
        Failed::from(error).into()
    }
}

/// Connects and checks the server.
pub(crate) async fn connect(
    url: &RedisUrl,
    options: &RedisOptions,
) -> Result<(Net, Facts), OpenError> {
    let limits = NetOptions {
        connect_timeout: options.connect_timeout.min(options.deadline),
        deadline: options.deadline,
    };
    let net = Net::connect(url, limits).await?;
    let facts = Facts::ask(&net).await?;
    let address = net.url().to_string();
    if let Some(server) = facts.too_old() {
        let server = server.to_owned();
        return Err(OpenError::TooOld { address, server });
    }
    if options.wait_aof.is_some() && !facts.has_waitaof() {
        return Err(OpenError::Missing {
            address,
            server: facts.server,
            command: "WAITAOF",
            instead: "it came with Redis 7.2; wait for replicas, or set `appendfsync always`",
        });
    }
    if options.wait_aof.is_some_and(|aof| aof.local) && facts.has_no_aof() {
        return Err(OpenError::NoAof { address });
    }
    Ok((net, facts))
}

/// Opens a stream.
pub(crate) async fn open(
    url: &RedisUrl,
    stream: &str,
    options: RedisOptions,
    read_only: bool,
) -> Result<Shared, OpenError> {
    if let Some(reason) = keys::refuse_name(stream) {
        let name = stream.to_owned();
        return Err(OpenError::Name { name, reason });
    }
    if let Some(given) = options.partitions
        && !(1..=RedisOptions::PARTITIONS_MAX).contains(&given)
    {
        return Err(OpenError::Partitions { given });
    }
    let (net, facts) = connect(url, &options).await?;
    let partitions = partitions(&net, stream, &options, read_only).await?;
    let mut exists = check_format(&net, &partitions[0], read_only).await?;
    for keys in &partitions {
        let mut command = redis::cmd("TYPE");
        command.arg(&keys.stream);
        let reply = ask(&net, keys, command).await?;
        let kind = wire::text(&reply).map_err(|shape| shape.from(net.address(keys.slot)))?;
        match kind.as_str() {
            "stream" => exists = true,
            "none" => {}
            _ => {
                return Err(OpenError::WrongType {
                    address: net.address(keys.slot),
                    key: keys.stream.clone(),
                    kind,
                });
            }
        }
    }
    if read_only && !exists {
        return Err(OpenError::NoStream {
            address: net.url().to_string(),
            name: stream.to_owned(),
        });
    }
    Ok(Shared {
        net,
        stream: stream.to_owned(),
        options,
        partitions,
        facts,
        read_only,
        closed: watch::Sender::new(false),
        appended: Notify::new(),
    })
}

/// The layout of the keys, as KEYS.md has it.
const FORMAT: &str = "1";

/// Checks that the keys are laid out as this version knows them, or says that they are from now on. Whether
/// the stream was opened for publishing before.
async fn check_format(net: &Net, keys: &Keys, read_only: bool) -> Result<bool, OpenError> {
    let mut get = redis::cmd("HGET");
    get.arg(&keys.meta).arg("format");
    let reply = ask(net, keys, get).await?;
    if reply == Value::Nil {
        if read_only {
            return Ok(false);
        }
        let mut set = redis::cmd("HSET");
        set.arg(&keys.meta).arg("format").arg(FORMAT);
        return match ask(net, keys, set).await {
            // A server without memory can still be read and trimmed.
            Err(OpenError::Refused { message, .. }) if message.starts_with("OOM") => Ok(false),
            set => set.map(|_| true),
        };
    }
    let format = wire::text(&reply).map_err(|shape| shape.from(net.address(keys.slot)))?;
    if format == FORMAT {
        return Ok(true);
    }
    Err(OpenError::Newer {
        address: net.address(keys.slot),
        key: keys.meta.clone(),
        format,
    })
}

/// The keys of each partition.
async fn partitions(
    net: &Net,
    stream: &str,
    options: &RedisOptions,
    read_only: bool,
) -> Result<Vec<Keys>, OpenError> {
    let plain = Keys::new(stream);
    let mut kept = kept_tags(net, stream, &plain).await?;
    if kept.is_empty()
        && let Some(whole) = partitioned(net, stream).await?
    {
        return Err(OpenError::IsPartition {
            address: net.url().to_string(),
            name: stream.to_owned(),
            stream: whole.to_owned(),
        });
    }
    let wanted = options.partitions.unwrap_or(kept.len().max(1) as u32);
    let actual = kept.len().max(1) as u32;
    if wanted != actual && !read_only {
        let mut held = 0;
        for keys in all(stream, &plain, &kept) {
            let mut length = redis::cmd("XLEN");
            length.arg(&keys.stream);
            let reply = ask(net, &keys, length).await?;
            held += wire::count(&reply).map_err(|shape| shape.from(net.address(keys.slot)))?;
        }
        if held > 0 {
            return Err(OpenError::OtherPartitions {
                name: stream.to_owned(),
                actual,
                wanted,
            });
        }
        if !kept.is_empty() {
            let mut remove = redis::cmd("DEL");
            remove.arg(keys::partitions(stream));
            ask(net, &plain, remove).await?;
            kept.clear();
        }
    }
    if wanted > 1 && kept.is_empty() && !read_only {
        refuse_held(net, stream, &plain, wanted).await?;
        kept = say_tags(net, stream, &plain, wanted).await?;
        let actual = kept.len().max(1) as u32;
        // Somebody else was quicker.
        if actual != wanted {
            return Err(OpenError::OtherPartitions {
                name: stream.to_owned(),
                actual,
                wanted,
            });
        }
    }
    Ok(all(stream, &plain, &kept))
}

/// The stream that has `key` as one of its partitions, if there is one.
async fn partitioned<'a>(net: &Net, key: &'a str) -> Result<Option<&'a str>, OpenError> {
    let Some((stream, tag)) = key.strip_suffix('}').and_then(|key| key.rsplit_once(":{")) else {
        return Ok(None);
    };
    if keys::refuse_name(stream).is_some() {
        return Ok(None);
    }
    let tags = match kept_tags(net, stream, &Keys::new(stream)).await {
        // Whoever has no rights on that stream may have them on this one.
        Err(OpenError::Refused { .. }) => return Ok(None),
        tags => tags?,
    };
    Ok(tags.iter().any(|kept| kept == tag).then_some(stream))
}

/// Refuses to make partitions of keys that hold streams of their own already.
async fn refuse_held(net: &Net, stream: &str, plain: &Keys, wanted: u32) -> Result<(), OpenError> {
    for keys in all(stream, plain, &tags(wanted)) {
        let mut length = redis::cmd("XLEN");
        length.arg(&keys.stream);
        let held = match ask(net, &keys, length).await {
            // What is no stream is told of when it is opened.
            Err(OpenError::Refused { .. }) => false,
            length => length? != Value::Int(0),
        };
        // Unless somebody else made the partitions meanwhile.
        if held && kept_tags(net, stream, plain).await?.is_empty() {
            return Err(OpenError::Held {
                address: net.url().to_string(),
                name: stream.to_owned(),
                key: keys.stream,
            });
        }
    }
    Ok(())
}

fn all(stream: &str, plain: &Keys, tags: &[String]) -> Vec<Keys> {
    if tags.is_empty() {
        return vec![plain.clone()];
    }
    tags.iter()
        .map(|tag| Keys::new(&format!("{stream}:{{{tag}}}")))
        .collect()
}

/// The tags that are kept with the stream; none for one that has no partitions.
async fn kept_tags(net: &Net, stream: &str, plain: &Keys) -> Result<Vec<String>, OpenError> {
    let mut command = redis::cmd("HGET");
    command.arg(keys::partitions(stream)).arg("tags");
    let reply = ask(net, plain, command).await?;
    if reply == Value::Nil {
        return Ok(Vec::new());
    }
    let tags = wire::text(&reply).map_err(|shape| shape.from(net.address(plain.slot)))?;
    Ok(split(&tags))
}

async fn say_tags(
    net: &Net,
    stream: &str,
    plain: &Keys,
    partitions: u32,
) -> Result<Vec<String>, OpenError> {
    let key = keys::partitions(stream);
    let mut command = scripts::call(&PARTITION, &[&key, &plain.stream]);
    command.arg(partitions).arg(tags(partitions).join(","));
    let call = Call {
        commands: &[command],
        atomic: false,
        script: Some(&PARTITION),
        repeat: Repeat::Always,
        patience: None,
    };
    let values = net.call(plain.slot, call).await?;
    let shape = |shape: wire::Unexpected| shape.from(net.address(plain.slot));
    let parts = wire::list(values.into_iter().next().unwrap_or(Value::Nil)).map_err(shape)?;
    let tags = parts.get(1).map_or(Ok(String::new()), wire::text);
    Ok(split(&tags.map_err(shape)?))
}

fn split(tags: &str) -> Vec<String> {
    tags.split(',')
        .filter(|tag| !tag.is_empty())
        .map(str::to_owned)
        .collect()
}

async fn ask(net: &Net, keys: &Keys, command: redis::Cmd) -> Result<Value, OpenError> {
    let call = Call {
        commands: &[command],
        atomic: false,
        script: None,
        repeat: Repeat::Always,
        patience: None,
    };
    let values = net.call(keys.slot, call).await?;
    Ok(values.into_iter().next().unwrap_or(Value::Nil))
}

/// The names of the streams on a server, sorted: those of several partitions once.
pub async fn streams(url: &RedisUrl, options: &RedisOptions) -> Result<Vec<String>, OpenError> {
    let (net, _) = connect(url, options).await?;
    let mut found = Vec::new();
    for (address, _) in net.masters(&redis::cmd("PING")).await {
        let mut cursor = "0".to_owned();
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(&cursor)
                .arg("COUNT")
                .arg(1_000)
                .arg("TYPE")
                .arg("stream");
            let reply = net.master(&address, &scan).await?;
            let shape = |shape: wire::Unexpected| shape.from(address.clone());
            let Ok([next, names]): Result<[Value; 2], _> =
                wire::list(reply).map_err(shape)?.try_into()
            else {
                return Err(shape(wire::Unexpected("a page of keys")).into());
            };
            for name in wire::list(names).map_err(shape)? {
                // A key that is not text is no stream of ours.
                found.extend(wire::text(&name));
            }
            cursor = wire::text(&next).map_err(shape)?;
            if cursor == "0" {
                break;
            }
        }
    }
    let mut streams = Vec::new();
    for name in found {
        let whole = partitioned(&net, &name).await?.map(str::to_owned);
        streams.push(whole.unwrap_or(name));
    }
    streams.sort();
    streams.dedup();
    net.close();
    Ok(streams)
}
