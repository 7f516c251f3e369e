//! Which of a cluster's slots a key belongs to.

/// One of a cluster's [`SLOTS`].
pub(crate) type Slot = u16;

/// How many there are.
pub(crate) const SLOTS: u16 = 16384;

/// The slot of a key: the CRC16 of its hash tag, or of all of it where it has none.
///
/// The tag is what stands between the first `{` and the next `}`, if anything does.
pub fn slot_of(key: &[u8]) -> u16 {
    crc16(tag_of(key)) % SLOTS
}

fn tag_of(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|&byte| byte == b'{') else {
        return key;
    };
    let rest = &key[open + 1..];
    match rest.iter().position(|&byte| byte == b'}') {
        Some(length) if length > 0 => &rest[..length],
        _ => key,
    }
}

/// CRC-16/XMODEM, the one Redis Cluster hashes keys with.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| {
        (crc << 8) ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)]
    })
}

const TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = (index as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_slots() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(slot_of(b"123456789"), 12739);
        assert_eq!(slot_of(b""), 0);
        assert_eq!(slot_of(b"foo"), 12182);
        assert_eq!(slot_of(b"bar"), 5061);
    }

    #[test]
    fn a_tag_decides_alone() {
        assert_eq!(slot_of(b"memory:events:{foo}"), slot_of(b"foo"));
        assert_eq!(slot_of(b"{foo}{bar}"), slot_of(b"foo"));
        assert_eq!(slot_of(b"a{foo}b}"), slot_of(b"foo"));
        assert_eq!(slot_of(b"{{foo}}"), slot_of(b"{foo"));
    }

    #[test]
    fn what_is_no_tag_is_part_of_the_key() {
        for key in [&b"{}foo"[..], b"foo{}", b"foo{bar", b"foo}bar{"] {
            assert_eq!(slot_of(key), crc16(key) % SLOTS);
            assert_eq!(tag_of(key), key);
        }
    }
}
