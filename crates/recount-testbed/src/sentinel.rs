//! A master with a replica, watched by Sentinels.

use std::fmt::Write as _;
use std::fs;

use crate::{Flavor, Reply, Server, until};

const NAME: &str = "recount";

/// A master, a replica and the Sentinels that make the one the other's successor.
#[derive(Debug)]
pub struct Sentinel {
    servers: [Server; 2],
    sentinels: Vec<Server>,
}

impl Sentinel {
    /// Starts everything; most of the sentinels must agree. `args` are further configuration of the master
    /// and the replica. Returns once the sentinels know the replica and each other.
    pub fn start(flavor: Flavor, sentinels: usize, args: &[&str]) -> Self {
        let master = Server::start(flavor, args);
        let port = master.port().to_string();
        let following = ["--replicaof", "127.0.0.1", &port];
        let replica = Server::start(flavor, &[args, &following].concat());
        until("the replica to be in step", || {
            (replica.info("master_link_status")? == "up").then_some(())
        });
        let quorum = sentinels / 2 + 1;
        let sentinels: Vec<Server> = (0..sentinels)
            .map(|_| start_sentinel(flavor, &port, quorum))
            .collect();
        let others = sentinels.len() - 1;
        for sentinel in &sentinels {
            until("the sentinels to know everybody", || {
                let known = |field| master_field(sentinel, field)?.parse().ok();
                (known("num-slaves") == Some(1) && known("num-other-sentinels") == Some(others))
                    .then_some(())
            });
        }
        Self {
            servers: [master, replica],
            sentinels,
        }
    }

    /// `redis-sentinel://HOST:PORT,.../NAME`.
    pub fn url(&self) -> String {
        let sentinels: Vec<String> = self
            .sentinels
            .iter()
            .map(|sentinel| format!("127.0.0.1:{}", sentinel.port()))
            .collect();
        format!("redis-sentinel://{}/{NAME}", sentinels.join(","))
    }

    /// The server that the sentinels name as the master.
    pub fn master(&self) -> &Server {
        &self.servers[self.master_number()]
    }

    /// The two servers; the first began as the master.
    pub fn servers(&self) -> &[Server; 2] {
        &self.servers
    }

    /// Kills the master and waits until every sentinel names the other server, which then is a master. Returns
    /// the number of the killed one.
    pub fn fail_over(&mut self) -> usize {
        let killed = self.master_number();
        self.servers[killed].kill();
        let successor = &self.servers[1 - killed];
        until("the replica to take over", || {
            let named = |sentinel| master_port(sentinel) == Some(successor.port());
            (self.sentinels.iter().all(named) && successor.info("role")? == "master").then_some(())
        });
        killed
    }

    /// Starts a killed server again; the sentinels make it a replica.
    pub fn restart(&mut self, number: usize) {
        self.servers[number].restart();
    }

    fn master_number(&self) -> usize {
        let port = master_port(&self.sentinels[0]).expect("the sentinels know a master");
        let found = self.servers.iter().position(|server| server.port() == port);
        found.expect("the master is ours")
    }
}

fn start_sentinel(flavor: Flavor, master_port: &str, quorum: usize) -> Server {
    Server::start_with(flavor, |directory| {
        let file = directory.join("sentinel.conf");
        let mut text = format!("sentinel monitor {NAME} 127.0.0.1 {master_port} {quorum}\n");
        for (setting, value) in [
            ("down-after-milliseconds", 1_000),
            ("failover-timeout", 5_000),
            ("parallel-syncs", 1),
        ] {
            let _ = writeln!(text, "sentinel {setting} {NAME} {value}");
        }
        fs::write(&file, text).expect("the sentinel's file is written");
        vec![file.display().to_string(), "--sentinel".to_owned()]
    })
}

fn master_port(sentinel: &Server) -> Option<u16> {
    let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME];
    match sentinel.command(&words) {
        Reply::List(address) => address.get(1)?.text().parse().ok(),
        _ => None,
    }
}

/// A field of what a sentinel knows of the master.
fn master_field(sentinel: &Server, field: &str) -> Option<String> {
    let fields = sentinel.command(&["SENTINEL", "MASTER", NAME]).list();
    let mut pairs = fields.chunks_exact(2);
    pairs
        .find(|pair| pair[0].text() == field)
        .map(|pair| pair[1].text())
}
