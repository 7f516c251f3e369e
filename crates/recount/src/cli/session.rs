//! Whether what is read of a session is all of it: a partial memory is never silent.

use recount::{Recount, SessionPage};

use super::error::Result;
use super::output::count;
use super::settings::warn;

/// Warns where a session is not all there. What is known of it is given back, without its events.
pub(super) async fn warn_if_partial(log: &Recount, session: &str) -> Result<SessionPage> {
    let page = log.session(session).recent(1).await?;
    if let Some(told) = partial(&page) {
        warn(told);
    }
    Ok(page)
}

/// Warns where fewer events were read than the session has.
pub(super) fn warn_of_missing(missing: u64) {
    if missing > 0 {
        warn(format_args!(
            "{} of the session missing in between: the copy that was read has a gap (recount info tells)",
            match missing {
                1 => "1 event is".to_owned(),
                more => format!("{} are", count(more, "event")),
            }
        ));
    }
}

/// What is not there of a session.
fn partial(page: &SessionPage) -> Option<String> {
    let trimmed = match page.retained_from {
        Some(1) => None,
        Some(first) => Some(format!(
            "the session is retained from revision {first} on: what came before was trimmed"
        )),
        None if page.revision > 0 => Some(format!(
            "the session had {}: all were trimmed",
            count(page.revision, "event")
        )),
        None => None,
    };
    let unindexed = (page.unindexed > 0).then(|| {
        format!(
            "{} of the stream written by other programs and not looked through: some may be of the session",
            match page.unindexed {
                1 => "1 entry was".to_owned(),
                more => format!("{} were", count(more, "entry").replace("entrys", "entries")),
            }
        )
    });
    match (trimmed, unindexed) {
        (Some(trimmed), Some(unindexed)) => Some(format!("{trimmed}; {unindexed}")),
        (trimmed, unindexed) => trimmed.or(unindexed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told() {
        let page = |revision, retained_from, unindexed| SessionPage {
            revision,
            retained_from,
            unindexed,
            ..SessionPage::default()
        };
        assert_eq!(partial(&page(0, None, 0)), None);
        assert_eq!(partial(&page(7, Some(1), 0)), None);
        for (page, words) in [
            (page(7, Some(3), 0), "retained from revision 3 on"),
            (page(7, None, 0), "had 7 events: all were trimmed"),
            (page(7, Some(1), 1), "1 entry was"),
            (page(7, Some(2), 1_000), "trimmed; 1,000 entries were"),
        ] {
            let told = partial(&page).unwrap();
            assert!(told.contains(words) && !page.is_complete(), "{told}");
        }
    }
}
