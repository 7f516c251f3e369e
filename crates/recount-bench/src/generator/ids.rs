//! Event ids in the form of UUIDs.

use clap::ValueEnum;
use recount_core::EventId;

use super::rng::scramble;

/// How event ids relate to time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IdOrder {
    /// They begin with the time, as `UUIDv7` do.
    Ordered,
    /// They are random, as `UUIDv4` are.
    Random,
}

/// Makes ids that do not repeat.
pub struct EventIds {
    order: IdOrder,
    salt: u64,
}

impl EventIds {
    pub fn new(order: IdOrder, salt: u64) -> Self {
        Self { order, salt }
    }

    /// The id of the event number `event`, which happened at `ms`.
    pub fn id(&self, ms: u64, event: u64) -> EventId {
        let random = scramble(event ^ self.salt);
        let (high, low) = match self.order {
            // 48 bits of time, then 12 bits that count within it, then 62 random ones.
            IdOrder::Ordered => ((ms << 16) | 0x7000 | (event & 0xfff), random),
            IdOrder::Random => (
                (random & !0xf000) | 0x4000,
                scramble(random.wrapping_add(self.salt)),
            ),
        };
        let low = (low >> 2) | (1 << 63);
        let text = hyphenated((u128::from(high) << 64) | u128::from(low));
        EventId::new(text).expect("a UUID is a legal id")
    }
}

fn hyphenated(bits: u128) -> String {
    let mut text = vec![b'-'; 36];
    let mut at = 0;
    for (place, byte) in bits.to_be_bytes().into_iter().enumerate() {
        at += usize::from(matches!(place, 4 | 6 | 8 | 10));
        text[at] = HEX[usize::from(byte >> 4)];
        text[at + 1] = HEX[usize::from(byte & 0xf)];
        at += 2;
    }
    String::from_utf8(text).expect("hexadecimal digits are ASCII")
}

const HEX: &[u8; 16] = b"0123456789abcdef";
