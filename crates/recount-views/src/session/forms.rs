//! How positions and times are written: as people read them in JSON, as numbers in rows.

use recount_core::{EntryId, Position, Timestamp};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `7/1526919030474-0`, the partition left out where it is 0.
#[allow(clippy::ref_option)] // The signature that serde asks for.
pub(super) mod position {
    use super::*;

    pub fn serialize<S: Serializer>(
        position: &Option<Position>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return position
                .map(|position| position.to_string())
                .serialize(serializer);
        }
        position
            .map(
                |Position {
                     partition,
                     entry_id,
                 }| (partition, entry_id.ms, entry_id.seq),
            )
            .serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Position>, D::Error> {
        if deserializer.is_human_readable() {
            let text = Option::<String>::deserialize(deserializer)?;
            let read = |text: String| {
                let (partition, id) = match text.split_once('/') {
                    Some((partition, id)) => (partition.parse().map_err(D::Error::custom)?, id),
                    None => (0, &*text),
                };
                Ok(Position {
                    partition,
                    entry_id: id.parse().map_err(D::Error::custom)?,
                })
            };
            return text.map(read).transpose();
        }
        let numbers = Option::<(u32, u64, u64)>::deserialize(deserializer)?;
        Ok(numbers.map(|(partition, ms, seq)| Position {
            partition,
            entry_id: EntryId::new(ms, seq),
        }))
    }
}

/// RFC 3339, or milliseconds.
#[allow(clippy::ref_option)] // The signature that serde asks for.
pub(super) mod timestamp {
    use super::*;

    pub fn serialize<S: Serializer>(
        timestamp: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return timestamp
                .map(|timestamp| timestamp.to_string())
                .serialize(serializer);
        }
        timestamp.map(Timestamp::as_millis).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        if deserializer.is_human_readable() {
            let text = Option::<String>::deserialize(deserializer)?;
            let read = |text: String| text.parse().map_err(D::Error::custom);
            return text.map(read).transpose();
        }
        let ms = Option::<i64>::deserialize(deserializer)?;
        let read = |ms| Timestamp::from_millis(ms).map_err(D::Error::custom);
        ms.map(read).transpose()
    }
}
