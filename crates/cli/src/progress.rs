//! Progress bars and one line per iteration, drawn from events.

use crate::console::say;
use crate::untrusted::line;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use starloop_core::event::{Event, Observer, Stage};
use starloop_core::metrics::{Accuracy, AttemptCounts, BestOf, IterationMetrics, MeanOf, SelectionCounts, Verification};
use starloop_record::format::{count, duration, interval_to, percent};
use std::ops::ControlFlow;
use std::time::Instant;

/// Shows events on standard error: a bar per stage with rate and estimate on a terminal, and a line per finished iteration everywhere.
#[derive(Debug)]
pub struct Console {
    bar: ProgressBar,
    stage_began: Instant,
    quiet: bool,
}

impl Console {
    /// A quiet console shows warnings only.
    pub fn new(quiet: bool) -> Self {
        Console { bar: ProgressBar::hidden(), stage_began: Instant::now(), quiet }
    }

    fn begin(&mut self, label: &str, unit: &str, total: u64) {
        self.stage_began = Instant::now();
        if self.quiet {
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
        // Before the first problem is finished there is nothing to go by.
        let left = if done == 0 { String::new() } else { format!("  {} left", duration(self.bar.eta().as_secs_f64())) };
        self.bar.set_message(format!("{} tokens/s{loss}{left}", count(rate)));
    }

    fn line(&self, text: &str) {
        if !self.quiet {
            self.bar.suspend(|| say(text));
        }
    }
}

impl Observer for Console {
    fn observe(&mut self, event: &Event) -> ControlFlow<()> {
        match event {
            Event::RunStarted { run, resumed } => self.line(&format!("{} {run}", if *resumed { "resuming" } else { "running" })),
            Event::StageStarted { method, iteration, stage, total } => {
                let unit = if matches!(stage, Stage::FineTuning | Stage::Pretraining) { "steps" } else { "problems" };
                self.begin(&format!("{method} {iteration} {}", stage_name(*stage)), unit, *total);
            }
            Event::StageProgress { done, tokens, loss } => self.advance(*done, *tokens, *loss),
            Event::StageFinished { .. } => self.bar.finish_and_clear(),
            Event::IterationFinished { method, metrics } => self.line(&iteration_line(method, metrics)),
            Event::MethodFinished { method, metrics } => self.line(&final_line(method, metrics)),
            Event::Verified { method, verification } => self.line(&verified_line(method, verification)),
            Event::Warning { message } => self.bar.suspend(|| say(&format!("warning: {message}"))),
            Event::RunFinished { seconds } => self.line(&format!("finished in {}", duration(*seconds))),
        }
        ControlFlow::Continue(())
    }
}

/// A stage in words.
pub fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Sampling => "sampling",
        Stage::Rationalizing => "rationalizing",
        Stage::FineTuning => "fine-tuning",
        Stage::Evaluating => "evaluating",
        Stage::FinalEvaluation => "final figure",
        Stage::Proposing => "proposing",
        Stage::Verifying => "verifying",
        Stage::Pretraining => "pretraining",
    }
}

/// `star 2: sampled 2000, kept 1893 + 84 rationalized, dropped 23; loss 0.012; accuracy 99.1% (98.2-99.6): 1 digit 100 ...`
fn iteration_line(method: &str, m: &IterationMetrics) -> String {
    let mut parts = Vec::new();
    if m.problems > 0 {
        let (kept, rationalized) = (m.selection.kept_unhinted, m.selection.kept_hinted);
        let failed = m.problems.saturating_sub(kept + rationalized);
        parts.push(format!(
            "{} problems, kept {kept}{} + {rationalized} rationalized, {failed} dropped",
            m.problems,
            faithful(&m.unhinted)
        ));
    }
    let SelectionCounts { pairs, groups_all_right, groups_all_wrong, .. } = m.selection;
    if pairs > 0 {
        parts.push(format!("{pairs} pairs"));
    }
    if groups_all_right + groups_all_wrong > 0 {
        parts.push(format!("groups that teach nothing: {groups_all_right} all right, {groups_all_wrong} all wrong"));
    }
    if let Some(training) = &m.training {
        parts.push(format!("{} steps to loss {:.4}", training.steps, training.final_loss));
    }
    parts.push(accuracy(m));
    format!("{method} {}: {}", m.iteration, parts.join("; "))
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
        let told: Option<Vec<_>> = v.best_of.iter().map(one).collect();
        format!("{name} {}", told.map_or_else(|| "not told".to_owned(), |told| told.join(" ")))
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
    let classes: Vec<String> = m.by_class.iter().map(|c| format!("{} {}", c.class, of(&c.accuracy, 0))).collect();
    format!("accuracy {}: {}", of(&m.accuracy, 1), classes.join(", "))
}

fn faithful(counts: &AttemptCounts) -> String {
    counts.faithful.map_or_else(String::new, |faithful| format!(" ({faithful} faithful)"))
}
