//! Opening a stream on a server.

mod error;
mod partitions;
mod streams;

use redis::Value;
use tokio::sync::{Notify, watch};

use crate::facts::Facts;
use crate::groups::{Anchors, Deliveries};
use crate::keys::{self, Keys};
use crate::net::{CallError, Net, NetOptions};
use crate::options::RedisOptions;
use crate::shared::Shared;
use crate::url::RedisUrl;
use crate::wire;

pub use error::OpenError;
pub use streams::streams;

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
    let partitions = partitions::keys_of(&net, stream, &options, read_only).await?;
    let mut exists = check_format(&net, &partitions[0], read_only).await?;
    for keys in &partitions {
        let mut command = redis::cmd("TYPE");
        command.arg(&keys.stream);
        let reply = net.ask(keys.slot, &command).await?;
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
        deliveries: Deliveries::default(),
        anchors: Anchors::default(),
    })
}

/// The layout of the keys, as KEYS.md has it.
const FORMAT: &str = "1";

/// Checks that the keys are laid out as this version knows them, or says that they are from now on. Whether
/// the stream was opened for publishing before.
async fn check_format(net: &Net, keys: &Keys, read_only: bool) -> Result<bool, OpenError> {
    let mut get = redis::cmd("HGET");
    get.arg(&keys.meta).arg("format");
    let reply = net.ask(keys.slot, &get).await?;
    if reply == Value::Nil {
        if read_only {
            return Ok(false);
        }
        let mut set = redis::cmd("HSET");
        set.arg(&keys.meta).arg("format").arg(FORMAT);
        return match net.ask(keys.slot, &set).await {
            Ok(_) => Ok(true),
            // A server without memory can still be read and trimmed.
            Err(CallError::Server { code, .. }) if code == "OOM" => Ok(false),
            Err(error) => Err(error.into()),
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
