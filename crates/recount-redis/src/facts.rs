//! What the servers say of themselves: versions, and what their acknowledgement is worth.

use std::fmt::Write as _;

use recount_core::Durability;
use redis::Value;

use crate::net::{CallError, Net};
use crate::options::RedisOptions;
use crate::wire;

/// What the servers said at some moment; of several masters, the weakest counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// `Redis 7.0.15`, `Valkey 9.1.2`.
    pub(crate) server: String,
    version: Option<(u32, u32)>,
    aof: Option<Aof>,
    /// The points of `save`; empty where no snapshots are made.
    snapshots: Option<String>,
    eviction: Option<String>,
    maxmemory: Option<u64>,
    pub(crate) used_memory: Option<u64>,
    /// Of the master with the fewest.
    replicas: Option<u64>,
    /// A replica's own word.
    is_replica: bool,
}

/// When the append-only file is synced. The later ones promise more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Aof {
    Off,
    Everysec,
    No,
    Always,
}

impl Facts {
    /// Asks every master. What a user may not ask stays unknown.
    pub(crate) async fn ask(net: &Net) -> Result<Self, CallError> {
        let mut facts: Option<Self> = None;
        // Settings one by one, and no more than are needed: there are passwords among the others.
        let config = |pattern: &str| {
            let mut command = redis::cmd("CONFIG");
            command.arg("GET").arg(pattern);
            command
        };
        let infos = net.masters(&redis::cmd("INFO")).await;
        let aof = net.masters(&config("append*")).await;
        let save = net.masters(&config("save")).await;
        for (place, (_, info)) in infos.into_iter().enumerate() {
            let mut one = Self::default();
            match info {
                Ok(Value::BulkString(text)) => one.read_info(&String::from_utf8_lossy(&text)),
                Ok(Value::VerbatimString { text, .. }) => one.read_info(&text),
                Ok(_) => {}
                // A user who may not ask may still publish.
                Err(CallError::Server { code, .. }) if code == "NOPERM" => {}
                Err(error) => return Err(error),
            }
            for answers in [&aof, &save] {
                if let Some((_, Ok(Value::Array(settings)))) = answers.get(place) {
                    one.read_config(settings);
                }
            }
            facts = Some(match facts {
                Some(facts) => facts.weaker(one),
                None => one,
            });
        }
        Ok(facts.unwrap_or_default())
    }

    /// The name of a server that is too old; none where it is not, or not known.
    pub(crate) fn too_old(&self) -> Option<&str> {
        let valkey = self.server.starts_with("Valkey");
        let old = self.version.is_some_and(|version| version < (6, 0));
        (old && !valkey).then_some(&self.server)
    }

    /// Whether the server knows `WAITAOF`; true where its version is not known.
    pub(crate) fn has_waitaof(&self) -> bool {
        let valkey = self.server.starts_with("Valkey");
        valkey || self.version.is_none_or(|version| version >= (7, 2))
    }

    /// Whether a consumer is known to the server by a read that brought nothing.
    pub(crate) fn notes_empty_reads(&self) -> bool {
        self.version.is_some_and(|version| version >= (7, 2))
    }

    /// Whether the server is known to have no append-only file, so that nobody can wait for its sync.
    pub(crate) fn has_no_aof(&self) -> bool {
        self.aof == Some(Aof::Off)
    }

    fn read_info(&mut self, text: &str) {
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(str::trim)
        };
        let redis = field("redis_version");
        self.server = match field("valkey_version") {
            Some(valkey) => format!("Valkey {valkey}"),
            None => redis.map_or_else(String::new, |redis| format!("Redis {redis}")),
        };
        self.version = redis.and_then(|version| {
            let mut parts = version.split('.').map(str::parse);
            Some((parts.next()?.ok()?, parts.next()?.ok()?))
        });
        self.replicas = field("connected_slaves").and_then(|count| count.parse().ok());
        self.used_memory = field("used_memory").and_then(|bytes| bytes.parse().ok());
        self.maxmemory = field("maxmemory").and_then(|bytes| bytes.parse().ok());
        self.eviction = field("maxmemory_policy").map(str::to_owned);
        self.is_replica = field("role") == Some("slave");
        if field("aof_enabled") == Some("0") {
            self.aof = Some(Aof::Off);
        }
    }

    fn read_config(&mut self, settings: &[Value]) {
        let setting = |name| wire::field(settings, name).and_then(|value| wire::text(value).ok());
        self.aof = match (setting("appendonly"), setting("appendfsync")) {
            (Some(on), _) if on == "no" => Some(Aof::Off),
            (Some(_), Some(fsync)) => match fsync.as_str() {
                "always" => Some(Aof::Always),
                "everysec" => Some(Aof::Everysec),
                _ => Some(Aof::No),
            },
            _ => self.aof,
        };
        self.snapshots = setting("save").or(self.snapshots.take());
    }

    fn weaker(self, other: Self) -> Self {
        let least = |a: Option<u64>, b: Option<u64>| a.zip(b).map(|(a, b)| a.min(b));
        let older = match (self.version, other.version) {
            (Some(a), Some(b)) if b < a => other.server.clone(),
            _ => self.server.clone(),
        };
        Self {
            server: older,
            version: self.version.zip(other.version).map(|(a, b)| a.min(b)),
            aof: self.aof.zip(other.aof).map(|(a, b)| a.min(b)),
            snapshots: self.snapshots.zip(other.snapshots).map(
                |(a, b)| {
                    if b.is_empty() { b } else { a }
                },
            ),
            eviction: [self.eviction, other.eviction]
                .into_iter()
                .flatten()
                .max_by_key(|policy| policy != "noeviction"),
            maxmemory: self.maxmemory.zip(other.maxmemory).map(|(a, b)| a + b),
            used_memory: self.used_memory.zip(other.used_memory).map(|(a, b)| a + b),
            replicas: least(self.replicas, other.replicas),
            is_replica: self.is_replica || other.is_replica,
        }
    }

    /// What an acknowledgement promises.
    pub(crate) fn durability(&self, options: &RedisOptions) -> Durability {
        let replicas = options
            .wait_aof
            .map_or(0, |aof| aof.replicas)
            .max(options.wait_replicas);
        if replicas > 0 {
            return Durability::Replicated { replicas };
        }
        if options.wait_aof.is_some_and(|aof| aof.local) {
            return Durability::Synced;
        }
        match self.aof {
            Some(Aof::Always) => Durability::Synced,
            Some(Aof::No) => Durability::Written,
            // While a sync runs in the background, the server answers before it writes.
            Some(Aof::Everysec | Aof::Off) | None => Durability::Accepted,
        }
    }

    /// The same in one sentence.
    pub(crate) fn note(&self, options: &RedisOptions) -> String {
        let mut note = match self.aof {
            _ if options.wait_aof.is_some_and(|aof| aof.local) => {
                "the server synced its append-only file before it answered (WAITAOF)".to_owned()
            }
            Some(Aof::Always) => {
                "the server synced its append-only file before it answered (appendfsync always): it \
                 survives the server and a power failure"
                    .to_owned()
            }
            Some(Aof::Everysec) => {
                "the server holds it in memory and writes and syncs its append-only file about every second \
                 (appendfsync everysec): a crash of the server or a power failure takes up to two seconds"
                    .to_owned()
            }
            Some(Aof::No) => {
                "the server wrote its append-only file and leaves syncing it to the system (appendfsync \
                 no): it survives the server's process, not a power failure"
                    .to_owned()
            }
            Some(Aof::Off) => match self.snapshots.as_deref() {
                Some("") => {
                    "the server holds it in memory only (no append-only file, no snapshots): a restart \
                     loses everything"
                        .to_owned()
                }
                _ => {
                    "the server holds it in memory (no append-only file): a restart loses what came after \
                     the last snapshot"
                        .to_owned()
                }
            },
            None => {
                "whether the server writes it to disk is unknown, because this user may not ask (CONFIG)"
                    .to_owned()
            }
        };
        let replicas = match self.replicas {
            Some(1) => "1 replica".to_owned(),
            Some(count) => format!("{count} replicas"),
            None => "an unknown number of replicas".to_owned(),
        };
        let aof_replicas = options.wait_aof.map_or(0, |aof| aof.replicas);
        let _ = if aof_replicas > 0 {
            write!(
                note,
                "; {aof_replicas} of {replicas} synced it as well (WAITAOF)"
            )
        } else if options.wait_replicas > 0 {
            let wanted = options.wait_replicas;
            write!(note, "; {wanted} of {replicas} had it as well (WAIT)")
        } else if self.replicas == Some(0) {
            write!(note, "; no replica has it")
        } else {
            write!(
                note,
                "; {replicas} may not have it yet, and a failover loses what they do not have"
            )
        };
        note
    }

    /// What whoever runs this should know.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.aof == Some(Aof::Off) {
            warnings.push(
                "a restart of the server loses events: set `appendonly yes` (and `appendfsync always` for \
                 what must not be lost)"
                    .to_owned(),
            );
        }
        match self.eviction.as_deref() {
            Some(policy) if policy.starts_with("allkeys") => warnings.push(format!(
                "the server may evict the stream when its memory is full (maxmemory-policy {policy}): set \
                 `maxmemory-policy noeviction`"
            )),
            Some(policy) if policy.starts_with("volatile") => warnings.push(format!(
                "the server may evict remembered event ids when its memory is full (maxmemory-policy \
                 {policy}), and duplicates go unnoticed then: set `maxmemory-policy noeviction`"
            )),
            None => warnings.push(
                "whether the server may evict the stream is unknown, because this user may not ask (INFO, \
                 CONFIG)"
                    .to_owned(),
            ),
            Some(_) => {}
        }
        if self.is_replica {
            warnings.push("the server is a read-only replica: publish to its master".to_owned());
        }
        if let (Some(max @ 1..), Some(used)) = (self.maxmemory, self.used_memory)
            && used * 10 >= max * 9
        {
            warnings.push(format!(
                "the server uses {used} of {max} bytes of memory: raise `maxmemory`, or trim"
            ));
        }
        warnings
    }

    /// Facts for `info`, as names and values.
    pub(crate) fn details(&self) -> Vec<(String, String)> {
        let aof = match self.aof {
            Some(Aof::Off) => "off",
            Some(Aof::No) => "no",
            Some(Aof::Everysec) => "everysec",
            Some(Aof::Always) => "always",
            None => "unknown",
        };
        let unknown = || "unknown".to_owned();
        let number = |value: Option<u64>| value.map_or_else(unknown, |value| value.to_string());
        let server = Some(self.server.clone()).filter(|server| !server.is_empty());
        vec![
            ("server".into(), server.unwrap_or_else(unknown)),
            ("appendfsync".into(), aof.into()),
            (
                "maxmemory_policy".into(),
                self.eviction.clone().unwrap_or_else(unknown),
            ),
            ("replicas".into(), number(self.replicas)),
            ("server_used_memory".into(), number(self.used_memory)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(info: &str, config: &[&str]) -> Facts {
        let mut facts = Facts::default();
        facts.read_info(info);
        let bulk = |text: &&str| Value::BulkString(text.as_bytes().to_vec());
        facts.read_config(&config.iter().map(bulk).collect::<Vec<_>>());
        facts
    }

    #[test]
    fn versions_decide_what_is_too_old() {
        let redis = |version: &str| facts(&format!("redis_version:{version}\r\n"), &[]);
        assert_eq!(redis("5.0.14").too_old(), Some("Redis 5.0.14"));
        assert_eq!(redis("6.0.0").too_old(), None);
        assert!(!redis("7.0.15").has_waitaof());
        assert!(redis("7.2.0").has_waitaof());
        let valkey = facts("redis_version:7.2.4\r\nvalkey_version:9.1.2\r\n", &[]);
        assert_eq!(valkey.server, "Valkey 9.1.2");
        assert_eq!(facts("", &[]).too_old(), None);
    }

    #[test]
    fn an_acknowledgement_is_worth_what_the_server_does() {
        let options = RedisOptions::default();
        let with = |fsync| {
            facts(
                "connected_slaves:1\r\n",
                &["appendonly", "yes", "appendfsync", fsync],
            )
        };
        assert_eq!(with("always").durability(&options), Durability::Synced);
        assert_eq!(with("everysec").durability(&options), Durability::Accepted);
        assert_eq!(with("no").durability(&options), Durability::Written);
        let memory = facts("connected_slaves:0\r\n", &["appendonly", "no", "save", ""]);
        assert_eq!(memory.durability(&options), Durability::Accepted);
        assert!(memory.note(&options).contains("a restart loses everything"));
        let unknown = facts("", &[]);
        assert_eq!(unknown.durability(&options), Durability::Accepted);
        assert!(unknown.note(&options).contains("unknown"));
        let waiting = RedisOptions {
            wait_replicas: 1,
            ..RedisOptions::default()
        };
        let replicated = Durability::Replicated { replicas: 1 };
        assert_eq!(memory.durability(&waiting), replicated);
        // Of several masters, the weakest counts.
        let both = with("always").weaker(memory.clone());
        assert_eq!(both.durability(&options), Durability::Accepted);
    }

    #[test]
    fn what_may_be_lost_is_warned_of() {
        let memory = facts(
            "maxmemory:100\r\nused_memory:95\r\nmaxmemory_policy:allkeys-lru\r\n",
            &["appendonly", "no"],
        );
        let warnings = memory.warnings().join("\n");
        for part in ["appendonly", "allkeys-lru", "95 of 100"] {
            assert!(warnings.contains(part), "{warnings}");
        }
        let safe = facts(
            "maxmemory:0\r\nmaxmemory_policy:noeviction\r\n",
            &["appendonly", "yes", "appendfsync", "always"],
        );
        assert_eq!(safe.warnings(), Vec::<String>::new());
    }
}
