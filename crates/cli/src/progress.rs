//! Progress from events: bars on a terminal, plain lines or JSON lines elsewhere, and a line for each finished iteration.

mod plain;

use crate::console::{say, say_json};
use crate::untrusted::line;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use plain::PlainProgress;
use starloop_core::event::{Event, Observer, Stage};
use starloop_core::metrics::{Accuracy, AttemptCounts, BestOf, IterationMetrics, MeanOf, SelectionCounts, Verification};
use starloop_record::format::{count, duration, interval_to, percent, plural};
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::time::Instant;

/// How progress is written to standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// Only warnings and errors.
    pub quiet: bool,
    /// The form of the lines.
    pub format: LogFormat,
}

impl Log {
    /// Returns true if remarks for people are written too.
    pub fn has_remarks(self) -> bool {
        !self.quiet && self.format == LogFormat::Text
    }
}

/// The form of progress lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Bars on a terminal, lines elsewhere.
    #[default]
    Text,
    /// One JSON object on a line.
    Json,
}

/// Shows events on standard error.
#[derive(Debug)]
pub struct Console {
    bar: ProgressBar,
    plain: PlainProgress,
    began: Instant,
    stage_began: Instant,
    log: Log,
    is_terminal: bool,
}

impl Console {
    /// A console that has shown nothing yet.
    pub fn new(log: Log) -> Self {
        let (began, is_terminal) = (Instant::now(), std::io::stderr().is_terminal());
        Console { bar: ProgressBar::hidden(), plain: PlainProgress::default(), began, stage_began: began, log, is_terminal }
    }

    fn begin(&mut self, label: &str, unit: &str, total: u64) {
        self.stage_began = Instant::now();
        if self.log.quiet || self.log.format == LogFormat::Json || !self.is_terminal {
            return;
        }
        let template = format!("{{prefix:32}} {{bar:24}} {{pos:>6}}/{{len}} {unit}  {{msg}}");
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ");
        self.bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr()).with_style(style).with_prefix(line(label));
    }

    fn advance(&self, done: u64, tokens: u64, loss: Option<f64>) {
        let rate = tokens as f64 / self.stage_began.elapsed().as_secs_f64().max(1e-3);
        let loss = loss.map_or_else(String::new, |loss| format!("  loss {loss:.4}"));
        self.bar.set_position(done);
        // The time left is not known before the first problem is finished.
        let left = if done == 0 { String::new() } else { format!("  {} left", duration(self.bar.eta().as_secs_f64())) };
        self.bar.set_message(format!("{} tokens/s{loss}{left}", count(rate)));
    }

    fn line(&self, event: &Event, text: &str) {
        match self.log {
            Log { quiet: true, .. } => {}
            Log { format: LogFormat::Text, .. } => self.bar.suspend(|| say(text)),
            Log { format: LogFormat::Json, .. } => say_json(event),
        }
    }

    /// Writes a line about the stage, where no bar shows it.
    fn stage_line(&mut self, event: &Event) {
        let line = self.plain.line(event, self.began.elapsed().as_secs_f64());
        match (line, self.log) {
            (None, _) | (_, Log { quiet: true, .. }) => {}
            (Some(line), Log { format: LogFormat::Json, .. }) => say_json(&line),
            (Some(line), _) if !self.is_terminal => say(&line.to_string()),
            (Some(_), _) => {}
        }
    }
}

impl Observer for Console {
    fn observe(&mut self, event: &Event) -> ControlFlow<()> {
        self.stage_line(event);
        match event {
            Event::RunStarted { run, resumed } => self.line(event, &format!("{} {run}", if *resumed { "resuming" } else { "running" })),
            Event::StageStarted { method, iteration, stage, total } => {
                self.begin(&format!("{method} {iteration} {}", stage_name(*stage)), unit(*stage), *total);
            }
            Event::StageProgress { done, tokens, loss } => self.advance(*done, *tokens, *loss),
            Event::IterationFinished { method, metrics } => self.line(event, &iteration_line(method, metrics)),
            Event::MethodFinished { method, metrics } => self.line(event, &final_line(method, metrics)),
            Event::Verified { method, verification } => self.line(event, &verified_line(method, verification)),
            Event::Warning { .. } if self.log.format == LogFormat::Json => say_json(event),
            Event::Warning { message } => self.bar.suspend(|| say(&format!("warning: {message}"))),
            // The program ends with the error, in words.
            Event::RunFailed { .. } if self.log.format == LogFormat::Json => self.line(event, ""),
            Event::StageFinished { .. } | Event::RunFailed { .. } => self.bar.finish_and_clear(),
            Event::RunFinished { seconds } => self.line(event, &format!("finished in {}", duration(*seconds))),
        }
        ControlFlow::Continue(())
    }
}

/// The unit in which a stage counts.
fn unit(stage: Stage) -> &'static str {
    if matches!(stage, Stage::FineTuning | Stage::Pretraining) { "steps" } else { "problems" }
}

/// A stage in words.
pub fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Sampling => "sampling",
        Stage::Rationalizing => "rationalizing",
        Stage::CheckingHints => "checking hints",
        Stage::FineTuning => "fine-tuning",
        Stage::Evaluating => "evaluating",
        Stage::FinalEvaluation => "final evaluation",
        Stage::Proposing => "proposing",
        Stage::Verifying => "verifying",
        Stage::Pretraining => "pretraining",
    }
}

/// `star 2: 2000 problems, learned from 1893 + 84 with hint, 23 not learned from; 80 steps to loss 0.012; accuracy 99.1% (98.2-99.6): ...`
fn iteration_line(method: &str, m: &IterationMetrics) -> String {
    let mut parts = Vec::new();
    if m.problems > 0 {
        parts.push(format!("{} problems{}", m.problems, learned(m)));
    }
    let SelectionCounts { pairs, groups_all_right, groups_all_wrong, .. } = m.selection;
    if pairs > 0 {
        parts.push(format!("{pairs} pairs"));
    }
    if groups_all_right + groups_all_wrong > 0 {
        parts.push(format!("groups without signal: {groups_all_right} all right, {groups_all_wrong} all wrong"));
    }
    if let Some(training) = &m.training {
        parts.push(format!("{} steps to loss {:.4}", training.steps, training.final_loss));
    }
    parts.push(accuracy(m));
    parts.extend(without_verdict(m));
    format!("{method} {}: {}", m.iteration, parts.join("; "))
}

/// `the verifier failed on 12 of 540 completions`, if it failed on any.
fn without_verdict(m: &IterationMetrics) -> Option<String> {
    let failed = m.failed_verdicts();
    (failed > 0).then(|| format!("the verifier failed on {failed} of {} completions", m.verdicts()))
}

/// `, learned from 1893 + 84 with hint, 23 not learned from, 5 right answers dropped`, in problems and in right answers (`inspect --dropped`). If
/// the method accumulates, problems and examples of earlier iterations count too: `, 149 new examples, 1149 in all`.
fn learned(m: &IterationMetrics) -> String {
    let SelectionCounts { kept_unhinted, kept_hinted, problems, problems_unhinted, problems_hinted, pairs, .. } = m.selection;
    if problems == 0 || (kept_unhinted + kept_hinted == 0 && pairs > 0) {
        return String::new();
    }
    let examples = kept_unhinted + kept_hinted;
    let of_problems = problems_unhinted + problems_hinted;
    let counted = match m.selection.kept_earlier {
        0 if examples == of_problems => String::new(),
        0 => format!(", {examples} examples"),
        earlier => format!(", {} new examples, {examples} in all", examples.saturating_sub(earlier)),
    };
    let dropped = match (m.selection.kept_earlier, m.selection.dropped()) {
        (0, dropped @ 1..) => format!(", {} dropped", plural(dropped, "right answer")),
        _ => String::new(),
    };
    format!(
        ", learned from {problems_unhinted}{} + {problems_hinted} with hint{counted}, {} not learned from{dropped}",
        faithful(&m.unhinted),
        problems.saturating_sub(of_problems)
    )
}

/// `star: the best is iteration 3; on test, accuracy 71.8% (69.2-74.2): ...`
fn final_line(method: &str, m: &IterationMetrics) -> String {
    let best = if m.iteration > 0 { format!("the best is iteration {}; ", m.iteration) } else { String::new() };
    format!("{method}: {best}on {}, {}", m.split.name(), accuracy(m))
}

/// `v_star: a verifier of 512 pairs on 300 dev problems, %: verifier @1 40.1 @4 55.0; likelihood ...; majority ...; pass @1 40.1 @4 61.2`
fn verified_line(method: &str, v: &Verification) -> String {
    let all = |name: &str, of: &dyn Fn(&BestOf) -> Option<MeanOf>| {
        let one = |best: &BestOf| Some(format!("@{} {}", best.k, percent(of(best)?.mean)));
        let measured: Option<Vec<_>> = v.best_of.iter().map(one).collect();
        format!("{name} {}", measured.map_or_else(|| "not measured".to_owned(), |measured| measured.join(" ")))
    };
    let figures = [
        all("verifier", &|best| Some(best.verifier)),
        all("likelihood", &|best| best.likelihood),
        all("majority", &|best| best.majority),
        all("pass", &|best| Some(best.pass)),
    ];
    format!("{method}: a verifier of {} pairs on {} {} problems, %: {}", v.pairs, v.problems, v.split.name(), figures.join("; "))
}

fn accuracy(m: &IterationMetrics) -> String {
    let of = |a: &Accuracy, decimals| interval_to(a.mean, [a.low, a.high], decimals);
    let measured = m.by_class.iter().filter(|class| class.accuracy.total > 0);
    let classes: Vec<String> = measured.map(|c| format!("{} {}", c.class, of(&c.accuracy, 0))).collect();
    format!("accuracy {}: {}", of(&m.accuracy, 1), classes.join(", "))
}

fn faithful(counts: &AttemptCounts) -> String {
    counts.faithful.map_or_else(String::new, |faithful| format!(" ({faithful} faithful)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_means_one_thing() {
        let counts = |selection: SelectionCounts| learned(&IterationMetrics { selection, ..iteration() });
        let alone = SelectionCounts {
            kept_unhinted: 1,
            kept_hinted: 10,
            problems: 48,
            problems_unhinted: 1,
            problems_hinted: 10,
            ..Default::default()
        };
        assert_eq!(counts(alone), ", learned from 1 + 10 with hint, 37 not learned from");
        let dropped = SelectionCounts { dropped_leaked_hint: 2, dropped_duplicate: 1, ..alone };
        assert_eq!(counts(dropped), ", learned from 1 + 10 with hint, 37 not learned from, 3 right answers dropped");
        let accumulated = SelectionCounts { kept_unhinted: 1149, kept_hinted: 0, kept_earlier: 1000, ..alone };
        assert_eq!(counts(accumulated), ", learned from 1 + 10 with hint, 149 new examples, 1149 in all, 37 not learned from");
    }

    fn iteration() -> IterationMetrics {
        IterationMetrics {
            iteration: 2,
            checkpoint: String::new(),
            problems: 48,
            unhinted: AttemptCounts::default(),
            hinted: AttemptCounts::default(),
            selection: SelectionCounts::default(),
            balance: None,
            training: None,
            split: starloop_record::types::Split::Test,
            accuracy: Accuracy::new(1, 2),
            by_class: Vec::new(),
            evaluation_tokens: 0,
            evaluation_failed: 0,
        }
    }
}
