//! A Redis Cluster: three masters, three replicas.

use crate::{Authority, Flavor, Reply, Server, until};

const MASTERS: usize = 3;
const SLOTS: usize = 16_384;
/// How long a node is silent before the others take it for dead: long enough for a busy machine.
const NODE_TIMEOUT_MS: &str = "2000";

/// Three masters and a replica of each. Nodes are told apart by number: 0 to 2 began as masters, 3 to 5 as
/// their replicas.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Server>,
    /// The ports with TLS, where there are some.
    tls: Vec<Option<u16>>,
    ids: Vec<String>,
}

impl Cluster {
    /// Starts a cluster; `args` are further configuration of every node. Returns once every slot is served
    /// and every replica is in step.
    pub fn start(flavor: Flavor, args: &[&str]) -> Self {
        Self::start_with(flavor, args, None)
    }

    /// As [`Cluster::start`], but nodes speak TLS among themselves, and to clients on a further port each
    /// ([`Cluster::tls_url`]).
    pub fn start_tls(flavor: Flavor, authority: &Authority) -> Self {
        let args = ["--tls-cluster", "yes", "--tls-replication", "yes"];
        Self::start_with(flavor, &args, Some(authority))
    }

    fn start_with(flavor: Flavor, args: &[&str], authority: Option<&Authority>) -> Self {
        let common = [
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            NODE_TIMEOUT_MS,
            // However long a replica was cut off, it takes over.
            "--cluster-replica-validity-factor",
            "0",
        ];
        let args = [&common, args].concat();
        let (nodes, tls): (Vec<Server>, Vec<Option<u16>>) = (0..2 * MASTERS)
            .map(|_| match authority {
                None => (Server::start(flavor, &args), None),
                Some(authority) => {
                    let (node, port) = authority.serve_with(flavor, false, &args);
                    (node, Some(port))
                }
            })
            .unzip();
        let ids = nodes
            .iter()
            .map(|node| node.command(&["CLUSTER", "MYID"]).text())
            .collect();
        let cluster = Self { nodes, tls, ids };
        cluster.assign();
        cluster.introduce();
        for replica in MASTERS..2 * MASTERS {
            let master = &cluster.ids[replica - MASTERS];
            cluster.tell(replica, &["CLUSTER", "REPLICATE", master]);
        }
        cluster.settle();
        cluster
    }

    fn assign(&self) {
        for (number, master) in self.nodes[..MASTERS].iter().enumerate() {
            let slots = number * SLOTS / MASTERS..(number + 1) * SLOTS / MASTERS;
            let slots: Vec<String> = slots.map(|slot| slot.to_string()).collect();
            let words: Vec<&str> = ["CLUSTER", "ADDSLOTS"]
                .into_iter()
                .chain(slots.iter().map(String::as_str))
                .collect();
            master.command(&words).assert_fine();
            // Else all begin with the same epoch and have to sort it out.
            let epoch = (number + 1).to_string();
            master
                .command(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch])
                .assert_fine();
        }
    }

    fn introduce(&self) {
        for (node, tls) in self.nodes.iter().zip(&self.tls).skip(1) {
            // The port of the bus lies as far above it on every node.
            let port = tls.unwrap_or(node.port()).to_string();
            self.tell(0, &["CLUSTER", "MEET", "127.0.0.1", &port]);
        }
        until("the nodes to know each other", || {
            let all_known = |node: &Server| {
                let nodes = node.command(&["CLUSTER", "NODES"]).text();
                nodes.lines().count() == self.nodes.len() && !nodes.contains("handshake")
            };
            self.nodes.iter().all(all_known).then_some(())
        });
    }

    /// Waits until every running node serves every slot, and every running replica is in step.
    pub fn settle(&self) {
        until("the cluster to settle", || {
            let running = || self.nodes.iter().filter(|node| node.is_running());
            running().all(is_settled).then_some(())
        });
    }

    /// `redis-cluster://HOST:PORT,...` with every node.
    pub fn url(&self) -> String {
        address(self.nodes.iter().map(Server::port))
    }

    /// The same with the ports that speak TLS, and no options.
    pub fn tls_url(&self) -> String {
        address(self.tls.iter().map(|port| port.expect("it speaks TLS")))
    }

    /// A node.
    pub fn node(&self, number: usize) -> &Server {
        &self.nodes[number]
    }

    /// A node, to be killed and restarted.
    pub fn node_mut(&mut self, number: usize) -> &mut Server {
        &mut self.nodes[number]
    }

    /// The nodes.
    pub fn nodes(&self) -> &[Server] {
        &self.nodes
    }

    /// The slot of a key.
    pub fn slot_of(&self, key: &str) -> u16 {
        let reply = self.anyone().command(&["CLUSTER", "KEYSLOT", key]);
        u16::try_from(reply.integer()).expect("a slot")
    }

    /// The node that a running one takes for the master of a slot.
    pub fn master_of(&self, slot: u16) -> usize {
        let port = master_port(self.anyone(), slot).expect("the slot is served");
        self.number_of(port)
    }

    /// The replica of a master, by what the replica says.
    pub fn replica_of(&self, master: usize) -> usize {
        let port = self.nodes[master].port().to_string();
        let is_its = |node: &Server| {
            node.is_running() && node.info("master_port").as_deref() == Some(port.as_str())
        };
        let found = self.nodes.iter().position(is_its);
        found.expect("the master has a replica")
    }

    /// Kills the master of a slot and waits until its replica took over. Returns the killed node.
    pub fn fail_over(&mut self, slot: u16) -> usize {
        let killed = self.master_of(slot);
        let old = self.nodes[killed].port();
        self.nodes[killed].kill();
        until("a replica to take over", || {
            let mut running = self.nodes.iter().filter(|node| node.is_running());
            running
                .all(|node| {
                    is_settled(node) && master_port(node, slot).is_some_and(|port| port != old)
                })
                .then_some(())
        });
        killed
    }

    /// Moves a slot with everything in it to another master, `page` keys at a time. `between` is called
    /// before the first page, after each page, and before the slot is handed over.
    pub fn migrate_slot(&self, slot: u16, to: usize, page: usize, mut between: impl FnMut()) {
        let from = self.master_of(slot);
        let number = slot.to_string();
        let port = self.nodes[to].port().to_string();
        let set = ["CLUSTER", "SETSLOT", &number];
        self.tell(to, &[&set[..], &["IMPORTING", &self.ids[from]]].concat());
        self.tell(from, &[&set[..], &["MIGRATING", &self.ids[to]]].concat());
        between();
        let mut client = self.nodes[from].client();
        loop {
            let count = page.to_string();
            let keys = client
                .command(&["CLUSTER", "GETKEYSINSLOT", &number, &count])
                .list();
            if keys.is_empty() {
                break;
            }
            let keys: Vec<String> = keys.iter().map(Reply::text).collect();
            let words: Vec<&str> = ["MIGRATE", "127.0.0.1", &port, "", "0", "10000", "KEYS"]
                .into_iter()
                .chain(keys.iter().map(String::as_str))
                .collect();
            client.command(&words).assert_fine();
            between();
        }
        // The new owner first: no key is ever without one.
        for node in [to, from] {
            self.tell(node, &[&set[..], &["NODE", &self.ids[to]]].concat());
        }
        until("everybody to know the slot's new master", || {
            let mut running = self.nodes.iter().filter(|node| node.is_running());
            let to = self.nodes[to].port();
            running
                .all(|node| master_port(node, slot) == Some(to))
                .then_some(())
        });
    }

    fn tell(&self, node: usize, words: &[&str]) {
        self.nodes[node].command(words).assert_fine();
    }

    fn anyone(&self) -> &Server {
        let mut running = self.nodes.iter().filter(|node| node.is_running());
        running.next().expect("a node runs")
    }

    fn number_of(&self, port: u16) -> usize {
        let found = self.nodes.iter().position(|node| node.port() == port);
        found.expect("the port is a node's")
    }
}

fn address(ports: impl Iterator<Item = u16>) -> String {
    let nodes: Vec<String> = ports.map(|port| format!("127.0.0.1:{port}")).collect();
    format!("redis-cluster://{}", nodes.join(","))
}

fn is_settled(node: &Server) -> bool {
    // A node that loads its data answers with an error.
    let state = node.command(&["CLUSTER", "INFO"]);
    if state.error().is_some() || !state.text().contains("cluster_state:ok") {
        return false;
    }
    let in_step = || match node.info("role").as_deref() {
        Some("slave") => node.info("master_link_status").as_deref() == Some("up"),
        role => role == Some("master"),
    };
    let every_slot = || {
        let covered: i64 = ranges(node).map(|range| range.end - range.start + 1).sum();
        covered == SLOTS as i64
    };
    in_step() && every_slot()
}

struct Range {
    start: i64,
    end: i64,
    port: u16,
}

/// The slots as a node knows them, with their masters.
fn ranges(node: &Server) -> impl Iterator<Item = Range> {
    let slots = match node.command(&["CLUSTER", "SLOTS"]) {
        Reply::List(slots) => slots,
        _ => Vec::new(),
    };
    slots.into_iter().map(|range| {
        let range = range.list();
        let master = range[2].clone().list();
        Range {
            start: range[0].integer(),
            end: range[1].integer(),
            port: u16::try_from(master[1].integer()).expect("a port"),
        }
    })
}

fn master_port(node: &Server, slot: u16) -> Option<u16> {
    let slot = i64::from(slot);
    ranges(node)
        .find(|range| (range.start..=range.end).contains(&slot))
        .map(|range| range.port)
}
