//! What a consumer did, at its end.

use std::time::Duration;

use recount::ConsumerReport;
use serde_json::{Value, json};

use crate::cli::output::{count, thousands};

/// `1,234 delivered, 1,230 acknowledged, 3 retries, 1 dead letter`
pub(super) fn sentence(report: &ConsumerReport) -> String {
    let metrics = &report.metrics;
    let mut parts = vec![
        format!("{} delivered", count(metrics.delivered, "event")),
        format!(
            "{} acknowledged",
            thousands(metrics.acked.saturating_sub(metrics.dead))
        ),
    ];
    let more = [
        (metrics.retried, "tried again"),
        (metrics.claimed, "taken over"),
        (metrics.trimmed, "trimmed before they could be handled"),
        (metrics.lost, "taken over by others meanwhile"),
        (metrics.given_back, "given back"),
        (report.cut_off, "cut off"),
    ];
    for (number, what) in more.into_iter().filter(|(number, _)| *number > 0) {
        parts.push(format!("{} {what}", thousands(number)));
    }
    if metrics.dead > 0 {
        parts.push(count(metrics.dead, "dead letter"));
    }
    parts.join(", ")
}

pub(super) fn document(report: &ConsumerReport) -> Value {
    let metrics = &report.metrics;
    let ms = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
    json!({
        "group": report.group,
        "consumer": report.consumer,
        "delivered": metrics.delivered,
        "acked": metrics.acked,
        "retried": metrics.retried,
        "dead": metrics.dead,
        "claimed": metrics.claimed,
        "trimmed": metrics.trimmed,
        "lost": metrics.lost,
        "given_back": metrics.given_back,
        "cut_off": report.cut_off,
        "removed": report.removed,
        "handler_ms": {
            "p50": ms(metrics.latency.p50),
            "p99": ms(metrics.latency.p99),
            "max": ms(metrics.latency.max),
        },
    })
}

#[cfg(test)]
mod tests {
    use recount::ConsumerMetrics;

    use super::*;

    #[test]
    fn what_did_not_happen_is_left_out_of_the_sentence() {
        let mut report = ConsumerReport {
            group: "g".to_owned(),
            consumer: "c".to_owned(),
            metrics: ConsumerMetrics {
                delivered: 1_234,
                acked: 1_234,
                ..ConsumerMetrics::default()
            },
            cut_off: 0,
            removed: true,
        };
        assert_eq!(
            sentence(&report),
            "1,234 events delivered, 1,234 acknowledged"
        );
        report.metrics.retried = 4;
        report.metrics.dead = 1;
        report.metrics.latency.max = Duration::from_micros(1_500);
        assert_eq!(
            sentence(&report),
            "1,234 events delivered, 1,233 acknowledged, 4 tried again, 1 dead letter"
        );
        assert_eq!(document(&report)["handler_ms"]["max"], 1.5);
    }
}
