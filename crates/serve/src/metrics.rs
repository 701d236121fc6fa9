//! Counts of the server, in the text format of Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the buckets of the times, in seconds.
const BUCKETS: [f64; 10] = [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0];

/// Counts since the start of the server.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Answers by route and status.
    answers: Mutex<BTreeMap<(&'static str, u16), u64>>,
    times: Mutex<Times>,
    /// Tokens of prompts.
    pub(crate) prompt_tokens: AtomicU64,
    /// Generated tokens.
    pub(crate) generated_tokens: AtomicU64,
    /// Prompts whose client was gone before they were completed.
    pub(crate) cancelled: AtomicU64,
}

/// Times of requests that were admitted.
#[derive(Debug, Default)]
struct Times {
    buckets: [u64; BUCKETS.len()],
    sum: f64,
    count: u64,
}

impl Metrics {
    /// Counts an answer.
    pub(crate) fn answered(&self, route: &'static str, status: u16) {
        *self.answers.lock().unwrap_or_else(PoisonError::into_inner).entry((route, status)).or_default() += 1;
    }

    /// Counts the time of a request, until its last byte was ready.
    pub(crate) fn took(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        for (bucket, _) in times.buckets.iter_mut().zip(BUCKETS).filter(|(_, bound)| seconds <= *bound) {
            *bucket += 1;
        }
        times.sum += seconds;
        times.count += 1;
    }

    /// The text that Prometheus reads. `open` requests are admitted and not finished.
    pub(crate) fn text(&self, open: usize) -> String {
        let mut text = String::new();
        let head = |name: &str, kind: &str, help: &str| format!("# HELP starloop_{name} {help}\n# TYPE starloop_{name} {kind}\n");
        text += &head("requests_total", "counter", "Answers by route and status.");
        for ((route, status), count) in &*self.answers.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = writeln!(text, "starloop_requests_total{{route=\"{route}\",status=\"{status}\"}} {count}");
        }
        for (name, kind, help, value) in [
            ("requests_open", "gauge", "Requests that are admitted and not finished.", open as u64),
            ("prompt_tokens_total", "counter", "Tokens of prompts.", self.prompt_tokens.load(Ordering::Relaxed)),
            ("generated_tokens_total", "counter", "Generated tokens.", self.generated_tokens.load(Ordering::Relaxed)),
            ("prompts_cancelled_total", "counter", "Prompts whose client was gone early.", self.cancelled.load(Ordering::Relaxed)),
        ] {
            text += &head(name, kind, help);
            let _ = writeln!(text, "starloop_{name} {value}");
        }
        text += &head("request_seconds", "histogram", "Time of requests that were admitted.");
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        for (bound, count) in BUCKETS.iter().zip(times.buckets) {
            let _ = writeln!(text, "starloop_request_seconds_bucket{{le=\"{bound}\"}} {count}");
        }
        let Times { sum, count, .. } = *times;
        let _ = write!(
            text,
            "starloop_request_seconds_bucket{{le=\"+Inf\"}} {count}\nstarloop_request_seconds_sum {sum}\nstarloop_request_seconds_count {count}\n"
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative() {
        let metrics = Metrics::default();
        metrics.answered("/v1/completions", 200);
        metrics.answered("/v1/completions", 200);
        for seconds in [0.02, 0.2, 1000.0] {
            metrics.took(Duration::from_secs_f64(seconds));
        }
        let text = metrics.text(3);
        for line in [
            "starloop_requests_total{route=\"/v1/completions\",status=\"200\"} 2",
            "starloop_requests_open 3",
            "starloop_request_seconds_bucket{le=\"0.01\"} 0",
            "starloop_request_seconds_bucket{le=\"0.05\"} 1",
            "starloop_request_seconds_bucket{le=\"300\"} 2",
            "starloop_request_seconds_bucket{le=\"+Inf\"} 3",
            "starloop_request_seconds_count 3",
        ] {
            assert!(text.lines().any(|found| found == line), "no {line:?} in {text}");
        }
    }
}
