//! The engine against the whole contract, on every server it supports and on a Cluster.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

use recount_redis::{RedisOptions, RedisUrl};
use recount_testbed::{Cluster, Flavor, Server};

/// A stream that no case has used.
fn fresh() -> String {
    static CASES: AtomicU32 = AtomicU32::new(0);
    let case = CASES.fetch_add(1, Ordering::Relaxed);
    format!("case:{case}")
}

fn url(text: &str) -> RedisUrl {
    text.parse().expect("a server's URL")
}

fn options(environment: &recount_conformance::Environment) -> RedisOptions {
    RedisOptions {
        limits: environment.limits,
        idempotency_window: environment.idempotency_window,
        clock: Some(environment.clock.clone()),
        ..RedisOptions::default()
    }
}

/// The suites on one server, which all cases share; each has a stream of its own.
macro_rules! conforms {
    ($module:ident: $server:ty = $start:expr) => {
        mod $module {
            use super::*;
            use recount_conformance::{Engine, Environment, GroupEngine};
            use recount_redis::RedisLog;

            static SERVER: LazyLock<$server> = LazyLock::new(|| $start);

            struct Stream(String);

            impl Engine for Stream {
                type Log = RedisLog;

                async fn create() -> Self {
                    Self(fresh())
                }

                async fn open(&self, environment: &Environment) -> RedisLog {
                    RedisLog::open(&url(&SERVER.url()), &self.0, options(environment))
                        .await
                        .expect("the log opens")
                }

                async fn follow(&self, environment: &Environment) -> RedisLog {
                    RedisLog::open_read_only(&url(&SERVER.url()), &self.0, options(environment))
                        .await
                        .expect("the log opens for reading")
                }
            }

            impl GroupEngine for Stream {
                type Groups = RedisLog;

                async fn groups(&self, log: &Arc<RedisLog>) -> Arc<RedisLog> {
                    Arc::clone(log)
                }
            }

            recount_conformance::event_log_suite!(Stream);
            recount_conformance::group_store_suite!(Stream);
            recount_conformance::model_suite!(Stream);
        }
    };
}

/// However heavy a case is, no node takes another for dead: what a replica lacks would be lost.
const STEADY: [&str; 2] = ["--cluster-node-timeout", "60000"];

conforms!(redis_6_0: Server = Server::start(Flavor::Redis60, &[]));
conforms!(redis_6_2: Server = Server::start(Flavor::Redis62, &[]));
conforms!(redis_7_0: Server = Server::start(Flavor::Redis70, &[]));
conforms!(redis_8_2: Server = Server::start(Flavor::Redis82, &[]));
conforms!(valkey_9: Server = Server::start(Flavor::Valkey9, &[]));
conforms!(cluster: Cluster = Cluster::start(Flavor::Redis70, &STEADY));
