//! URLs that name another kind of server than stands there.

use std::net::{Ipv4Addr, TcpListener};

use recount_testbed::{Authority, Flavor, Sentinel, Server};

use super::fake::Fake;
use super::*;

const FLAVOR: Flavor = Flavor::Redis70;

/// What connecting fails with, or else the first question.
async fn told(text: &str) -> String {
    let options = NetOptions {
        connect_timeout: Duration::from_millis(500),
        ..NetOptions::default()
    };
    let error = match Net::connect(&url(text), options).await {
        Ok(net) => ask(&net, "HGET a b").await.unwrap_err(),
        Err(error) => error,
    };
    error.to_string()
}

async fn assert_told(text: &str, advice: &str) {
    let told = told(text).await;
    assert!(told.contains(advice), "{text}: {told}");
}

#[tokio::test]
async fn sentinels_and_servers_are_not_mistaken_for_each_other() {
    let sentinel = Sentinel::start(FLAVOR, 1, &[]);
    let url = sentinel.url();
    let (at, _) = url["redis-sentinel://".len()..].split_once('/').unwrap();
    assert_told(&format!("redis://{at}"), "write redis-sentinel://").await;
    assert_told(&format!("redis-cluster://{at}"), "write redis-sentinel://").await;
    let server = sentinel.servers()[0].port();
    let mistaken = format!("redis-sentinel://127.0.0.1:{server}/m");
    assert_told(&mistaken, "write redis://host:port").await;
    // Before Redis 7 the quotes are others.
    let fake = Fake::start(|_| Some("-ERR unknown command `hget`, with args".into()));
    assert_told(&fake.url(), "write redis-sentinel://").await;
}

#[tokio::test]
async fn a_database_that_there_is_not_is_told() {
    let server = Server::start(FLAVOR, &[]);
    let url = server.url();
    assert_told(&format!("{url}/16"), "no database 16").await;
    let node = Server::start(FLAVOR, &["--cluster-enabled", "yes"]);
    assert_told(&format!("{}/1", node.url()), "redis-cluster://").await;
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_told() {
    for kind in [
        "redis://no-such-host.invalid",
        "redis-cluster://no-such-host.invalid",
    ] {
        let told = told(kind).await;
        assert!(told.contains("host name is not known"), "{told}");
        assert!(!told.contains("running"), "{told}");
    }
}

#[tokio::test]
async fn ports_with_and_without_tls_are_told_apart() {
    let (_server, port) = Authority::new().serve(FLAVOR, false);
    assert_told(&format!("redis://127.0.0.1:{port}"), "write rediss://").await;
    let server = Server::start(FLAVOR, &[]);
    let mistaken = format!("rediss://127.0.0.1:{}", server.port());
    assert_told(&mistaken, "write redis:// instead of rediss://").await;
    // It is the server that is silent, and not a firewall.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = silent.local_addr().unwrap().port();
    let told = told(&format!("redis://127.0.0.1:{port}")).await;
    assert!(told.contains("does not answer within 500ms"), "{told}");
    assert!(!told.contains("firewall"), "{told}");
}

#[tokio::test]
async fn a_replica_is_not_waited_for_where_it_will_stay_one() {
    let fake = Fake::start(|_| Some("-READONLY You can't write".to_owned()));
    let net = connect(&fake.url()).await;
    let write = [words("SET a 1")];
    let refused = net.call_if_writable(0, Call::of(&write)).await;
    assert_eq!(code(refused.unwrap_err()), "READONLY");
    assert_eq!(fake.seen(), ["SET a 1"]);
}
