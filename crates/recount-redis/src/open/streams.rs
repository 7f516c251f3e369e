//! Which streams a server has.

use redis::Value;

use super::{OpenError, connect, partitions};
use crate::net::Net;
use crate::options::RedisOptions;
use crate::url::RedisUrl;
use crate::wire;

/// The names of the streams on a server, sorted: those of several partitions once.
pub async fn streams(url: &RedisUrl, options: &RedisOptions) -> Result<Vec<String>, OpenError> {
    let (net, _) = connect(url, options).await?;
    let found = names(&net, None).await?;
    let mut streams = Vec::new();
    for name in found {
        let whole = partitions::partitioned(&net, &name)
            .await?
            .map(str::to_owned);
        streams.push(whole.unwrap_or(name));
    }
    streams.sort();
    streams.dedup();
    net.close();
    Ok(streams)
}

/// The keys that hold a stream, of all or of those that match a pattern.
pub(super) async fn names(net: &Net, pattern: Option<&str>) -> Result<Vec<String>, OpenError> {
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
            if let Some(pattern) = pattern {
                scan.arg("MATCH").arg(pattern);
            }
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
    Ok(found)
}
