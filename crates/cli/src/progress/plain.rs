//! Progress where no bar can be drawn: a line at each stage's start and end, and one every 30 seconds, as text or as JSON.

use serde::Serialize;
use starloop_core::event::{Event, Stage};
use starloop_record::format::{count, duration, percent, thousands};
use std::fmt;

/// Seconds between two lines of one stage.
const INTERVAL: f64 = 30.0;

/// The stage that the last events were about.
#[derive(Debug, Default)]
pub struct PlainProgress {
    stage: Option<Running>,
    /// The method and its last measured accuracy, in 0..=1.
    measured: Option<(String, f64)>,
}

#[derive(Debug)]
struct Running {
    name: StageName,
    total: u64,
    done: u64,
    tokens: u64,
    began: f64,
    last_line: f64,
}

#[derive(Debug, Clone, Serialize)]
struct StageName {
    method: String,
    iteration: u32,
    stage: Stage,
}

/// One line about a stage.
#[derive(Debug, Serialize)]
pub struct StageLine {
    /// The kind of report: `stage_started`, `stage_progress` or `stage_finished`.
    event: &'static str,
    #[serde(flatten)]
    name: StageName,
    /// Problems or steps done, and their total.
    done: u64,
    total: u64,
    /// Tokens sampled or trained in a second; `null` before there are any.
    tokens_per_second: Option<f64>,
    /// Seconds since the stage began.
    seconds: f64,
    /// Seconds that the stage still takes at this speed; `null` before there is one.
    seconds_left: Option<f64>,
    /// The last measured accuracy of the method, in 0..=1; `null` before the first.
    accuracy: Option<f64>,
    /// True if the result was found in the run directory.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    reused: bool,
}

impl PlainProgress {
    /// The line that an event deserves. `now` is a time in seconds.
    pub fn line(&mut self, event: &Event, now: f64) -> Option<StageLine> {
        match event {
            Event::StageStarted { method, iteration, stage, total } => {
                let name = StageName { method: method.clone(), iteration: *iteration, stage: *stage };
                self.stage = Some(Running { name, total: *total, done: 0, tokens: 0, began: now, last_line: now });
                self.report("stage_started", now)
            }
            Event::StageProgress { done, tokens, .. } => {
                let running = self.stage.as_mut()?;
                (running.done, running.tokens) = (*done, *tokens);
                if now - running.last_line < INTERVAL {
                    return None;
                }
                running.last_line = now;
                self.report("stage_progress", now)
            }
            Event::StageFinished { tokens, reused, .. } => {
                let running = self.stage.as_mut()?;
                (running.done, running.tokens) = (running.total, *tokens);
                let line = self.report("stage_finished", now);
                self.stage = None;
                line.map(|line| StageLine { reused: *reused, ..line })
            }
            Event::IterationFinished { method, metrics } if metrics.accuracy.total > 0 => {
                self.measured = Some((method.clone(), metrics.accuracy.mean));
                None
            }
            _ => None,
        }
    }

    fn report(&self, event: &'static str, now: f64) -> Option<StageLine> {
        let Running { name, total, done, tokens, began, .. } = self.stage.as_ref()?;
        let seconds = now - began;
        let is_timed = *tokens > 0 && seconds > 0.0;
        Some(StageLine {
            event,
            done: *done,
            total: *total,
            tokens_per_second: is_timed.then(|| *tokens as f64 / seconds),
            seconds,
            seconds_left: (*done > 0 && seconds > 0.0).then(|| seconds * total.saturating_sub(*done) as f64 / *done as f64),
            accuracy: self.measured.as_ref().filter(|(method, _)| *method == name.method).map(|(_, accuracy)| *accuracy),
            reused: false,
            name: name.clone(),
        })
    }
}

impl fmt::Display for StageLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StageName { method, iteration, stage } = &self.name;
        let of_iteration = if *stage == Stage::Pretraining { String::new() } else { format!(" {iteration}") };
        write!(f, "{method}{of_iteration} {}: ", super::stage_name(*stage))?;
        let total = format!("{} {}", thousands(self.total), super::unit(*stage));
        let rate = self.tokens_per_second.map_or_else(String::new, |rate| format!(", {} tokens/s", count(rate)));
        match self.event {
            "stage_started" => write!(f, "started, {total}")?,
            "stage_finished" if self.reused => write!(f, "taken from the run directory, {total}")?,
            "stage_finished" => write!(f, "finished, {total} in {}{rate}", duration(self.seconds))?,
            _ => {
                let left = self.seconds_left.map_or_else(String::new, |left| format!(", {} left", duration(left)));
                write!(f, "{} of {total}{rate}{left}", thousands(self.done))?;
            }
        }
        self.accuracy.map_or(Ok(()), |accuracy| write!(f, ", accuracy so far {}%", percent(accuracy)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use starloop_core::metrics::{Accuracy, IterationMetrics};

    fn measured(correct: u64) -> Event {
        let json = serde_json::json!({
            "iteration": 0, "checkpoint": "", "problems": 0, "unhinted": {"attempts": 0, "correct": 0, "wrong": 0, "unparsed": 0, "truncated": 0,
            "tokens": 0}, "hinted": {"attempts": 0, "correct": 0, "wrong": 0, "unparsed": 0, "truncated": 0, "tokens": 0},
            "selection": {"kept_unhinted": 0, "kept_hinted": 0, "dropped_duplicate": 0, "dropped_leaked_hint": 0, "dropped_over_limit": 0},
            "training": null, "split": "dev", "accuracy": Accuracy::new(correct, 100), "by_class": [], "evaluation_tokens": 0
        });
        let metrics: IterationMetrics = serde_json::from_value(json).unwrap();
        Event::IterationFinished { method: "star".into(), metrics: Box::new(metrics) }
    }

    #[test]
    fn a_stage_has_a_line_at_its_start_every_thirty_seconds_and_at_its_end() {
        let mut progress = PlainProgress::default();
        let begin = Event::StageStarted { method: "star".into(), iteration: 2, stage: Stage::Sampling, total: 2_000 };
        let at = |done, tokens| Event::StageProgress { done, tokens, loss: None };
        let end = Event::StageFinished {
            method: "star".into(),
            iteration: 2,
            stage: Stage::Sampling,
            tokens: 100_000,
            seconds: 50.0,
            reused: false,
        };
        let events = [
            (0.0, measured(75)),
            (100.0, begin),
            (110.0, at(200, 10_000)),
            (130.0, at(1_000, 60_000)),
            (140.0, at(1_500, 80_000)),
            (150.0, end),
        ];
        let lines: Vec<StageLine> = events.iter().filter_map(|(now, event)| progress.line(event, *now)).collect();
        assert_eq!(
            lines.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "star 2 sampling: started, 2,000 problems, accuracy so far 75.0%",
                "star 2 sampling: 1,000 of 2,000 problems, 2000 tokens/s, 30 s left, accuracy so far 75.0%",
                "star 2 sampling: finished, 2,000 problems in 50 s, 2000 tokens/s, accuracy so far 75.0%",
            ]
        );
        assert_eq!(
            serde_json::to_value(&lines[1]).unwrap(),
            serde_json::json!({
                "event": "stage_progress", "method": "star", "iteration": 2, "stage": "sampling", "done": 1_000, "total": 2_000,
                "tokens_per_second": 2000.0, "seconds": 30.0, "seconds_left": 30.0, "accuracy": 0.75
            })
        );
    }
}
