//! How a stream is spread over partitions.

use recount_core::Partition;

use crate::net::{SLOTS, slot_of};
use crate::shared::Shared;

/// The partition that has a session's events.
pub(crate) fn of(shared: &Shared, session_id: &str) -> Partition {
    match shared.partitions.len() {
        0 | 1 => 0,
        // CRC-32 as zlib and gzip have it, so that producers in any language find the partition.
        partitions => crc32fast::hash(session_id.as_bytes()) % partitions as u32,
    }
}

/// Tags for `partitions` keys, whose slots are spread evenly over the cluster: the nth lies in the middle of
/// the nth part of the slots.
pub(crate) fn tags(partitions: u32) -> Vec<String> {
    let slots = f64::from(SLOTS);
    let width = slots / f64::from(partitions);
    let mut tags: Vec<Option<String>> = vec![None; partitions as usize];
    let mut missing = partitions;
    for number in 0_u64.. {
        if missing == 0 {
            break;
        }
        let tag = base36(number);
        let place = f64::from(slot_of(tag.as_bytes())) / width;
        // Away from the borders, where masters of a cluster begin and end.
        let middle = (0.25..0.75).contains(&place.fract());
        let free = &mut tags[place as usize];
        if middle && free.is_none() {
            *free = Some(tag);
            missing -= 1;
        }
    }
    tags.into_iter().flatten().collect()
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % 36) as usize]);
        number /= 36;
        if number == 0 {
            break;
        }
    }
    digits.reverse();
    digits.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_lie_in_the_middle_of_their_parts() {
        for partitions in [2_u32, 3, 6, 7, 64, 1024] {
            let tags = tags(partitions);
            assert_eq!(tags.len(), partitions as usize);
            for (number, tag) in tags.iter().enumerate() {
                let slot = slot_of(format!("memory:events:{{{tag}}}").as_bytes());
                let part = u32::from(slot) * partitions / u32::from(SLOTS);
                assert_eq!(part as usize, number, "{tag}");
            }
        }
    }

    #[test]
    fn tags_never_change() {
        // They are stored, but whoever sets up a cluster may count on them.
        assert_eq!(tags(3), tags(3));
        assert_eq!(tags(1).len(), 1);
    }
}
