//! The state as changes that make it of nothing.

use std::borrow::Cow;

use recount_core::EntryId;

use super::change::Change;
use super::codec::put;
use super::frame::{FILE_HEADER, FileHeader, salt, seal};
use super::state::{Group, Pending, State};
use crate::meta::Meta;

/// A frame of a snapshot ends once it holds so many bytes.
const FRAME_BYTES: usize = 64 << 10;
/// One change tells of at most so many entries.
const IDS_A_CHANGE: usize = 8 << 10;

/// A whole file that holds `state`.
pub(super) fn file(state: &State, meta: &Meta, number: u64) -> Vec<u8> {
    let mut writing = Writing {
        out: vec![0; FILE_HEADER],
        payload: Vec::new(),
        meta,
        number,
    };
    for (&number, group) in &state.groups {
        writing.group(number, group);
    }
    if state.ended {
        writing.add(&Change::End);
    }
    writing.end_frame();
    let header = FileHeader {
        number,
        snapshot: writing.out.len() as u64,
    };
    writing.out[..FILE_HEADER].copy_from_slice(&header.encode(meta));
    writing.out
}

struct Writing<'a> {
    out: Vec<u8>,
    payload: Vec<u8>,
    meta: &'a Meta,
    number: u64,
}

impl Writing<'_> {
    fn add(&mut self, change: &Change<'_>) {
        change.encode(&mut self.payload);
        if self.payload.len() >= FRAME_BYTES {
            self.end_frame();
        }
    }

    fn end_frame(&mut self) {
        if self.payload.is_empty() {
            return;
        }
        let payload = std::mem::take(&mut self.payload);
        let offset = self.out.len() as u64;
        seal(&mut self.out, salt(self.meta, self.number), offset, |out| {
            put(out, 0);
            out.extend_from_slice(&payload);
        });
    }

    fn group(&mut self, number: u32, group: &Group) {
        self.add(&Change::Create {
            group: number,
            name: Cow::Borrowed(&group.name),
            cursor: group.cursor,
            ahead: group.ahead,
        });
        // Numbers are kept: frames that follow go by them.
        for (place, consumer) in (0..).zip(&group.consumers) {
            if let Some(consumer) = consumer {
                self.add(&Change::Consumer {
                    group: number,
                    consumer: place,
                    name: Cow::Borrowed(&consumer.name),
                    called_ms: consumer.called_ms,
                });
            }
        }
        self.pending(number, group);
        for (&partition, lease) in &group.leases {
            let holder = lease.holder.as_ref();
            self.add(&Change::Lease {
                group: number,
                partition,
                token: lease.token,
                holder: holder.map(|(name, _)| Cow::Borrowed(&**name)),
                until_ms: holder.map_or(0, |(_, until_ms)| *until_ms),
            });
        }
        if let Some(at_ms) = group.called_ms {
            self.add(&Change::Called {
                group: number,
                consumer: None,
                at_ms,
            });
        }
    }

    /// Neighbours that differ in nothing but their ids are told together.
    fn pending(&mut self, number: u32, group: &Group) {
        let mut ids: Vec<EntryId> = Vec::new();
        let mut like: Option<Pending> = None;
        for (&id, pending) in &group.pending {
            if like != Some(*pending) || ids.len() >= IDS_A_CHANGE {
                self.alike(number, like, &ids);
                ids.clear();
                like = Some(*pending);
            }
            ids.push(id);
        }
        self.alike(number, like, &ids);
    }

    fn alike(&mut self, number: u32, like: Option<Pending>, ids: &[EntryId]) {
        if let Some(pending) = like {
            self.add(&Change::Pending {
                group: number,
                owner: pending.owner,
                delivered_ms: pending.delivered_ms,
                from_ms: pending.from_ms,
                count: pending.count,
                orphaned: pending.orphaned,
                ids: Cow::Borrowed(ids),
            });
        }
    }
}
