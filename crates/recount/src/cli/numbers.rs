//! Numbers and identifiers on the command line, refused in plain words.

use std::str::FromStr;

use recount::{EventId, InvalidId, InvalidMoment, Moment};

/// A whole number from 1.
pub(crate) fn from_1<T: FromStr + PartialOrd + From<u8>>(text: &str) -> Result<T, String> {
    match text.parse() {
        Ok(number) if number >= T::from(1) => Ok(number),
        _ => Err(wanted::<T>(text, 1)),
    }
}

/// A whole number from 0.
pub(crate) fn from_0<T: FromStr + From<u8>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| wanted::<T>(text, 0))
}

fn wanted<T>(text: &str, least: u8) -> String {
    let bits = 8 * size_of::<T>() as u32;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() > 9 {
        let most = u64::MAX >> (64 - bits);
        return format!("write a whole number from {least} to {most}");
    }
    format!("write a whole number from {least}")
}

/// A time at which things happened.
pub(crate) fn happened(text: &str) -> Result<Moment, String> {
    match text.parse() {
        Ok(Moment::Entry(_)) => Err(
            "an entry id tells when something was recorded, not when it happened: write a time"
                .to_owned(),
        ),
        Ok(moment) => Ok(moment),
        Err(error) => Err(InvalidMoment::to_string(&error)),
    }
}

/// The id of a session, a user, ... : what no event can have finds nothing.
pub(crate) fn id(text: &str) -> Result<String, String> {
    match EventId::new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(InvalidId::Empty { .. }) => Err("it is empty: write 1 to 128 bytes of text".to_owned()),
        Err(InvalidId::TooLong { bytes, .. }) => {
            Err(format!("it is {bytes} bytes long, at most 128 are allowed"))
        }
        Err(InvalidId::Control { .. }) => Err("it holds a control character".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_such_number_is_told_what_is() {
        assert_eq!(from_1::<u64>("7"), Ok(7));
        assert_eq!(from_0::<u64>("0"), Ok(0));
        for bad in ["0", "-1", "x", "", "1.5"] {
            assert_eq!(
                from_1::<u64>(bad),
                Err("write a whole number from 1".to_owned()),
                "{bad}"
            );
        }
        assert_eq!(
            from_1::<u32>("4294967296"),
            Err("write a whole number from 1 to 4294967295".to_owned())
        );
    }

    #[test]
    fn an_id_that_no_event_can_have_is_refused() {
        assert_eq!(id("s1"), Ok("s1".to_owned()));
        assert!(id("").unwrap_err().contains("empty"));
        assert!(id(&"x".repeat(129)).unwrap_err().contains("at most 128"));
        assert!(id("a\nb").unwrap_err().contains("control character"));
    }
}
