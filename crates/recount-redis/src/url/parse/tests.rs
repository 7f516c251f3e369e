use super::*;

fn read(text: &str) -> RedisUrl {
    parse(text).unwrap_or_else(|reason| panic!("{text}: {reason}"))
}

fn at(host: &str, port: u16) -> Address {
    Address {
        host: host.to_owned(),
        port,
    }
}

#[test]
fn one_server_in_many_forms() {
    for (text, host, port, db) in [
        ("redis://localhost", "localhost", 6379, 0),
        ("redis://localhost/", "localhost", 6379, 0),
        ("REDIS://localhost:6380/3", "localhost", 6380, 3),
        ("valkey://10.0.0.7:7000/15/", "10.0.0.7", 7000, 15),
        ("localhost:6379", "localhost", 6379, 0),
        ("localhost", "localhost", 6379, 0),
        (" localhost:1 ", "localhost", 1, 0),
        ("redis://[::1]", "::1", 6379, 0),
        ("[fe80::1]:6390/2", "fe80::1", 6390, 2),
        ("redis://user:pw@host?", "host", 6379, 0),
    ] {
        let url = read(text);
        assert_eq!(url.addresses, [at(host, port)], "{text}");
        assert_eq!((url.db, &url.tls), (db, &None), "{text}");
        assert!(!url.is_cluster());
    }
}

#[test]
fn user_and_password_are_decoded() {
    for (text, user, password) in [
        ("redis://host", None, None),
        ("redis://:secret@host", None, Some("secret")),
        ("redis://me@host", Some("me"), None),
        ("redis://me:@host", Some("me"), None),
        ("redis://me:secret@host", Some("me"), Some("secret")),
        ("me:secret@host:6379", Some("me"), Some("secret")),
        ("redis://me:a:b@host", Some("me"), Some("a:b")),
        ("redis://me:a@b@host", Some("me"), Some("a@b")),
        (
            "redis://m%40e:%2F%3f%25%C3%BC@host",
            Some("m@e"),
            Some("/?%ü"),
        ),
    ] {
        let url = read(text);
        assert_eq!(url.user.as_deref(), user, "{text}");
        assert_eq!(url.password.as_deref(), password, "{text}");
    }
}

#[test]
fn tls_and_its_files() {
    assert_eq!(read("rediss://host").tls, Some(TlsFiles::default()));
    assert_eq!(read("valkeys://host").tls, Some(TlsFiles::default()));
    let files = TlsFiles {
        ca: Some("/etc/a b.pem".into()),
        client: Some(("c.pem".into(), "k.pem".into())),
    };
    let query = "?ca=/etc/a%20b.pem&cert=c.pem&key=k.pem";
    assert_eq!(read(&format!("rediss://host/1{query}")).tls, Some(files));
    assert!(read("redis-cluster://h?tls=true").tls.is_some());
    assert!(read("redis-cluster://h?tls=false").tls.is_none());
}

#[test]
fn sentinels_and_their_master() {
    let url = read(
        "redis-sentinel://me:pw@one,two:5000,[::1]/my%20master/2?sentinel_password=s%26t&tls=true",
    );
    assert_eq!(
        url.addresses,
        [at("one", 26379), at("two", 5000), at("::1", 26379)]
    );
    let kind = Kind::Sentinel {
        master: "my master".to_owned(),
        password: Some("s&t".to_owned()),
    };
    assert!(url.kind == kind && url.db == 2 && url.tls.is_some());
    assert_eq!(url.password.as_deref(), Some("pw"));
    assert_eq!(read("redis-sentinel://one/m").db, 0);
}

#[test]
fn clusters() {
    let url = read("redis-cluster://me:pw@one:7000,two, three:7002/");
    assert!(url.is_cluster());
    assert_eq!(
        url.addresses,
        [at("one", 7000), at("two", 6379), at("three", 7002)]
    );
}

#[test]
fn what_is_no_url_is_refused_without_repeating_it() {
    for text in [
        "",
        "redis://",
        "redis://:hush@",
        "http://hush",
        "unix://hush/redis.sock",
        "redis://hush:port",
        "redis://host:0/hush",
        "redis://host:65536",
        "redis://host:",
        "redis://hush/x",
        "redis://host/-1",
        "redis://host/4294967295",
        "redis://host/1/hush",
        "redis://::1:6379",
        "redis://[hush]:6379",
        "redis://[::1",
        "redis://[::1]hush",
        "redis://me:hu%zzsh@host",
        "redis://me:hush%4@host",
        "redis://me:hush%ff@host",
        "redis://me:hu/sh@host",
        "redis://me:hu?sh@host",
        "redis://one,hush",
        "redis://ho st",
        "redis://host?hush=1",
        "redis://host?insecure=true",
        "redis://host?tls=true",
        "rediss://host?tls=false",
        "redis-cluster://host?tls=hush",
        "redis-cluster://host?tls=true&tls=true",
        "redis://host?ca=hush",
        "rediss://host?cert=hush",
        "rediss://host?key=hush",
        "redis://host?sentinel_password=hush",
        "redis-cluster://host/1",
        "redis-cluster://one,,two",
        "redis-sentinel://host",
        "redis-sentinel://host/?sentinel_password=hush",
        "redis-sentinel://host/master/hush",
    ] {
        let Err(error) = text.parse::<RedisUrl>() else {
            panic!("{text} is taken for a URL");
        };
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hush"), "{text}: {shown}");
    }
}

#[test]
fn what_is_shown_has_no_secret_and_reads_back() {
    for (text, shown) in [
        ("me:hush@host", "redis://host:6379/0"),
        ("valkeys://:hush@h:1/2?ca=/hush", "rediss://h:1/2"),
        ("redis://[::1]/4", "redis://[::1]:6379/4"),
        (
            "redis-sentinel://me:hush@a,b:5/m/3?sentinel_password=hush",
            "redis-sentinel://a:26379,b:5/m/3",
        ),
        (
            "redis-cluster://me:hush@a,b:7000?tls=true",
            "redis-cluster://a:6379,b:7000?tls=true",
        ),
    ] {
        let url = read(text);
        assert_eq!(url.to_string(), shown);
        assert_eq!(format!("{url:?}"), shown);
        assert_eq!(read(shown).to_string(), shown);
    }
}

#[test]
fn a_password_from_elsewhere_fills_the_gap_only() {
    let other = || Some("other".to_owned());
    let filled = read("redis://me@host").with_password(other());
    assert_eq!(filled, read("redis://me:other@host"));
    let kept = read("redis://me:own@host").with_password(other());
    assert_eq!(kept, read("redis://me:own@host"));
    for none in [None, Some(String::new())] {
        assert_eq!(
            read("redis://host").with_password(none),
            read("redis://host")
        );
    }
}
