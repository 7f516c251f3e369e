//! The settings of logs on a server.

use std::time::Duration;

use recount_redis::RedisOptions;

use super::{DAY, Field, Setting};
use crate::config::Secret;
use crate::config::redis::{parse_wait_aof, show_wait_aof};

const APPENDING: &str = "publish, fork, memory, replay, import, demo";
/// More replicas than anybody has.
const REPLICAS_MAX: u64 = 100;
const MS: Duration = Duration::from_millis(1);

pub(super) const PASSWORD: Setting = Setting::new(
    "redis.password",
    "The server's password, where the URL has none. Never shown",
    Field::Secret {
        get: |config| config.redis.password.is_some(),
        set: |config, text| {
            config.redis.password = (!text.is_empty()).then(|| Secret::new(text));
        },
    },
)
.also("REDIS_PASSWORD");

pub(super) const PARTITIONS: Setting = Setting::new(
    "redis.partitions",
    "How many partitions a stream on a server has; auto: what it has, or 1 for a \
     new one. A number is fixed once the stream holds something",
    Field::NumberOr {
        word: "auto",
        range: 1..=RedisOptions::PARTITIONS_MAX as u64,
        get: |config| config.redis.partitions.map(u64::from),
        set: |config, number| config.redis.partitions = number.map(|number| number as u32),
    },
)
.flag("--partitions", APPENDING);

pub(super) const WAIT_REPLICAS: Setting = Setting::new(
    "redis.wait_replicas",
    "How many replicas must have an append before it is acknowledged, as WAIT of Redis",
    Field::Number {
        range: 0..=REPLICAS_MAX,
        get: |config| config.redis.wait_replicas.into(),
        set: |config, number| config.redis.wait_replicas = number as u32,
    },
)
.flag("--wait-replicas", APPENDING);

pub(super) const WAIT_AOF: Setting = Setting::new(
    "redis.wait_aof",
    "Who must have synced an append before it is acknowledged, as WAITAOF of Redis \
     7.2: off, local (the server), replicas:N, or local+replicas:N",
    Field::Text {
        example: "local",
        get: |config| show_wait_aof(config.redis.wait_aof),
        set: |config, text| {
            config.redis.wait_aof = parse_wait_aof(text)?;
            Ok(())
        },
    },
)
.flag("--wait-aof", APPENDING);

pub(super) const WAIT_TIMEOUT: Setting = Setting::new(
    "redis.wait_timeout",
    "How long an append waits for those who must have it, before it fails as unconfirmed",
    Field::Span {
        range: MS..=DAY,
        get: |config| config.redis.wait_timeout,
        set: |config, span| config.redis.wait_timeout = span,
    },
);

pub(super) const IDS_MAX: Setting = Setting::new(
    "redis.idempotency_ids_max",
    "How many event ids of a partition a server remembers at most, about 130 to 210 bytes each; \
     where more come, the window is shorter",
    Field::Number {
        range: 1..=u64::MAX,
        get: |config| config.redis.idempotency_ids_max,
        set: |config, number| config.redis.idempotency_ids_max = number,
    },
);

pub(super) const TIMEOUT: Setting = Setting::new(
    "redis.timeout",
    "How long a call to a server is tried, over lost connections and failovers, before it fails",
    Field::Span {
        range: MS..=DAY,
        get: |config| config.redis.timeout,
        set: |config, span| config.redis.timeout = span,
    },
);
