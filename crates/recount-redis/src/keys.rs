//! What the keys of a stream are called; KEYS.md says what they hold.

use crate::net::{Slot, slot_of};

/// The keys of one partition. All of them are in its slot.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    /// The stream itself.
    pub(crate) stream: String,
    /// What the names of the other keys begin with.
    prefix: String,
    pub(crate) slot: Slot,
    pub(crate) meta: String,
    pub(crate) ids: [String; 3],
    pub(crate) sessions: String,
    pub(crate) mirrors: String,
}

impl Keys {
    /// The keys of the partition that is stored at `stream`.
    pub(crate) fn new(stream: &str) -> Self {
        let prefix = prefix(stream);
        Self {
            stream: stream.to_owned(),
            slot: slot_of(stream.as_bytes()),
            meta: format!("{prefix}:meta"),
            ids: [0, 1, 2].map(|slot| format!("{prefix}:ids:{slot}")),
            sessions: format!("{prefix}:sessions"),
            mirrors: format!("{prefix}:mirrors"),
            prefix,
        }
    }

    /// What the scripts that append are given: all but the mirrors, and the lists of the sessions that are
    /// appended to.
    pub(crate) fn to_append<'a>(&'a self, sessions: &'a [String]) -> Vec<&'a str> {
        let [first, second, third] = &self.ids;
        let mut keys = vec![
            self.stream.as_str(),
            &self.meta,
            first,
            second,
            third,
            &self.sessions,
        ];
        keys.extend(sessions.iter().map(String::as_str));
        keys
    }

    /// What is known of a group beside what the server keeps: its lease, and who called.
    pub(crate) fn group(&self, group: &str) -> String {
        format!("{}:group:{group}", self.prefix)
    }

    /// From when on entries that were given back may be claimed.
    pub(crate) fn due(&self, group: &str) -> String {
        format!("{}:due:{group}", self.prefix)
    }

    /// The ids of a session's older entries; the newest stand in [`Keys::sessions`].
    pub(crate) fn session(&self, session_id: &str) -> String {
        format!("{}:s:{session_id}", self.prefix)
    }
}

/// The key that says how many partitions a stream has.
pub(crate) fn partitions(stream: &str) -> String {
    format!("{}:partitions", prefix(stream))
}

/// `{tag}:recount`, and the stream's name where it is more than the tag: in the stream's slot, and no
/// other stream's.
fn prefix(stream: &str) -> String {
    let tag = tag(stream);
    if tag == stream {
        format!("{{{tag}}}:recount")
    } else {
        format!("{{{tag}}}:recount:{stream}")
    }
}

/// The part of a key that Redis Cluster hashes: what stands in the first braces, else all of it.
fn tag(key: &str) -> &str {
    key.split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .map(|(tag, _)| tag)
        .filter(|tag| !tag.is_empty())
        .unwrap_or(key)
}

/// Why a name cannot be that of a stream on a server; none where it can.
pub(crate) fn refuse_name(stream: &str) -> Option<&'static str> {
    let braces = stream.matches(['{', '}']).count();
    if stream.is_empty() {
        Some("it is empty")
    } else if stream.len() > 255 {
        Some("it has more than 255 bytes")
    } else if stream.chars().any(char::is_control) {
        Some("it holds a control character")
    } else if braces > 0 && (braces != 2 || tag(stream) == stream) {
        Some("its braces are no hash tag: write one {tag}, or none")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_a_partition_is_in_its_slot() {
        for stream in [
            "memory:events",
            "{tenant}:events",
            "memory:events:{a7}",
            "x",
        ] {
            assert_eq!(refuse_name(stream), None);
            let keys = Keys::new(stream);
            let mut all = vec![
                keys.meta.clone(),
                keys.sessions.clone(),
                keys.mirrors.clone(),
                keys.session("s{1}"),
                keys.group("{g}"),
                keys.due("{g}"),
                partitions(stream),
            ];
            all.extend(keys.ids.clone());
            for key in all {
                assert_eq!(slot_of(key.as_bytes()), keys.slot, "{key}");
            }
        }
        assert_ne!(Keys::new("{t}:a").meta, Keys::new("{t}:b").meta);
        assert_ne!(Keys::new("{t}:a").meta, Keys::new("t").meta);
    }

    #[test]
    fn names_that_would_leave_the_slot_are_refused() {
        for name in ["", "a{", "a}b", "{}a", "{a}{b}", "}a{", "a\nb"] {
            assert!(refuse_name(name).is_some(), "{name:?}");
        }
        assert!(refuse_name(&"x".repeat(256)).is_some());
    }
}
