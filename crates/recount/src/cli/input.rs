//! Input that is not what it should be, recognised by its first bytes.

/// The mark that some editors put before UTF-8 text. It says nothing and is passed over.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What `start`, the beginning of the input, is instead of JSON text; none where it may be that.
pub(crate) fn foreign(start: &[u8]) -> Option<&'static str> {
    Some(match start {
        [0x1f, 0x8b, ..] => "this is gzip, not JSON text: unpack it first, as with gunzip -c",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            "this is zstd, not JSON text: unpack it first, as with zstd -dc"
        }
        [b'P', b'K', 3, 4, ..] => "this is a zip archive, not JSON text: unpack it first",
        [0xff, 0xfe, ..]
        | [0xfe, 0xff, ..]
        | [b'{' | b'[' | b' ' | b'\t' | b'\n' | b'\r', 0, ..]
        | [0, b'{' | b'[' | b' ' | b'\t' | b'\n' | b'\r', ..] => {
            "this is UTF-16, not UTF-8: convert it first, as with iconv -f UTF-16 -t UTF-8"
        }
        [b'P', b'A', b'R', b'1', ..] => {
            "this is Parquet, and only JSON can be read: export with --format ndjson"
        }
        _ if is_own_csv(start) => {
            "this is the CSV of an export, and only JSON can be read: export with --format ndjson"
        }
        _ if start.iter().take(512).any(|&byte| is_binary(byte)) => {
            "this is binary data, not JSON text"
        }
        _ => return None,
    })
}

/// Whether `recount export --format csv` wrote it, told by its first columns.
fn is_own_csv(start: &[u8]) -> bool {
    start.starts_with(b"entry_id,partition,id,")
}

/// Bytes that stand in no text file.
fn is_binary(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | 0x1b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_passes_and_the_rest_is_named() {
        for text in [&b""[..], b"{", b"{\"a\":1}", b"\n\t[", "\u{e4}".as_bytes()] {
            assert_eq!(foreign(text), None, "{text:?}");
        }
        for (start, name) in [
            (&b"\x1f\x8b\x08\0"[..], "gzip"),
            (b"\x28\xb5\x2f\xfd", "zstd"),
            (b"PK\x03\x04", "zip"),
            (b"\xff\xfe{\0", "UTF-16"),
            (b"\xfe\xff\0{", "UTF-16"),
            (b"{\0\"\0", "UTF-16"),
            (b"\0{\0\"", "UTF-16"),
            (b"PAR1\x15\x04", "Parquet"),
            (b"entry_id,partition,id,type,session_id", "CSV"),
            (b"\x7fELF\x02\x01\x01\0", "binary"),
        ] {
            let told = foreign(start).unwrap();
            assert!(told.contains(name), "{told}");
        }
    }
}
