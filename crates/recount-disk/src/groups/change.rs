//! The changes that `groups.log` is a list of.

mod decode;

use std::borrow::Cow;

use recount_core::{EntryId, Partition};

use super::codec::{put, put_id, put_ids, put_name};

/// One change of the state. Groups and consumers are known by numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change<'a> {
    /// A process opened the stream for writing; the last id of the log then.
    Begin {
        tail: EntryId,
    },
    /// It closed it in order.
    End,
    Create {
        group: u32,
        name: Cow<'a, str>,
        cursor: EntryId,
        ahead: bool,
    },
    Move {
        group: u32,
        cursor: EntryId,
        ahead: bool,
    },
    Destroy {
        group: u32,
    },
    Consumer {
        group: u32,
        consumer: u32,
        name: Cow<'a, str>,
        called_ms: u64,
    },
    Called {
        group: u32,
        /// None where it is gone.
        consumer: Option<u32>,
        at_ms: u64,
    },
    Remove {
        group: u32,
        consumer: u32,
        heir: Option<u32>,
    },
    Deliver {
        group: u32,
        consumer: u32,
        at_ms: u64,
        ids: Cow<'a, [EntryId]>,
    },
    Redeliver {
        group: u32,
        consumer: u32,
        at_ms: u64,
        ids: Cow<'a, [EntryId]>,
    },
    Ack {
        group: u32,
        ids: Cow<'a, [EntryId]>,
    },
    GiveBack {
        group: u32,
        consumer: u32,
        at_ms: u64,
        from_ms: u64,
        ids: Cow<'a, [EntryId]>,
    },
    Requeue {
        group: u32,
        at_ms: u64,
        ids: Cow<'a, [EntryId]>,
    },
    Pending {
        group: u32,
        owner: Option<u32>,
        delivered_ms: u64,
        from_ms: u64,
        count: u64,
        orphaned: bool,
        ids: Cow<'a, [EntryId]>,
    },
    Lease {
        group: u32,
        partition: Partition,
        token: u64,
        holder: Option<Cow<'a, str>>,
        until_ms: u64,
    },
}

/// A name as it stands in a change.
pub(super) fn cow(name: &str) -> Cow<'static, str> {
    Cow::Owned(name.to_owned())
}

fn put_all(out: &mut Vec<u8>, numbers: &[u64]) {
    for &number in numbers {
        put(out, number);
    }
}

/// A number that may be none, as it stands in a change.
fn optional(number: Option<u32>) -> u64 {
    number.map_or(0, |number| u64::from(number) + 1)
}

impl Change<'_> {
    fn code(&self) -> u8 {
        match self {
            Self::Begin { .. } => 1,
            Self::End => 2,
            Self::Create { .. } => 3,
            Self::Move { .. } => 4,
            Self::Destroy { .. } => 5,
            Self::Consumer { .. } => 6,
            Self::Called { .. } => 7,
            Self::Remove { .. } => 8,
            Self::Deliver { .. } => 9,
            Self::Redeliver { .. } => 10,
            Self::Ack { .. } => 11,
            Self::GiveBack { .. } => 12,
            Self::Requeue { .. } => 13,
            Self::Pending { .. } => 14,
            Self::Lease { .. } => 15,
        }
    }

    /// The number of the group that it is a change of, if it is one group's.
    pub(super) fn group(&self) -> Option<u32> {
        match self {
            Self::Begin { .. } | Self::End => None,
            Self::Create { group, .. }
            | Self::Move { group, .. }
            | Self::Destroy { group }
            | Self::Consumer { group, .. }
            | Self::Called { group, .. }
            | Self::Remove { group, .. }
            | Self::Deliver { group, .. }
            | Self::Redeliver { group, .. }
            | Self::Ack { group, .. }
            | Self::GiveBack { group, .. }
            | Self::Requeue { group, .. }
            | Self::Pending { group, .. }
            | Self::Lease { group, .. } => Some(*group),
        }
    }

    /// Adds the change to a payload.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.code());
        if let Some(group) = self.group() {
            put(out, group.into());
        }
        match self {
            Self::Begin { tail } => put_id(out, *tail),
            Self::End | Self::Destroy { .. } => {}
            Self::Create {
                name,
                cursor,
                ahead,
                ..
            } => {
                put_name(out, name);
                put_id(out, *cursor);
                out.push(u8::from(*ahead));
            }
            Self::Move { cursor, ahead, .. } => {
                put_id(out, *cursor);
                out.push(u8::from(*ahead));
            }
            Self::Consumer {
                consumer,
                name,
                called_ms,
                ..
            } => {
                put(out, (*consumer).into());
                put_name(out, name);
                put(out, *called_ms);
            }
            Self::Called {
                consumer, at_ms, ..
            } => put_all(out, &[optional(*consumer), *at_ms]),
            Self::Remove { consumer, heir, .. } => {
                put_all(out, &[(*consumer).into(), optional(*heir)]);
            }
            Self::Deliver {
                consumer,
                at_ms,
                ids,
                ..
            }
            | Self::Redeliver {
                consumer,
                at_ms,
                ids,
                ..
            } => {
                put_all(out, &[(*consumer).into(), *at_ms]);
                put_ids(out, ids);
            }
            Self::Ack { ids, .. } => put_ids(out, ids),
            Self::GiveBack {
                consumer,
                at_ms,
                from_ms,
                ids,
                ..
            } => {
                put_all(out, &[(*consumer).into(), *at_ms, *from_ms]);
                put_ids(out, ids);
            }
            Self::Requeue { at_ms, ids, .. } => {
                put(out, *at_ms);
                put_ids(out, ids);
            }
            Self::Pending {
                owner,
                delivered_ms,
                from_ms,
                count,
                orphaned,
                ids,
                ..
            } => {
                put_all(out, &[optional(*owner), *delivered_ms, *from_ms, *count]);
                out.push(u8::from(*orphaned));
                put_ids(out, ids);
            }
            Self::Lease {
                partition,
                token,
                holder,
                until_ms,
                ..
            } => {
                put_all(out, &[(*partition).into(), *token]);
                put_name(out, holder.as_deref().unwrap_or_default());
                put(out, *until_ms);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::groups::codec::Bytes;

    #[test]
    fn every_change_comes_back_and_none_when_cut() {
        let ids: Cow<'_, [EntryId]> = vec![EntryId::new(1, 2), EntryId::new(300, 0)].into();
        let name: Cow<'_, str> = "grüpp".into();
        let (group, consumer, at_ms, cursor) = (1, 200, 1_700_000_000_000, EntryId::new(5, 6));
        let changes = [
            Change::Begin { tail: cursor },
            Change::End,
            Change::Create {
                group,
                name: name.clone(),
                cursor,
                ahead: true,
            },
            Change::Move {
                group,
                cursor,
                ahead: false,
            },
            Change::Destroy { group },
            Change::Consumer {
                group,
                consumer,
                name,
                called_ms: at_ms,
            },
            Change::Called {
                group,
                consumer: None,
                at_ms,
            },
            Change::Remove {
                group,
                consumer,
                heir: Some(0),
            },
            Change::Deliver {
                group,
                consumer,
                at_ms,
                ids: ids.clone(),
            },
            Change::Redeliver {
                group,
                consumer,
                at_ms,
                ids: ids.clone(),
            },
            Change::Ack {
                group,
                ids: ids.clone(),
            },
            Change::GiveBack {
                group,
                consumer,
                at_ms,
                from_ms: u64::MAX,
                ids: ids.clone(),
            },
            Change::Requeue {
                group,
                at_ms,
                ids: ids.clone(),
            },
            Change::Pending {
                group,
                owner: Some(u32::MAX - 1),
                delivered_ms: at_ms,
                from_ms: 0,
                count: 3,
                orphaned: true,
                ids,
            },
            Change::Lease {
                group,
                partition: 7,
                token: 9,
                holder: Some("worker".into()),
                until_ms: at_ms,
            },
        ];
        for change in changes {
            let mut bytes = Vec::new();
            change.encode(&mut bytes);
            let mut left = Bytes(&bytes);
            assert_eq!(left.change(), Some(change.clone()));
            assert!(left.is_empty());
            for cut in 0..bytes.len() {
                assert_eq!(
                    Bytes(&bytes[..cut]).change(),
                    None,
                    "{change:?} cut at {cut}"
                );
            }
        }
    }
}
