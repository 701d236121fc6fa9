//! Event files for TensorBoard: a directory for each method, with scalars over iterations and steps, rationales as text, and the settings as
//! hyperparameters, so that runs can be sorted by them.

mod proto;
mod records;

use crate::error::Result;
use crate::report::{MethodReport, Report, RunReport};
use crate::run_dir::{RunDir, write_whole};
use proto::{Event, HParams, Value};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Rationales that are shown of each iteration.
const SHOWN: usize = 3;

/// Writes an event file for each method of each run under `out`, and returns their paths. TensorBoard calls a method `run/method`.
///
/// # Errors
/// A run cannot be read, or a file not written.
pub fn tensorboard(report: &Report, out: &Path) -> Result<Vec<PathBuf>> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let mut written = Vec::new();
    for run in &report.runs {
        for method in &run.methods {
            let events = events(run, method, now)?;
            let name = Path::new(&run.name).file_name().unwrap_or_default();
            let path = out.join(name).join(&method.name).join(format!("events.out.tfevents.{:010}.starloop", now as u64));
            write_whole(&path, &records::of(&events))?;
            written.push(path);
        }
    }
    Ok(written)
}

fn events(run: &RunReport, method: &MethodReport, now: f64) -> Result<Vec<Event>> {
    let directory = RunDir::open_read_only(&run.path)?;
    let config = directory.config()?;
    let mut events =
        vec![Event::version(now), Event::summary(now, 0, HParams::of(&config.settings_of(&method.name), &run.name, now).values())];
    let mut steps_before = 0;
    for iteration in &method.iterations {
        let metrics = &iteration.metrics;
        let place = directory.iteration(&method.name, metrics.iteration);
        let mut values = Vec::new();
        if metrics.accuracy.total > 0 {
            values.push(Value::scalar("accuracy", metrics.accuracy.mean));
            values.extend(
                [("interval/low", metrics.accuracy.low), ("interval/high", metrics.accuracy.high)].map(|(tag, v)| Value::scalar(tag, v)),
            );
            values.extend(metrics.by_class.iter().map(|c| Value::scalar(&format!("accuracy by class/{}", c.class), c.accuracy.mean)));
        }
        let counts = [
            ("examples/kept unaided", metrics.selection.kept_unhinted),
            ("examples/rationalized", metrics.selection.kept_hinted),
            ("tokens/sampled", metrics.unhinted.tokens + metrics.hinted.tokens),
            ("tokens/trained", metrics.training.map_or(0, |training| training.tokens)),
        ];
        values.extend(counts.map(|(tag, count)| Value::scalar(tag, count as f64)));
        values.extend(iteration.seconds.map(|seconds| Value::scalar("seconds", seconds)));
        let mut examples = Vec::new();
        place.each_example(|example| {
            if examples.len() < SHOWN {
                examples.push(markdown(&example.prompt, &example.completion));
            }
            Ok(())
        })?;
        if !examples.is_empty() {
            values.push(Value::text("rationales learned from", &examples));
        }
        events.push(Event::summary(now, i64::from(metrics.iteration), values));
        // Steps count through all iterations, so that the curve goes on from one to the next.
        for point in place.losses()?.unwrap_or_default() {
            events.push(Event::summary(now, (steps_before + point.step) as i64, vec![Value::scalar("loss by step", point.loss)]));
        }
        steps_before += metrics.training.map_or(0, |training| training.steps);
    }
    Ok(events)
}

/// Prompt and completion as a block of code, which TensorBoard's Markdown shows as it stands.
fn markdown(prompt: &str, completion: &str) -> String {
    let indented = |text: &str| text.lines().map(|line| format!("    {line}\n")).collect::<String>();
    format!("{}\n    ────\n\n{}", indented(prompt), indented(completion))
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

    /// Written down from TensorBoard 2.20's own writer: `SummaryWriter` of `brain.Event:2` at wall time 1.5.
    #[test]
    fn a_record_is_what_tensorboard_writes() {
        let bytes = records::of(&[Event::version(1.5)]);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "");
    }

    #[test]
    fn text_of_a_model_is_shown_as_code() {
        assert_eq!(markdown("# 1\n", "<b>2</b>"), "    # 1\n\n    ────\n\n    <b>2</b>\n");
    }
}
