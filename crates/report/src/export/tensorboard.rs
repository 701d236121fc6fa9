//! Event files for TensorBoard: a directory for each method, with scalars over iterations and steps, rationales as text, and the settings as
//! hyperparameters, so that runs can be sorted by them.
//!
//! The same run gives the same bytes under the same name. A later export of a run that goes on replaces the earlier one.

mod proto;
mod records;

use crate::error::Result;
use crate::report::{IterationReport, MethodReport, Report};
use proto::{Message, hyperparameters, scalar, summary, text};
use starloop_record::atomic;
use starloop_record::event::Event;
use starloop_record::run_dir::settings::of_method;
use starloop_record::types::{GradedAttempt, Mode, Verdict};
use starloop_record::{IterationDir, RunDir};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The number of texts of each kind that an iteration shows.
const SHOWN: usize = 5;
/// The number of characters of a text that are shown.
const LONGEST: usize = 4_000;
/// TensorBoard looks for files whose names contain `tfevents`.
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
            let path = out.join(&name).join(&method.info.name).join(FILE);
            atomic::write(&path, &records::of(events(&directory, &config, method, &times)?))?;
            written.push(path);
        }
    }
    Ok(written)
}

/// The runs' directory names, with numbers if some are the same.
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

/// The times at which iterations ended, in seconds since the Unix epoch.
struct Times {
    began: f64,
    ended: BTreeMap<(String, u32), f64>,
}

impl Times {
    fn of(events: Vec<(f64, Event)>) -> Self {
        let began = events.first().map_or(0.0, |(time, _)| *time);
        let ended = events.into_iter().filter_map(|(time, event)| match event {
            Event::IterationFinished { method, metrics } => Some(((method, metrics.iteration), time)),
            _ => None,
        });
        // An iteration that was found again after an interruption keeps its first time.
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

fn events(directory: &RunDir, config: &toml::Table, method: &MethodReport, times: &Times) -> Result<Vec<Message>> {
    let name = &method.info.name;
    let ended = method.iterations.last().map_or(times.began, |last| times.of_iteration(name, last.metrics.iteration));
    let settings = hyperparameters(&of_method(config, name), times.began, ended);
    let mut events = vec![proto::version(times.began), summary(times.began, 0, &settings)];
    let mut steps_before = 0;
    for iteration in &method.iterations {
        let metrics = &iteration.metrics;
        let time = times.of_iteration(name, metrics.iteration);
        let place = directory.iteration(name, metrics.iteration);
        let mut values = scalars(iteration);
        values.extend(texts(&place)?);
        events.push(summary(time, i64::from(metrics.iteration), &values));
        // Steps count through all iterations, so that the curve continues from one to the next.
        for point in place.losses()?.unwrap_or_default() {
            events.push(summary(time, (steps_before + point.step) as i64, &[scalar("training/loss by step", point.loss)]));
        }
        steps_before += metrics.training.map_or(0, |training| training.steps);
    }
    if let Some(metrics) = &method.final_metrics {
        events.push(summary(ended, i64::from(metrics.iteration), &[scalar("accuracy/final", metrics.accuracy.mean)]));
    }
    Ok(events)
}

/// Accuracies and shares in 0..=1, counts, seconds.
fn scalars(iteration: &IterationReport) -> Vec<Message> {
    let metrics = &iteration.metrics;
    let mut values = Vec::new();
    if metrics.accuracy.total > 0 {
        let accuracy = &metrics.accuracy;
        let of_all = [("overall", accuracy.mean), ("overall, 95% low", accuracy.low), ("overall, 95% high", accuracy.high)];
        values.extend(of_all.map(|(name, value)| scalar(&format!("accuracy/{name}"), value)));
        values.extend(metrics.by_class.iter().map(|c| scalar(&format!("accuracy/{}", c.class), c.accuracy.mean)));
    }
    let (kept, hinted) = (metrics.selection.kept_unhinted, metrics.selection.kept_hinted);
    let mut counts = vec![("tokens/evaluated", metrics.evaluation_tokens)];
    if metrics.problems > 0 {
        let sampled = metrics.unhinted.tokens + metrics.hinted.tokens;
        counts.extend([("examples/without hint", kept), ("examples/with hint", hinted), ("tokens/sampled", sampled)]);
    }
    if let Some(training) = &metrics.training {
        counts.extend([("training/steps", training.steps), ("tokens/trained", training.tokens)]);
        values.push(scalar("training/last loss", training.final_loss));
    }
    values.extend(counts.into_iter().map(|(tag, count)| scalar(tag, count as f64)));
    values.extend(iteration.seconds.map(|seconds| scalar("time/seconds", seconds)));
    values
}

/// Some learned rationales and some wrong answers, spread over their files.
fn texts(place: &IterationDir) -> Result<Vec<Message>> {
    let mut learned = Vec::new();
    for example in place.some_examples(SHOWN)? {
        let how = if example.mode == Mode::Hinted { "found with the hint" } else { "found without hint" };
        learned.push(format!("{how}; prompt:\n\n{}\ncompletion:\n\n{}", code(&example.prompt), code(&example.completion)));
    }
    let wrong = |graded: GradedAttempt| match graded.verdict {
        Verdict::Wrong { predicted } => {
            let attempt = graded.attempt;
            let [problem, predicted] = [&attempt.problem.0, &predicted].map(|text| code(text));
            Some(format!("problem:\n\n{problem}\nanswer:\n\n{predicted}\ncompletion:\n\n{}", code(&attempt.completion)))
        }
        _ => None,
    };
    // More than are shown, so that some of them are wrong.
    let mut wrong: Vec<String> = place.some_evaluations(20 * SHOWN)?.into_iter().filter_map(wrong).collect();
    wrong.truncate(SHOWN);
    let values = [("learned", learned), ("wrong in evaluation", wrong)].into_iter().filter(|(_, texts)| !texts.is_empty());
    Ok(values.map(|(tag, texts)| text(&format!("rationales/{tag}"), &texts)).collect())
}

/// A text as a block of code, which TensorBoard's Markdown shows unchanged.
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
    use starloop_record::digest::hexadecimal;

    /// The bytes are those of TensorBoard 2.21's own `RecordWriter`: an event of the file version at wall time 1.5.
    #[test]
    fn a_record_is_what_tensorboard_writes() {
        let hex = hexadecimal(&records::of(vec![proto::version(1.5)]));
        assert_eq!(hex, "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c");
    }

    /// The bytes are those of prost 0.14 with the messages declared as TensorBoard's `.proto` files have them.
    #[test]
    fn messages_are_what_another_encoder_writes() {
        let settings = [
            ("a.flag", true.into()),
            ("a.off", false.into()),
            ("b.steps", 300.into()),
            ("c.rate", 0.25.into()),
            ("d.zero", 0.into()),
            ("e.name", "star".into()),
            ("f.list", vec![1].into()),
        ];
        let settings = settings.into_iter().map(|(key, value): (&str, toml::Value)| (key.to_owned(), value)).collect();
        let values = [scalar("accuracy", 0.25), scalar("none", 0.0), text("rationales/learned from", &["grüße".into(), String::new()])];
        let events = vec![
            proto::version(1.5),
            summary(1.5, 0, &hyperparameters(&settings, 1.5, 2.5)),
            summary(2.5, 7, &values),
            summary(2.5, 300, &[scalar("x", 1.0)]),
        ];
        assert_eq!(
            hexadecimal(&records::of(events)),
            "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c2701000000000000bd1141a009000000000000f83f2a9b02\
             0acc010a1c5f68706172616d735f2f73657373696f6e5f73746172745f696e666f420e08011204120208012a04000000004a9b010a96010a0768706172616d73\
             128a011a87010a0c0a06612e666c6167120220010a0b0a05612e6f6666120220000a140a07622e73746570731209110000000000c072400a130a06632e726174\
             65120911000000000000d03f0a130a06642e7a65726f12091100000000000000000a100a06652e6e616d6512061a04737461720a0f0a06662e6c69737412051a\
             035b315d29000000000000f83f20020a4a0a1a5f68706172616d735f2f73657373696f6e5f656e645f696e666f420e08011204120208012a04000000004a1c0a\
             180a0768706172616d73120d220b08011100000000000004402002da50995594000000000000005d25f10009000000000000044010072a86010a250a08616363\
             7572616379420a080112002a040000803e4a0d0a090a077363616c61727320010a210a046e6f6e65420a080112002a04000000004a0d0a090a077363616c6172\
             7320010a3a0a17726174696f6e616c65732f6c6561726e65642066726f6d4213080712041202080242076772c3bcc39f6542004a0a0a060a0474657874200215\
             07a03c2e00000000000000c5cb57fa09000000000000044010ac022a200a1e0a0178420a080112002a040000803f4a0d0a090a077363616c6172732001ec523e\
             03"
        );
    }

    #[test]
    fn text_of_a_model_is_shown_as_code() {
        assert_eq!(code("# 1\n\n<b>2</b>"), "    # 1\n    \n    <b>2</b>\n");
        let long = code(&"ü".repeat(LONGEST + 7));
        assert!(long.ends_with("ü\n    … (7 more characters)\n") && long.chars().filter(|c| *c == 'ü').count() == LONGEST);
    }
}
