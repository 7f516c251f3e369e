use std::time::Duration;

use super::super::super::open::{Login, Opener};
use super::*;

fn at(host: &str, port: u16) -> Address {
    Address {
        host: host.to_owned(),
        port,
    }
}

fn node(at: &Address) -> Arc<Node> {
    let login = Login {
        user: None,
        password: None,
        db: 0,
        source: "",
    };
    let opener = Opener {
        login,
        tls: None,
        connect_timeout: Duration::ZERO,
    };
    Node::new(at.clone(), at.to_string(), Arc::new(opener))
}

fn answer(text: &str) -> Value {
    redis::parse_redis_value(text.replace(' ', "\r\n").as_bytes()).unwrap()
}

#[test]
fn the_answer_of_old_and_new_servers_is_read() {
    // Redis 6.0 gives host, port and id; later ones add metadata; a host may be unknown.
    let answer = answer(concat!(
        "*3 ",
        "*4 :0 :5460 *3 $8 10.0.0.1 :7000 $1 a *3 $8 10.0.0.2 :7001 $1 b ",
        "*3 :5461 :5461 *4 $0  :7002 $1 c *0 ",
        "*3 :5462 :16383 *4 $-1 :7003 $1 d *2 $8 hostname $1 h ",
    ));
    let part = |first, last, nodes| Part { first, last, nodes };
    assert_eq!(
        read(&answer, &at("asked", 1)),
        Some(vec![
            part(0, 5460, vec![at("10.0.0.1", 7000), at("10.0.0.2", 7001)]),
            part(5461, 5461, vec![at("asked", 7002)]),
            part(5462, 16383, vec![at("asked", 7003)]),
        ])
    );
}

#[test]
fn what_is_no_map_is_refused() {
    for text in [
        "+OK ",
        "*1 :1 ",
        "*1 *2 :0 :1 ",
        "*1 *3 :0 :16384 *3 $1 h :1 $1 a ",
        "*1 *3 :5 :4 *3 $1 h :1 $1 a ",
        "*1 *3 :0 :1 *3 $1 h :65536 $1 a ",
        "*1 *3 :0 :1 *3 $1 h $1 p $1 a ",
    ] {
        assert_eq!(read(&answer(text), &at("asked", 1)), None, "{text}");
    }
}

#[test]
fn masters_own_slots_and_replicas_are_only_known() {
    let part = |first, last, nodes| Part { first, last, nodes };
    let (a, b, replica) = (at("h", 1), at("h", 2), at("h", 3));
    let parts = vec![
        part(0, 99, vec![a.clone(), replica.clone()]),
        part(100, 199, vec![b.clone()]),
        part(300, 399, vec![a.clone()]),
    ];
    let mut map = Map::draw(parts, |at| node(&at));
    let owner = |map: &Map, slot| map.owner(slot).map(|node| node.at().clone());
    for (slot, owned_by) in [
        (0, Some(&a)),
        (99, Some(&a)),
        (100, Some(&b)),
        (199, Some(&b)),
        (200, None),
        (300, Some(&a)),
        (16383, None),
    ] {
        assert_eq!(owner(&map, slot).as_ref(), owned_by, "slot {slot}");
    }
    let addresses = |nodes: Vec<Arc<Node>>| {
        let all = nodes.iter().map(|node| node.at().clone());
        all.collect::<Vec<_>>()
    };
    assert_eq!(addresses(map.masters()), [a.clone(), b.clone()]);
    assert_eq!(addresses(map.nodes()), [a.clone(), b, replica]);
    let new = at("new", 4);
    map.give(0, node(&new));
    assert_eq!(owner(&map, 0), Some(new.clone()));
    assert_eq!(owner(&map, 1), Some(a));
    assert!(map.node_at(&new).is_some());
}
