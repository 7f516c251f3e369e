//! Reasons in words.

use recount::Reason;

/// Why a group gave up, so that somebody knows what to look at.
pub(super) fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::MaxDeliveries => "failed too often",
        Reason::Panic => "panicked too often",
        Reason::Poison => "ended its consumer too often",
        Reason::Undecodable => "no event",
        Reason::InSequence => "follows another letter",
        Reason::Handler => "refused",
        other => other.as_str(),
    }
}
