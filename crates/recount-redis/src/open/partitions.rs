//! Which partitions a stream has: what is kept with it, and what is said of a new one.

use std::time::Duration;

use redis::Value;
use tokio::time::timeout;

use super::OpenError;
use super::streams::names;
use crate::keys::{self, Keys};
use crate::net::{CallError, Net};
use crate::options::RedisOptions;
use crate::partitions::tags;
use crate::scripts::{self, PARTITION};
use crate::wire;

/// The keys of each partition.
pub(super) async fn keys_of(
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
    if kept.is_empty()
        && is_missing(net, &plain).await?
        && let Some(tags) = orphaned(net, stream).await
    {
        tracing::warn!(
            stream,
            key = keys::partitions(stream),
            "the key that says which partitions the stream has was lost: they say it themselves"
        );
        kept = tags;
        if !read_only {
            kept = say_tags(net, stream, &plain, &kept).await?;
        }
    }
    let wanted = options.partitions.unwrap_or(kept.len().max(1) as u32);
    let actual = kept.len().max(1) as u32;
    if wanted != actual && !read_only {
        let mut held = 0;
        for keys in all(stream, &plain, &kept) {
            let mut length = redis::cmd("XLEN");
            length.arg(&keys.stream);
            let reply = net.ask(keys.slot, &length).await?;
            held += wire::count(&reply).map_err(|shape| shape.from(net.address(keys.slot)))?;
        }
        if held > 0 {
            return Err(OpenError::OtherPartitions {
                name: stream.to_owned(),
                actual,
                wanted,
            });
        }
        if has_groups(net, &all(stream, &plain, &kept)).await? {
            return Err(OpenError::GroupsOnPartitions {
                name: stream.to_owned(),
                actual,
                wanted,
            });
        }
        if !kept.is_empty() {
            let mut remove = redis::cmd("DEL");
            remove.arg(keys::partitions(stream));
            net.ask(plain.slot, &remove).await?;
            for keys in all(stream, &plain, &kept) {
                let mut forget = redis::cmd("HDEL");
                forget.arg(&keys.meta).arg(TAGS);
                net.ask(keys.slot, &forget).await?;
            }
            kept.clear();
        }
    }
    if wanted > 1 && kept.is_empty() && !read_only {
        refuse_held(net, stream, &plain, wanted).await?;
        kept = say_tags(net, stream, &plain, &tags(wanted)).await?;
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

/// Whether somebody made a consumer group on streams that may be empty.
async fn has_groups(net: &Net, partitions: &[Keys]) -> Result<bool, OpenError> {
    for keys in partitions {
        let mut groups = redis::cmd("XINFO");
        groups.arg("GROUPS").arg(&keys.stream);
        match net.ask(keys.slot, &groups).await {
            Ok(Value::Array(groups)) if !groups.is_empty() => return Ok(true),
            // There is no such key, or it is no stream, which is told of when it is opened.
            Ok(_) | Err(CallError::Server { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

/// The stream that has `key` as one of its partitions, if there is one.
pub(super) async fn partitioned<'a>(net: &Net, key: &'a str) -> Result<Option<&'a str>, OpenError> {
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
        let held = match net.ask(keys.slot, &length).await {
            // What is no stream is told of when it is opened.
            Err(CallError::Server { .. }) => false,
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
    let reply = net.ask(plain.slot, &command).await?;
    if reply == Value::Nil {
        return Ok(Vec::new());
    }
    let tags = wire::text(&reply).map_err(|shape| shape.from(net.address(plain.slot)))?;
    Ok(split(&tags))
}

/// Says which partitions a stream has, unless somebody said so before, with it and with each of them: a server
/// that loses the one key, or a Cluster the master that has it, loses no more than that.
async fn say_tags(
    net: &Net,
    stream: &str,
    plain: &Keys,
    tags: &[String],
) -> Result<Vec<String>, OpenError> {
    let key = keys::partitions(stream);
    let mut command = scripts::call(&PARTITION, &[&key, &plain.stream]);
    command.arg(tags.len()).arg(tags.join(","));
    let reply = net.run(plain.slot, &PARTITION, &command).await?;
    let shape = |shape: wire::Unexpected| shape.from(net.address(plain.slot));
    let parts = wire::list(reply).map_err(shape)?;
    let kept = parts.get(1).map_or(Ok(String::new()), wire::text);
    let kept = split(&kept.map_err(shape)?);
    for keys in all(stream, plain, &kept) {
        let mut tell = redis::cmd("HSET");
        tell.arg(&keys.meta).arg(TAGS).arg(kept.join(","));
        net.ask(keys.slot, &tell).await?;
    }
    Ok(kept)
}

/// The field of each partition's `meta` that says which there are.
const TAGS: &str = "tags";
/// How long partitions whose stream says nothing of them are looked for.
const LOOKED_FOR: Duration = Duration::from_secs(2);

async fn is_missing(net: &Net, plain: &Keys) -> Result<bool, OpenError> {
    let mut exists = redis::cmd("EXISTS");
    exists.arg(&plain.stream);
    Ok(net.ask(plain.slot, &exists).await? == Value::Int(0))
}

/// What partitions of the stream say, if there are any. A stream that is not there yet is looked for once, so
/// this may take a moment; who may not look finds none.
async fn orphaned(net: &Net, stream: &str) -> Option<Vec<String>> {
    let prefix = format!("{stream}:{{");
    let looking = async {
        let found = names(net, Some(&format!("{}*}}", glob(&prefix))))
            .await
            .ok()?;
        for name in found {
            let keys = Keys::new(&name);
            let mut get = redis::cmd("HGET");
            get.arg(&keys.meta).arg(TAGS);
            let Ok(Value::BulkString(tags)) = net.ask(keys.slot, &get).await else {
                continue;
            };
            let tags = split(&String::from_utf8_lossy(&tags));
            // What was copied from elsewhere speaks of others.
            if tags.iter().any(|tag| name == format!("{prefix}{tag}}}")) {
                return Some(tags);
            }
        }
        None
    };
    timeout(LOOKED_FOR, looking).await.ok().flatten()
}

/// A pattern that only `text` itself matches.
fn glob(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for char in text.chars() {
        if "*?[]^-\\".contains(char) {
            pattern.push('\\');
        }
        pattern.push(char);
    }
    pattern
}

fn split(tags: &str) -> Vec<String> {
    tags.split(',')
        .filter(|tag| !tag.is_empty())
        .map(str::to_owned)
        .collect()
}
