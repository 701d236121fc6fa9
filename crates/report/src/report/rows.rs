//! The rows of a report: an iteration or a method in plain numbers, for JSON, tables and the page.

use super::{IterationReport, MethodReport, RunReport};
use crate::paired::PairedDifference;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use starloop_record::Approach;
use starloop_record::info::PaperFigure;
use starloop_record::metrics::{Accuracy, IterationMetrics, SelectionCounts};
use starloop_record::types::Split;

/// One iteration of one method, as the JSON form shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResultRow {
    /// The run's name.
    pub run: String,
    /// The method's name in the config.
    pub method: String,
    /// The words that tables show for the method.
    pub label: String,
    /// The approach of the method, in the terms of the paper's comparison.
    pub approach: Approach,
    /// The outer iteration, 0 for the base.
    pub iteration: u32,
    /// The split that accuracy was measured on.
    pub split: Split,
    /// Share of right answers, 0..=1; `null` if the iteration was not evaluated.
    pub accuracy: Option<f64>,
    /// The 95% Wilson interval of `accuracy`.
    pub interval: Option<[f64; 2]>,
    /// Share of right answers class by class, in the order of display.
    pub by_class: ByClass<f64>,
    /// The 95% Wilson intervals of `by_class`.
    pub interval_by_class: ByClass<[f64; 2]>,
    /// Problems that accuracy was measured on.
    pub evaluated: u64,
    /// Training problems attempted.
    pub problems: u64,
    /// Tokens generated for training, with and without the hint.
    pub sampled_tokens: u64,
    /// Tokens that went through the model in fine-tuning.
    pub trained_tokens: u64,
    /// Tokens generated while evaluating.
    pub evaluation_tokens: u64,
    /// Evaluated problems without a verdict, because the user's verifier program failed. They count as not right.
    pub evaluated_without_verdict: u64,
    /// Attempts, with and without the hint, without a verdict for the same reason.
    pub attempts_without_verdict: u64,
    /// Wall-clock seconds of all stages; `null` if they are not known.
    pub seconds: Option<f64>,
    /// Share of the right answers without the hint whose rationale equals the reference; `null` if there is no reference or no right answer.
    pub faithful_unhinted: Option<f64>,
    /// The same for right answers with the hint.
    pub faithful_hinted: Option<f64>,
    /// Examples kept for training.
    pub kept: u64,
    /// Examples that were found without the hint.
    pub kept_unhinted: u64,
    /// Examples that were found with the hint.
    pub kept_hinted: u64,
    /// Problems that are learned from; `null` if it is not known.
    pub train_used: Option<TrainUse>,
    /// Right answers that selection dropped.
    pub dropped: u64,
    /// Optimizer steps of fine-tuning; `null` if there was none.
    pub steps: Option<u64>,
    /// Mean loss per target token at the end of fine-tuning (natural logarithm); `null` if there was none.
    pub loss: Option<f64>,
    /// The SHA-256 of the weights that were evaluated.
    pub checkpoint: String,
}

/// How much of the training problems is learned from, as shares in 0..=1 of those attempted (the paper's "% of train used").
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TrainUse {
    /// All problems that are learned from.
    pub share: f64,
    /// Problems with a rationale that was found without the hint.
    pub generated: f64,
    /// Problems with a rationalization only.
    pub rationalized: f64,
}

/// A whole method: its final accuracy, or that of its last evaluation, and the cost of all its iterations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MethodSummary {
    /// The run's name.
    pub run: String,
    /// The method's name in the config.
    pub method: String,
    /// The words that tables show for the method.
    pub label: String,
    /// The approach of the method, in the terms of the paper's comparison.
    pub approach: Approach,
    /// The iteration of the accuracy: the best one if there is a final split, else the last one that was evaluated.
    pub iteration: u32,
    /// The split that accuracy was measured on.
    pub split: Split,
    /// Share of right answers after it, 0..=1; `null` if only the base was evaluated.
    pub accuracy: Option<f64>,
    /// The 95% Wilson interval of `accuracy`.
    pub interval: Option<[f64; 2]>,
    /// Share of right answers class by class.
    pub by_class: ByClass<f64>,
    /// Problems that iteration learned from; `null` if nothing was learned.
    pub train_used: Option<TrainUse>,
    /// Training problems attempted, over all iterations.
    pub problems: u64,
    /// Problems of the run that were left out because their prompts are too long for the model.
    pub problems_left_out: u64,
    /// Tokens generated for training, over all iterations.
    pub sampled_tokens: u64,
    /// Tokens trained on, over all iterations.
    pub trained_tokens: u64,
    /// Attempts and evaluated problems without a verdict, because the user's verifier program failed, over all iterations.
    pub without_verdict: u64,
    /// Wall-clock seconds over all iterations whose time is known; `null` if no time is known.
    pub seconds: Option<f64>,
    /// The difference from the untrained model on the same problems; `null` if either was not measured on them.
    pub from_base: Option<PairedDifference>,
    /// The difference from the method of the headline; `null` for that method itself.
    pub from_main: Option<PairedDifference>,
    /// The paper's figure for the same task and approach, in percent.
    pub paper: Option<PaperFigure>,
}

/// A value per class, in the order of display: a JSON object that keeps this order.
#[derive(Debug, Clone, PartialEq)]
pub struct ByClass<T>(pub Vec<(String, T)>);

impl<T: Serialize> Serialize for ByClass<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (class, value) in &self.0 {
            map.serialize_entry(class, value)?;
        }
        map.end()
    }
}

pub(super) fn row(run: &RunReport, method: &MethodReport, iteration: &IterationReport) -> ResultRow {
    let metrics = &iteration.metrics;
    let selection = &metrics.selection;
    ResultRow {
        run: run.name.clone(),
        method: method.info.name.clone(),
        label: method.info.label.clone(),
        approach: method.info.approach,
        iteration: metrics.iteration,
        split: metrics.split,
        accuracy: measured(&metrics.accuracy).map(|accuracy| accuracy.mean),
        interval: measured(&metrics.accuracy).map(|accuracy| [accuracy.low, accuracy.high]),
        by_class: by_class(metrics, |accuracy| accuracy.mean),
        interval_by_class: by_class(metrics, |accuracy| [accuracy.low, accuracy.high]),
        evaluated: metrics.accuracy.total,
        problems: metrics.problems,
        sampled_tokens: sampled_tokens(metrics),
        trained_tokens: trained_tokens(metrics),
        evaluation_tokens: metrics.evaluation_tokens,
        evaluated_without_verdict: metrics.evaluation_failed,
        attempts_without_verdict: metrics.unhinted.failed + metrics.hinted.failed,
        seconds: iteration.seconds,
        faithful_unhinted: share(metrics.unhinted.faithful, metrics.unhinted.correct),
        faithful_hinted: share(metrics.hinted.faithful, metrics.hinted.correct),
        kept: selection.kept_unhinted + selection.kept_hinted,
        kept_unhinted: selection.kept_unhinted,
        kept_hinted: selection.kept_hinted,
        train_used: train_used(method.info.approach, metrics),
        dropped: selection.dropped(),
        steps: metrics.training.map(|training| training.steps),
        loss: metrics.training.map(|training| training.final_loss),
        checkpoint: metrics.checkpoint.clone(),
    }
}

pub(super) fn summary(run: &RunReport, method: &MethodReport) -> MethodSummary {
    let (shown, accuracy) = (method.shown(), method.final_accuracy());
    MethodSummary {
        run: run.name.clone(),
        method: method.info.name.clone(),
        label: method.info.label.clone(),
        approach: method.info.approach,
        iteration: shown.iteration,
        split: shown.split,
        accuracy: accuracy.map(|accuracy| accuracy.mean),
        interval: accuracy.map(|accuracy| [accuracy.low, accuracy.high]),
        by_class: accuracy.map_or(ByClass(Vec::new()), |_| by_class(shown, |accuracy| accuracy.mean)),
        train_used: train_used(method.info.approach, shown),
        problems: method.total(|metrics| metrics.problems),
        problems_left_out: run.info.task.too_long,
        sampled_tokens: method.total(sampled_tokens),
        trained_tokens: method.total(trained_tokens),
        without_verdict: method.failed_verdicts(),
        seconds: method.seconds(),
        from_base: method.from_base,
        from_main: method.from_main,
        paper: run.paper_figure(&method.info).cloned(),
    }
}

/// Distinct problems that are learned from, as a share of those attempted. A method that learns known answers learns from every problem.
pub(super) fn train_used(approach: Approach, metrics: &IterationMetrics) -> Option<TrainUse> {
    let SelectionCounts { problems, problems_unhinted, problems_hinted, .. } = metrics.selection;
    if approach.learns_what_is_known() && metrics.training.is_some() {
        return Some(TrainUse { share: 1.0, generated: 0.0, rationalized: 0.0 });
    }
    let share = |count| share(Some(count), problems);
    Some(TrainUse {
        share: share(problems_unhinted + problems_hinted)?,
        generated: share(problems_unhinted)?,
        rationalized: share(problems_hinted)?,
    })
}

/// The accuracy, if any problem was measured.
pub(super) fn measured(accuracy: &Accuracy) -> Option<&Accuracy> {
    (accuracy.total > 0).then_some(accuracy)
}

pub(super) fn by_class<T>(metrics: &IterationMetrics, value: impl Fn(&Accuracy) -> T) -> ByClass<T> {
    let measured = metrics.by_class.iter().filter(|entry| entry.accuracy.total > 0);
    ByClass(measured.map(|entry| (entry.class.clone(), value(&entry.accuracy))).collect())
}

pub(super) fn sampled_tokens(metrics: &IterationMetrics) -> u64 {
    let probes = metrics.balance.as_ref().map_or(0, |balance| balance.probes.tokens);
    metrics.unhinted.tokens + metrics.hinted.tokens + probes
}

pub(super) fn trained_tokens(metrics: &IterationMetrics) -> u64 {
    metrics.training.map_or(0, |training| training.tokens)
}

/// `part / whole`; `None` if the whole is 0.
pub(super) fn share(part: Option<u64>, whole: u64) -> Option<f64> {
    part.filter(|_| whole > 0).map(|part| part as f64 / whole as f64)
}
