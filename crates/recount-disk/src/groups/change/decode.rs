//! Reading changes back.

use std::borrow::Cow;

use recount_core::EntryId;

use super::{Change, cow};
use crate::groups::codec::Bytes;

/// A number that may be none.
fn none_or(number: u64) -> Option<u32> {
    u32::try_from(number.checked_sub(1)?).ok()
}

impl Bytes<'_> {
    fn flag(&mut self) -> Option<bool> {
        Some(self.byte()? & 1 == 1)
    }

    fn owned_ids(&mut self) -> Option<Cow<'static, [EntryId]>> {
        self.ids().map(Cow::Owned)
    }

    /// The next change; none where the bytes are no change that this version knows.
    pub(in crate::groups) fn change(&mut self) -> Option<Change<'static>> {
        Some(match self.byte()? {
            1 => Change::Begin { tail: self.id()? },
            2 => Change::End,
            3 => Change::Create {
                group: self.number_u32()?,
                name: self.name().map(cow)?,
                cursor: self.id()?,
                ahead: self.flag()?,
            },
            4 => Change::Move {
                group: self.number_u32()?,
                cursor: self.id()?,
                ahead: self.flag()?,
            },
            5 => Change::Destroy {
                group: self.number_u32()?,
            },
            6 => Change::Consumer {
                group: self.number_u32()?,
                consumer: self.number_u32()?,
                name: self.name().map(cow)?,
                called_ms: self.number()?,
            },
            7 => Change::Called {
                group: self.number_u32()?,
                consumer: none_or(self.number()?),
                at_ms: self.number()?,
            },
            8 => Change::Remove {
                group: self.number_u32()?,
                consumer: self.number_u32()?,
                heir: none_or(self.number()?),
            },
            9 => Change::Deliver {
                group: self.number_u32()?,
                consumer: self.number_u32()?,
                at_ms: self.number()?,
                ids: self.owned_ids()?,
            },
            10 => Change::Redeliver {
                group: self.number_u32()?,
                consumer: self.number_u32()?,
                at_ms: self.number()?,
                ids: self.owned_ids()?,
            },
            11 => Change::Ack {
                group: self.number_u32()?,
                ids: self.owned_ids()?,
            },
            12 => Change::GiveBack {
                group: self.number_u32()?,
                consumer: self.number_u32()?,
                at_ms: self.number()?,
                from_ms: self.number()?,
                ids: self.owned_ids()?,
            },
            13 => Change::Requeue {
                group: self.number_u32()?,
                at_ms: self.number()?,
                ids: self.owned_ids()?,
            },
            14 => Change::Pending {
                group: self.number_u32()?,
                owner: none_or(self.number()?),
                delivered_ms: self.number()?,
                from_ms: self.number()?,
                count: self.number()?,
                orphaned: self.flag()?,
                ids: self.owned_ids()?,
            },
            15 => Change::Lease {
                group: self.number_u32()?,
                partition: self.number_u32()?,
                token: self.number()?,
                holder: self
                    .name()
                    .map(|name| (!name.is_empty()).then(|| cow(name)))?,
                until_ms: self.number()?,
            },
            _ => return None,
        })
    }
}
