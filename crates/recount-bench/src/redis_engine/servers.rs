//! Starting the servers that are measured.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, thread};

use clap::Args;
use recount_redis::RedisUrl;

use super::client::Client;
use super::usage::Usage;
use crate::Failure;
use crate::process::name;
use crate::redis::{self, Fsync, Server};

const SLOTS: u32 = 16_384;
/// Longer than any cluster takes to agree.
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Which server, and how it keeps what it is given.
#[derive(Args, Clone)]
pub struct ServerOptions {
    /// The server's program, found in PATH if it is a mere name
    #[arg(long, default_value = redis::PROGRAM)]
    pub server: PathBuf,
    /// When the server syncs its append-only file
    #[arg(long, default_value = "everysec")]
    pub fsync: Fsync,
}

impl ServerOptions {
    /// The same as arguments of a measurement.
    pub fn arguments(&self) -> [(&'static str, String); 2] {
        [
            ("server", self.server.display().to_string()),
            ("fsync", name(&self.fsync)),
        ]
    }

    /// Starts one server that keeps its files in `dir`.
    pub fn start(&self, dir: &Path) -> Result<Server, Failure> {
        self.start_with(dir, &[])
    }

    fn start_with(&self, dir: &Path, more: &[&str]) -> Result<Server, Failure> {
        Server::start_program(&self.server, dir, self.fsync, more)
            .map_err(|error| format!("cannot start {}: {error}", self.server.display()).into())
    }
}

/// One server, or a cluster of masters without replicas. Stopped when dropped.
pub struct Servers {
    servers: Vec<Server>,
    clients: Vec<Client>,
}

impl Servers {
    /// Starts `masters` servers, joined to a cluster if there are several.
    pub async fn start(options: &ServerOptions, dir: &Path, masters: u32) -> Result<Self, Failure> {
        let mut servers = Vec::new();
        let mut clients = Vec::new();
        for number in 0..masters {
            let dir = dir.join(number.to_string());
            fs::create_dir_all(&dir)?;
            let server = match masters {
                1 => options.start(&dir)?,
                _ => options.start_with(&dir, &["--cluster-enabled", "yes"])?,
            };
            clients.push(Client::connect(server.port()).await?);
            servers.push(server);
        }
        let started = Self { servers, clients };
        if masters > 1 {
            started.join().await?;
        }
        Ok(started)
    }

    async fn join(&self) -> Result<(), Failure> {
        let masters = self.servers.len() as u32;
        for (client, number) in self.clients.iter().zip(0..) {
            let slots: Vec<u32> =
                (number * SLOTS / masters..(number + 1) * SLOTS / masters).collect();
            let mut add = ::redis::cmd("CLUSTER");
            client.ask(add.arg("ADDSLOTS").arg(slots)).await?;
            // Else all begin with the same epoch and have to sort it out.
            let mut epoch = ::redis::cmd("CLUSTER");
            client
                .ask(epoch.arg("SET-CONFIG-EPOCH").arg(number + 1))
                .await?;
        }
        for server in &self.servers[1..] {
            let mut meet = ::redis::cmd("CLUSTER");
            meet.arg("MEET").arg("127.0.0.1").arg(server.port());
            self.clients[0].ask(&meet).await?;
        }
        let begun = Instant::now();
        for client in &self.clients {
            while !self.is_joined(client).await? {
                if begun.elapsed() > PATIENCE {
                    return Err("the servers do not become a cluster".into());
                }
                thread::sleep(LOOK_EVERY);
            }
        }
        Ok(())
    }

    async fn is_joined(&self, client: &Client) -> Result<bool, Failure> {
        let mut info = ::redis::cmd("CLUSTER");
        let info = client.text(info.arg("INFO")).await?;
        let mut nodes = ::redis::cmd("CLUSTER");
        let nodes = client.text(nodes.arg("NODES")).await?;
        Ok(info.contains("cluster_state:ok")
            && info.contains(&format!("cluster_slots_assigned:{SLOTS}"))
            && nodes.lines().count() == self.servers.len()
            && !nodes.contains("handshake"))
    }

    /// Where Recount finds them.
    pub fn url(&self) -> Result<RedisUrl, Failure> {
        let addresses: Vec<String> = self
            .servers
            .iter()
            .map(|server| format!("127.0.0.1:{}", server.port()))
            .collect();
        let scheme = match addresses.len() {
            1 => "redis",
            _ => "redis-cluster",
        };
        Ok(format!("{scheme}://{}", addresses.join(",")).parse()?)
    }

    /// The port of the first one.
    pub fn port(&self) -> u16 {
        self.servers[0].port()
    }

    /// What all of them have used since they were started.
    pub async fn usage(&self) -> Result<Usage, Failure> {
        let mut sum = Usage::default();
        for client in &self.clients {
            sum.add(&Usage::read(&client.info().await?));
        }
        Ok(sum)
    }
}

/// Where Recount finds the server at a port.
pub fn url(port: u16) -> Result<RedisUrl, Failure> {
    Ok(format!("redis://127.0.0.1:{port}").parse()?)
}
