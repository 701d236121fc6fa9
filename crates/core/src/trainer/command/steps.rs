//! The steps that the program reports. They are kept in a file, so that the curve of the loss is complete after an interruption.

use crate::config::check::MOST_STEPS;
use crate::error::{Error, OrCancelled, Result};
use crate::metrics::TrainingMetrics;
use crate::trainer::TrainingProgress;
use fs_err as fs;
use serde::{Deserialize, Serialize};
use starloop_record::atomic::{self, regular};
use starloop_record::types::MOST_COUNT;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;

/// Steps of one line that are reported one by one.
const MOST_STEPS_OF_A_LINE: u64 = 100_000;

/// The reported steps, one a line, beside the program's own states.
const FILE: &str = "starloop-progress.jsonl";

/// A line of progress. Other keys are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct StepLine {
    /// The optimizer step, from 1.
    step: u64,
    /// The mean loss per target token of the steps since the line before (natural logarithm).
    loss: f64,
    /// Tokens that went through the model so far.
    #[serde(default)]
    tokens: u64,
    /// Those of them that carried loss.
    #[serde(default)]
    target_tokens: u64,
}

/// The examples that did not fit.
#[derive(Debug, Deserialize)]
struct DroppedExamples {
    dropped_too_long: u64,
}

/// The steps so far.
pub(super) struct Steps<'a> {
    lines: Vec<StepLine>,
    /// The steps of an earlier try, until the first step of this try is known.
    earlier: Vec<StepLine>,
    dropped_too_long: u64,
    file: fs::File,
    path: std::path::PathBuf,
    progress: &'a mut dyn FnMut(TrainingProgress) -> ControlFlow<()>,
}

impl<'a> Steps<'a> {
    /// Continues with the steps of an earlier try, if there was one.
    pub fn resume(directory: &Path, progress: &'a mut dyn FnMut(TrainingProgress) -> ControlFlow<()>) -> Result<Self> {
        let path = directory.join(FILE);
        // A crash may have cut the last line off.
        let text = if path.exists() { regular::read_to_string(&path)? } else { String::new() };
        let earlier: Vec<StepLine> = text.lines().map_while(|line| serde_json::from_str(line).ok()).collect();
        let mut whole = Vec::new();
        for line in &earlier {
            write_line(&mut whole, line)?;
        }
        atomic::write(&path, &whole)?;
        let file = atomic::open_to_append(&path)?;
        Ok(Steps { lines: Vec::new(), earlier, dropped_too_long: 0, file, path, progress })
    }

    /// Reads a line of the program's output, which may be progress.
    pub fn read_line(&mut self, line: &[u8]) -> Result<()> {
        if let Ok(step) = serde_json::from_slice::<StepLine>(line) {
            return self.step(step);
        }
        if let Ok(DroppedExamples { dropped_too_long }) = serde_json::from_slice(line) {
            self.dropped_too_long = dropped_too_long;
        }
        Ok(())
    }

    fn step(&mut self, line: StepLine) -> Result<()> {
        for (key, found, most) in
            [("step", line.step, MOST_STEPS), ("tokens", line.tokens, MOST_COUNT), ("target_tokens", line.target_tokens, MOST_COUNT)]
        {
            if found > most {
                return Err(Error::ProgressTooLarge { key, found, most });
            }
        }
        if self.lines.is_empty() {
            // The steps before the first one of this try come from the earlier try.
            self.take_earlier(line.step)?;
            let mut kept = Vec::new();
            for line in &self.lines {
                write_line(&mut kept, line)?;
            }
            atomic::write(&self.path, &kept)?;
            self.file = atomic::open_to_append(&self.path)?;
        }
        let last = self.lines.last().map_or(0, |line| line.step);
        if line.step <= last {
            return Err(Error::StepOrder { step: line.step, last });
        }
        write_line(&mut self.file, &line)?;
        self.push(line)
    }

    fn take_earlier(&mut self, before: u64) -> Result<()> {
        std::mem::take(&mut self.earlier).into_iter().take_while(|line| line.step < before).try_for_each(|line| self.push(line))
    }

    fn push(&mut self, line: StepLine) -> Result<()> {
        let last = self.lines.last().map_or(0, |line| line.step);
        // A line reports all steps since the line before. A program can print any number, and so many steps take no time to train.
        let first = (last + 1).max(line.step.saturating_sub(MOST_STEPS_OF_A_LINE));
        for step in first..=line.step {
            (self.progress)(TrainingProgress { step, tokens: line.tokens, loss: line.loss }).or_cancelled()?;
        }
        self.lines.push(line);
        Ok(())
    }

    /// The figures of the whole fine-tuning; nothing if no step was reported.
    pub fn metrics(mut self) -> Result<Option<TrainingMetrics>> {
        if self.lines.is_empty() {
            // The program continued from a finished state.
            self.take_earlier(u64::MAX)?;
        }
        let Some(&last) = self.lines.last() else { return Ok(None) };
        let late = last.step - last.step.div_ceil(10);
        let (mut loss, mut weight, mut before) = (0.0, 0.0, StepLine { step: 0, loss: 0.0, tokens: 0, target_tokens: 0 });
        for line in &self.lines {
            if line.step > late {
                // Weighted by target tokens if the program reports them, as the embedded trainer does.
                let targets = line.target_tokens.saturating_sub(before.target_tokens);
                let share = if last.target_tokens > 0 { targets } else { line.step - before.step } as f64;
                loss += line.loss * share;
                weight += share;
            }
            before = *line;
        }
        let final_loss = if weight > 0.0 { loss / weight } else { last.loss };
        let StepLine { step: steps, tokens, target_tokens, .. } = last;
        Ok(Some(TrainingMetrics { steps, tokens, target_tokens, final_loss, dropped_too_long: self.dropped_too_long }))
    }
}

fn write_line(to: &mut impl Write, line: &StepLine) -> Result<()> {
    let mut bytes = serde_json::to_vec(line).expect("finite numbers are always JSON");
    bytes.push(b'\n');
    Ok(to.write_all(&bytes)?)
}
