//! What a file of a stream's directory is, by its name.

use super::words;
use crate::dir::{Listing, SegmentName, TableKind};

/// What a name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Meta,
    Lock,
    Watermark,
    Floor,
    SpareFloor,
    Groups,
    Views,
    Segment(u64, SegmentName),
    Index(u64),
    Table(TableKind, (u64, u64)),
    /// On its way to its right name, by a repair.
    Moved(u64),
    /// Cut off or taken out of a segment.
    Lost,
    /// Set aside as damaged.
    Bad,
    /// What a repair found.
    Record,
    Temporary,
    Foreign,
}

pub(super) fn kind(name: &str) -> Kind {
    match name {
        "stream.meta" => return Kind::Meta,
        "writer.lock" => return Kind::Lock,
        "watermark" => return Kind::Watermark,
        "floor" => return Kind::Floor,
        "floor.next" => return Kind::SpareFloor,
        "groups.log" => return Kind::Groups,
        "views" => return Kind::Views,
        _ => {}
    }
    let mut listing = Listing::default();
    listing.add(name.to_owned());
    if let Some(&(number, kind)) = listing.segments.first() {
        return if segment_name(number, kind) == name {
            Kind::Segment(number, kind)
        } else {
            Kind::Foreign
        };
    }
    if let Some(&number) = listing.indexes.first() {
        return if index_name(number) == name {
            Kind::Index(number)
        } else {
            Kind::Foreign
        };
    }
    for kind in TableKind::BOTH {
        if let Some(&range) = listing.tables(kind).first() {
            return if table_name(kind, range) == name {
                Kind::Table(kind, range)
            } else {
                Kind::Foreign
            };
        }
    }
    match name.rsplit_once('.') {
        Some((stem, "moved")) => stem.parse().map_or(Kind::Foreign, Kind::Moved),
        Some((_, "tmp")) => Kind::Temporary,
        Some((_, "bad")) => Kind::Bad,
        Some((stem, "bin")) if stem.starts_with("lost-") => Kind::Lost,
        Some((stem, "txt")) => {
            let number = stem.strip_prefix("repair-").map(str::parse::<u64>);
            match number {
                Some(Ok(_)) => Kind::Record,
                _ => Kind::Foreign,
            }
        }
        _ => Kind::Foreign,
    }
}

pub(super) fn segment_name(number: u64, name: SegmentName) -> String {
    match name {
        SegmentName::Log => format!("{number:010}.log"),
        SegmentName::Sealed => format!("{number:010}.seg"),
    }
}

pub(super) fn index_name(number: u64) -> String {
    format!("{number:010}.idx")
}

pub(super) fn moved_name(number: u64) -> String {
    format!("{number:010}.moved")
}

pub(super) fn record_name(number: u64) -> String {
    format!("repair-{number}.txt")
}

pub(super) fn table_name(kind: TableKind, (first, last): (u64, u64)) -> String {
    match kind {
        TableKind::Ids => format!("ids-{first:010}-{last:010}.tbl"),
        TableKind::Sessions => format!("sessions-{first:010}-{last:010}.tbl"),
    }
}

/// What a file is, where its name says it all. What was looked into is told in more words.
pub(super) fn words(name: &str) -> String {
    match kind(name) {
        Kind::Meta => "who the stream is".into(),
        Kind::Lock => "the writer's lock".into(),
        Kind::Watermark => "how far readers may read while a writer lives".into(),
        Kind::Floor => "where the retained entries begin".into(),
        Kind::SpareFloor => "room kept for the next floor".into(),
        Kind::Groups => "the consumer groups".into(),
        Kind::Views => "what views made of the log; safe to delete, it is made again".into(),
        Kind::Segment(number, _) => format!("segment {number}"),
        Kind::Index(number) => format!("the index of segment {number}"),
        Kind::Table(TableKind::Ids, range) => format!("event ids of {}", words::segments(range)),
        Kind::Table(TableKind::Sessions, range) => {
            format!("sessions of {}", words::segments(range))
        }
        Kind::Moved(number) => format!("segment {number}, on its way to its name"),
        Kind::Lost => format!(
            "{}; safe to delete once looked at",
            lost_from(name).unwrap_or_else(|| "bytes taken out of a file".into())
        ),
        Kind::Record => "what a repair found; safe to delete once read".into(),
        Kind::Bad => "damaged and set aside; safe to delete once looked at".into(),
        Kind::Temporary if name == "next.tmp" => "room kept for the next segment".into(),
        Kind::Temporary => "a file that was being written".into(),
        Kind::Foreign => "not one of Recount's files; left alone".into(),
    }
}

fn lost_from(name: &str) -> Option<String> {
    if name.starts_with("lost-groups-") {
        return Some(
            "bytes of the consumer groups' file, taken out of it by an earlier recovery or repair"
                .into(),
        );
    }
    let mut parts = name.strip_prefix("lost-")?.strip_suffix(".bin")?.split('-');
    let number: u64 = parts.next()?.parse().ok()?;
    let offset: u64 = parts.next()?.parse().ok()?;
    Some(format!(
        "bytes from byte {offset} of segment {number} on, taken out of it by an earlier recovery or repair"
    ))
}
