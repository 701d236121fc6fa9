//! Event files for TensorBoard: a directory for each method, with scalars over iterations and steps, rationales as text, and the settings as
//! hyperparameters, so that runs can be sorted by them.
//!
//! The same run gives the same bytes under the same name: exporting again while a run goes on replaces what was there.

mod proto;
mod records;

use crate::config::Config;
use crate::error::Result;
use crate::event::Event as Happened;
use crate::report::{IterationReport, MethodReport, Report};
use crate::run_dir::{IterationDir, RunDir, write_whole};
use crate::types::{GradedAttempt, Mode, Verdict};
use proto::{Event, HParams, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Texts of a kind that are shown of each iteration.
const SHOWN: usize = 5;
/// Characters of a text that are shown.
const LONGEST: usize = 4_000;
/// TensorBoard looks for files with this in their names.
const FILE: &str = "events.out.tfevents.starloop";

/// Writes an event file for each method of each run under `out`, and returns their paths. TensorBoard calls a method `run/method`.
///
/// # Errors
/// A run cannot be read, or a file not written.
pub fn tensorboard(report: &Report, out: &Path) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for (run, name) in report.runs.iter().zip(names(report)) {
        let directory = RunDir::open_read_only(&run.path)?;
        let config = directory.config()?;
        let times = Times::of(directory.timed_events()?);
        for method in &run.methods {
            let path = out.join(&name).join(&method.name).join(FILE);
            write_whole(&path, &records::of(&events(&directory, &config, method, &times)?))?;
            written.push(path);
        }
    }
    Ok(written)
}

/// The runs' directory names, told apart where they are the same.
fn names(report: &Report) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for run in &report.runs {
        let name = Path::new(&run.name).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| !names.contains(name));
        names.extend(free);
    }
    names
}

/// When iterations ended, in seconds since the Unix epoch.
struct Times {
    began: f64,
    ended: BTreeMap<(String, u32), f64>,
}

impl Times {
    fn of(events: Vec<(f64, Happened)>) -> Self {
        let began = events.first().map_or(0.0, |(time, _)| *time);
        let ended = events.into_iter().filter_map(|(time, event)| match event {
            Happened::IterationFinished { method, metrics } => Some(((method, metrics.iteration), time)),
            _ => None,
        });
        // Of an iteration that was found again after an interruption, the first time counts.
        let mut first = BTreeMap::new();
        for (key, time) in ended {
            first.entry(key).or_insert(time);
        }
        Times { began, ended: first }
    }

    fn of_iteration(&self, method: &str, iteration: u32) -> f64 {
        self.ended.get(&(method.to_owned(), iteration)).copied().unwrap_or(self.began)
    }
}

fn events(directory: &RunDir, config: &Config, method: &MethodReport, times: &Times) -> Result<Vec<Event>> {
    let settings = config.settings_of(&method.name);
    let ended = method.iterations.last().map_or(times.began, |last| times.of_iteration(&method.name, last.metrics.iteration));
    let mut events = vec![Event::version(times.began), Event::summary(times.began, 0, HParams::of(&settings, times.began, ended).values())];
    let mut steps_before = 0;
    for iteration in &method.iterations {
        let metrics = &iteration.metrics;
        let time = times.of_iteration(&method.name, metrics.iteration);
        let place = directory.iteration(&method.name, metrics.iteration);
        let mut values = scalars(iteration);
        values.extend(texts(&place)?);
        events.push(Event::summary(time, i64::from(metrics.iteration), values));
        // Steps count through all iterations, so that the curve goes on from one to the next.
        for point in place.losses()?.unwrap_or_default() {
            events.push(Event::summary(time, (steps_before + point.step) as i64, vec![Value::scalar("training/loss by step", point.loss)]));
        }
        steps_before += metrics.training.map_or(0, |training| training.steps);
    }
    if let Some(metrics) = &method.final_metrics {
        let values = vec![Value::scalar("accuracy/final", metrics.accuracy.mean)];
        events.push(Event::summary(ended, i64::from(metrics.iteration), values));
    }
    Ok(events)
}

/// Accuracies and shares in 0..=1, counts, seconds.
fn scalars(iteration: &IterationReport) -> Vec<Value> {
    let metrics = &iteration.metrics;
    let mut values = Vec::new();
    if metrics.accuracy.total > 0 {
        let accuracy = &metrics.accuracy;
        let of_all = [("overall", accuracy.mean), ("overall, 95% low", accuracy.low), ("overall, 95% high", accuracy.high)];
        values.extend(of_all.map(|(name, value)| Value::scalar(&format!("accuracy/{name}"), value)));
        values.extend(metrics.by_class.iter().map(|c| Value::scalar(&format!("accuracy/{}", c.class), c.accuracy.mean)));
    }
    let (kept, hinted) = (metrics.selection.kept_unhinted, metrics.selection.kept_hinted);
    let mut counts = vec![("tokens/evaluated", metrics.evaluation_tokens)];
    if metrics.problems > 0 {
        let sampled = metrics.unhinted.tokens + metrics.hinted.tokens;
        counts.extend([("examples/unaided", kept), ("examples/rationalized", hinted), ("tokens/sampled", sampled)]);
    }
    if let Some(training) = &metrics.training {
        counts.extend([("training/steps", training.steps), ("tokens/trained", training.tokens)]);
        values.push(Value::scalar("training/last loss", training.final_loss));
    }
    values.extend(counts.into_iter().map(|(tag, count)| Value::scalar(tag, count as f64)));
    values.extend(iteration.seconds.map(|seconds| Value::scalar("time/seconds", seconds)));
    values
}

/// What was learned from, and what was answered wrongly; some of each, spread over the files.
fn texts(place: &IterationDir) -> Result<Vec<Value>> {
    let mut learned = Vec::new();
    for example in place.some_examples(SHOWN)? {
        let how = if example.mode == Mode::Hinted { "rationalized with the answer at hand" } else { "found unaided" };
        learned.push(format!("{how}:\n\n{}\ngoes on:\n\n{}", code(&example.prompt), code(&example.completion)));
    }
    let wrong = |graded: GradedAttempt| match graded.verdict {
        Verdict::Wrong { predicted } => {
            let attempt = graded.attempt;
            let [problem, predicted] = [&attempt.problem.0, &predicted].map(|text| code(text));
            Some(format!("problem:\n\n{problem}\nanswered:\n\n{predicted}\nby:\n\n{}", code(&attempt.completion)))
        }
        _ => None,
    };
    // Of many, so that some are wrong.
    let mut answered: Vec<String> = place.some_evaluations(20 * SHOWN)?.into_iter().filter_map(wrong).collect();
    answered.truncate(SHOWN);
    let values = [("learned from", learned), ("wrong, held out", answered)].into_iter().filter(|(_, texts)| !texts.is_empty());
    Ok(values.map(|(tag, texts)| Value::text(&format!("rationales/{tag}"), &texts)).collect())
}

/// A text as a block of code, which TensorBoard's Markdown shows as it stands.
fn code(text: &str) -> String {
    let mut block = String::new();
    let shown = text.char_indices().nth(LONGEST).map_or(text, |(at, _)| &text[..at]);
    for line in shown.lines() {
        block.extend(["    ", line, "\n"]);
    }
    if shown.len() < text.len() {
        block.extend(["    … (", &text[shown.len()..].chars().count().to_string(), " more characters)\n"]);
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;

    #[test]
    fn events_are_framed_and_read_back() {
        let events = vec![Event::version(1.5), Event::summary(1.5, 7, vec![Value::scalar("accuracy", 0.25)])];
        let bytes = records::of(&events);
        // A record is its length, the length's checksum, the message and its checksum.
        let length = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
        let first = Event::decode(&bytes[12..12 + length]).expect("an event");
        assert_eq!(first, events[0]);
        let rest = &bytes[12 + length + 4..];
        let length = u64::from_le_bytes(rest[..8].try_into().expect("eight bytes")) as usize;
        assert_eq!(Event::decode(&rest[12..12 + length]).expect("an event"), events[1]);
        assert_eq!(rest.len(), 12 + length + 4);
    }

    /// Written down from TensorBoard 2.21's own `RecordWriter`: an event of the file version at wall time 1.5.
    #[test]
    fn a_record_is_what_tensorboard_writes() {
        let bytes = records::of(&[Event::version(1.5)]);
        let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        assert_eq!(hex, "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c");
    }

    #[test]
    fn text_of_a_model_is_shown_as_code() {
        assert_eq!(code("# 1\n\n<b>2</b>"), "    # 1\n    \n    <b>2</b>\n");
        let long = code(&"ü".repeat(LONGEST + 7));
        assert!(long.ends_with("ü\n    … (7 more characters)\n") && long.chars().filter(|c| *c == 'ü').count() == LONGEST);
    }
}
