//! The settings of logs on a server.

use std::time::Duration;

use recount_redis::RedisOptions;

use super::{DAY, Field, Setting};
use crate::config::Secret;
use crate::config::redis::{parse_wait_aof, show_wait_aof};

const WRITING: &str = "publish, replay, trim, import, demo";
/// More replicas than anybody has.
const REPLICAS_MAX: u64 = 100;
const MS: Duration = Duration::from_millis(1);

pub(super) const PASSWORD: Setting = Setting {
    key: "redis.password",
    flag: None,
    also: Some("REDIS_PASSWORD"),
    commands: "",
    meaning: "The server's password, where the URL has none. Never shown",
    field: Field::Secret {
        get: |config| config.redis.password.is_some(),
        set: |config, text| {
            config.redis.password = (!text.is_empty()).then(|| Secret::new(text));
        },
    },
};

pub(super) const PARTITIONS: Setting = Setting {
    key: "redis.partitions",
    flag: Some("--partitions"),
    also: None,
    commands: WRITING,
    meaning: "How many partitions a stream on a server has; auto: what it has, or 1 for a new one. A number is fixed once the stream holds something",
    field: Field::NumberOr {
        word: "auto",
        range: 1..=RedisOptions::PARTITIONS_MAX as u64,
        get: |config| config.redis.partitions.map(u64::from),
        set: |config, number| config.redis.partitions = number.map(|number| number as u32),
    },
};

pub(super) const WAIT_REPLICAS: Setting = Setting {
    key: "redis.wait_replicas",
    flag: Some("--wait-replicas"),
    also: None,
    commands: WRITING,
    meaning: "How many replicas must have an append before it is acknowledged, as WAIT of Redis",
    field: Field::Number {
        range: 0..=REPLICAS_MAX,
        get: |config| config.redis.wait_replicas.into(),
        set: |config, number| config.redis.wait_replicas = number as u32,
    },
};

pub(super) const WAIT_AOF: Setting = Setting {
    key: "redis.wait_aof",
    flag: Some("--wait-aof"),
    also: None,
    commands: WRITING,
    meaning: "Who must have synced an append before it is acknowledged, as WAITAOF of Redis 7.2: off, local (the server), replicas:N, or local+replicas:N",
    field: Field::Text {
        example: "local",
        get: |config| show_wait_aof(config.redis.wait_aof),
        set: |config, text| {
            config.redis.wait_aof = parse_wait_aof(text)?;
            Ok(())
        },
    },
};

pub(super) const WAIT_TIMEOUT: Setting = Setting {
    key: "redis.wait_timeout",
    flag: None,
    also: None,
    commands: "",
    meaning: "How long an append waits for those who must have it, before it fails as unconfirmed",
    field: Field::Span {
        range: MS..=DAY,
        get: |config| config.redis.wait_timeout,
        set: |config, span| config.redis.wait_timeout = span,
    },
};

pub(super) const IDS_MAX: Setting = Setting {
    key: "redis.idempotency_ids_max",
    flag: None,
    also: None,
    commands: "",
    meaning: "How many event ids of a partition a server remembers at most, about 130 to 210 bytes each; where more come, the window is shorter",
    field: Field::Number {
        range: 1..=u64::MAX,
        get: |config| config.redis.idempotency_ids_max,
        set: |config, number| config.redis.idempotency_ids_max = number,
    },
};

pub(super) const TIMEOUT: Setting = Setting {
    key: "redis.timeout",
    flag: None,
    also: None,
    commands: "",
    meaning: "How long a call to a server is tried, over lost connections and failovers, before it fails",
    field: Field::Span {
        range: MS..=DAY,
        get: |config| config.redis.timeout,
        set: |config, span| config.redis.timeout = span,
    },
};
