//! A Cluster whose slots and masters move.

use recount_core::{AppendError, EventLog, Origin, Outcome};
use recount_redis::RedisOptions;
use recount_testbed::{Authority, Cluster, Flavor};

use crate::kit::{Publishers, append, ids, impatient, open, patient, refused, wait_until};

/// How often the nodes answered with an error of this kind.
fn told(cluster: &Cluster, error: &str) -> u64 {
    let field = format!("errorstat_{error}");
    let counts = cluster.nodes().iter().filter_map(|node| node.info(&field));
    counts
        .map(|count| -> u64 {
            let count = count.trim_start_matches("count=");
            count.parse().expect("a count")
        })
        .sum()
}

const PARTITIONS: u32 = 3;
const PUBLISHERS: usize = 6;

fn spread() -> RedisOptions {
    RedisOptions {
        partitions: Some(PARTITIONS),
        ..patient()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn publishing_goes_on_while_slots_move() {
    for flavor in [Flavor::Redis62, Flavor::Redis82, Flavor::Valkey9] {
        let cluster = Cluster::start(flavor, &[]);
        let log = open(&cluster.url(), spread()).await;
        let names = log.partition_names();
        assert_eq!(names.len(), PARTITIONS as usize);
        let publishers = Publishers::start(&log, PUBLISHERS);
        publishers.go_on(20);
        // Which answers a move brings about depends on who asks when: slots move until each was seen.
        wait_until("every answer that a moving slot has", || {
            for name in &names {
                let slot = cluster.slot_of(name);
                let to = (cluster.master_of(slot) + 1) % 3;
                // While it moves, the other partitions at least go on.
                cluster.migrate_slot(slot, to, 1, || publishers.go_on(3));
                publishers.go_on(10);
            }
            let seen = |answer: &&str| told(&cluster, answer) > 0;
            ["MOVED", "ASK", "TRYAGAIN"].iter().all(seen).then_some(())
        });
        let acknowledged = publishers.finish().await;
        acknowledged.verify(&log).await;
        log.close().await.expect("it closes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_replica_confirmed_outlives_its_master() {
    let mut cluster = Cluster::start(Flavor::Redis70, &[]);
    let options = RedisOptions {
        wait_replicas: 1,
        ..spread()
    };
    let log = open(&cluster.url(), options).await;
    let publishers = Publishers::start(&log, PUBLISHERS);
    publishers.go_on(20);
    for name in log.partition_names() {
        let slot = cluster.slot_of(&name);
        let killed = wait_until("a failover", || Some(cluster.fail_over(slot)));
        // Until it is a replica, its successor has nobody who confirms.
        cluster.node_mut(killed).restart();
        wait_until("the cluster to settle", || {
            cluster.settle();
            Some(())
        });
        publishers.go_on(20);
    }
    let acknowledged = publishers.finish().await;
    acknowledged.verify(&log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_down_says_so_and_works_once_it_is_up() {
    let args = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut cluster = Cluster::start(Flavor::Redis70, &args);
    let log = open(&cluster.url(), impatient()).await;
    append(&log, "a").await.expect("it is appended");
    let slot = cluster.slot_of(crate::kit::STREAM);
    let ours = cluster.master_of(slot);
    // Another master and its replica go: the whole cluster takes nothing then.
    let other = (ours + 1) % 3;
    let replica = cluster.replica_of(other);
    cluster.node_mut(replica).kill();
    cluster.node_mut(other).kill();
    wait_until("the cluster to be down", || {
        let state = cluster.node(ours).command(&["CLUSTER", "INFO"]).text();
        state.contains("cluster_state:fail").then_some(())
    });
    let error = append(&log, "b").await.expect_err("the cluster is down");
    assert!(
        matches!(error, AppendError::Unavailable { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("CLUSTERDOWN"), "{error}");

    for node in [other, replica] {
        cluster.node_mut(node).restart();
    }
    wait_until("the cluster to settle", || {
        cluster.settle();
        Some(())
    });
    let outcome = append(&log, "b").await.expect("the cluster is up");
    assert!(matches!(outcome, Outcome::Appended { .. }));
    assert_eq!(ids(&log).await, ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_that_is_up_is_enough_to_find_the_others() {
    let mut cluster = Cluster::start(Flavor::Redis70, &[]);
    let address = cluster.url();
    // The one that stands first.
    let replica = cluster.replica_of(0);
    cluster.node_mut(0).kill();
    wait_until("the replica to take over", || {
        (cluster.node(replica).info("role")? == "master").then_some(())
    });
    wait_until("the cluster to settle", || {
        cluster.settle();
        Some(())
    });
    let log = open(&address, patient()).await;
    append(&log, "a").await.expect("it is appended");
    assert_eq!(ids(&log).await, ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_logs_in_to_every_node() {
    let cluster = Cluster::start(Flavor::Redis62, &[]);
    for node in cluster.nodes() {
        let rules = "ACL SETUSER recorder on >s3cret ~* +@all";
        let rules: Vec<&str> = rules.split(' ').collect();
        node.command(&rules).assert_fine();
        node.command(&["ACL", "SETUSER", "default", "off"]);
    }
    let nodes = cluster.url();
    let with = |login: &str| nodes.replace("://", &format!("://{login}@"));
    let log = open(&with("recorder:s3cret"), spread()).await;
    let publishers = Publishers::start(&log, PUBLISHERS);
    publishers.go_on(20);
    publishers.finish().await.verify(&log).await;

    let error = refused(&with("recorder:wr0ng"), impatient()).await;
    assert!(
        error.contains("password") && !error.contains("wr0ng"),
        "{error}"
    );
    let error = refused(&nodes, impatient()).await;
    assert!(error.contains("password"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_is_spoken_to_with_tls() {
    let authority = Authority::new();
    let cluster = Cluster::start_tls(Flavor::Redis70, &authority);
    let ca = authority.certificate();
    let address = format!("{}?tls=true&ca={}", cluster.tls_url(), ca.display());
    let log = open(&address, spread()).await;
    let publishers = Publishers::start(&log, PUBLISHERS);
    publishers.go_on(20);
    publishers.finish().await.verify(&log).await;
}
