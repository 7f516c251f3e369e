//! What befalls a consumer while it runs, told as it happens.

use std::convert::Infallible;
use std::time::Duration;

use recount::{ConsumerMetrics, RunningConsumer};

use crate::cli::settings::warn;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long no call may have failed before the trouble counts as over: longer than a call is tried.
const QUIET: u32 = 15;

/// Looks at the consumer for as long as it runs.
pub(super) async fn tell(running: &RunningConsumer) -> Infallible {
    let mut trouble = Trouble::default();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        for words in trouble.looked_at(running.metrics()) {
            warn(words);
        }
    }
}

#[derive(Default)]
struct Trouble {
    before: ConsumerMetrics,
    /// For how many looks no call has failed since some did; none if none did.
    quiet: Option<u32>,
}

impl Trouble {
    /// What there is to say of what changed since the last look.
    fn looked_at(&mut self, now: ConsumerMetrics) -> Vec<String> {
        let mut words = Vec::new();
        if now.recreated > self.before.recreated {
            words.push(
                "the group was gone: it is created again where everything before was acknowledged"
                    .to_owned(),
            );
        }
        if now.trimmed > self.before.trimmed {
            words.push("events were trimmed before they could be handled".to_owned());
        }
        if now.failed_calls > self.before.failed_calls {
            if self.quiet.is_none() {
                let error = now.last_failure.as_deref().unwrap_or("a call failed");
                words.push(format!(
                    "{error}; trying again, and nothing is lost meanwhile"
                ));
            }
            self.quiet = Some(0);
        } else if let Some(looks) = &mut self.quiet {
            *looks += 1;
            if *looks == QUIET {
                self.quiet = None;
                words.push("no call has failed for a while: going on".to_owned());
            }
        }
        self.before = now;
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_once_until_it_is_over() {
        let mut trouble = Trouble::default();
        let failed = |failed_calls| ConsumerMetrics {
            failed_calls,
            last_failure: Some("the disk is full".to_owned()),
            ..ConsumerMetrics::default()
        };
        assert!(trouble.looked_at(failed(0)).is_empty());
        let words = trouble.looked_at(failed(1));
        assert_eq!(
            words,
            ["the disk is full; trying again, and nothing is lost meanwhile"]
        );
        assert!(trouble.looked_at(failed(2)).is_empty(), "it is known");
        for _ in 1..QUIET {
            assert!(trouble.looked_at(failed(2)).is_empty());
        }
        let over = trouble.looked_at(failed(2));
        assert!(over[0].contains("going on"), "{over:?}");
        let gone = ConsumerMetrics {
            recreated: 1,
            ..failed(2)
        };
        assert!(trouble.looked_at(gone.clone())[0].contains("created again"));
        assert!(trouble.looked_at(gone).is_empty());
    }
}
