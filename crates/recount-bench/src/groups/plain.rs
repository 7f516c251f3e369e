//! A consumer as one writes it by hand: pages of 100, acknowledged with the next one's request.

use std::str;

use bytes::Bytes;
use recount_core::{Body, EntryId, Field, codec};
use redis::Value;

use super::deliver::GROUP;
use crate::Failure;
use crate::ours::STREAM;
use crate::redis_engine::Client;

const PAGE: usize = 100;

/// Delivers everything to one consumer and acknowledges it; how many events there were.
pub async fn consume(port: u16) -> Result<u64, Failure> {
    let client = Client::connect(port).await?;
    let mut read = redis::cmd("XREADGROUP");
    read.arg("GROUP").arg(GROUP).arg("one");
    read.arg("COUNT")
        .arg(PAGE)
        .arg("STREAMS")
        .arg(STREAM)
        .arg(">");
    let (mut seen, mut ids) = (0, Vec::new());
    loop {
        let mut commands = Vec::with_capacity(2);
        if !ids.is_empty() {
            let mut ack = redis::cmd("XACK");
            ack.arg(STREAM).arg(GROUP).arg(&ids);
            commands.push(ack);
        }
        commands.push(read.clone());
        let page = client.ask_all(&commands).await?.pop();
        let entries = entries(page.unwrap_or(Value::Nil))?;
        if entries.is_empty() {
            return Ok(seen);
        }
        ids.clear();
        for (id, fields) in entries {
            let text = str::from_utf8(&id)?;
            let entry_id: EntryId = text.parse()?;
            if let Body::Event(_) = codec::decode(entry_id, fields) {
                seen += 1;
            }
            ids.push(text.to_owned());
        }
    }
}

/// An entry's id as text, and its fields.
type RawEntry = (Vec<u8>, Vec<Field>);

/// The entries of an answer to `XREADGROUP` from one stream.
fn entries(reply: Value) -> Result<Vec<RawEntry>, Failure> {
    let wrong = || Failure::from("XREADGROUP is answered in another form");
    let list = |value| match value {
        Value::Array(values) => Ok(values),
        _ => Err(wrong()),
    };
    if reply == Value::Nil {
        return Ok(Vec::new());
    }
    let mut stream = list(list(reply)?.pop().ok_or_else(wrong)?)?;
    let mut found = Vec::new();
    for entry in list(stream.pop().ok_or_else(wrong)?)? {
        let mut entry = list(entry)?;
        let fields = list(entry.pop().ok_or_else(wrong)?)?;
        let Some(Value::BulkString(id)) = entry.pop() else {
            return Err(wrong());
        };
        let mut pairs = Vec::with_capacity(fields.len() / 2);
        let mut fields = fields.into_iter();
        while let (Some(Value::BulkString(name)), Some(Value::BulkString(value))) =
            (fields.next(), fields.next())
        {
            pairs.push((Bytes::from(name), Bytes::from(value)));
        }
        found.push((id, pairs));
    }
    Ok(found)
}

/// Waits for what comes after an id and decodes it; the ids.
pub async fn tail(client: &Client, after: &str) -> Result<Vec<String>, Failure> {
    let mut read = redis::cmd("XREAD");
    read.arg("BLOCK")
        .arg(0)
        .arg("STREAMS")
        .arg(STREAM)
        .arg(after);
    let mut ids = Vec::new();
    for (id, fields) in entries(client.ask(&read).await?)? {
        let text = str::from_utf8(&id)?;
        codec::decode(text.parse()?, fields);
        ids.push(text.to_owned());
    }
    Ok(ids)
}
