//! The figures of a measurement, as lines and as JSON.

use super::Right;
use serde::Serialize;
use starloop_core::evaluation::likelihood::ByLikelihood;
use starloop_core::evaluation::self_consistency::SelfConsistency;
use starloop_core::experiment::Experiment;
use starloop_core::metrics::{Accuracy, ClassAccuracy, IterationMetrics};
use starloop_core::types::Split;
use starloop_record::format::interval;
use starloop_report::paired::PairedDifference;

/// One model's measurement.
#[derive(Debug, Serialize)]
pub struct MeasuredModel {
    /// The model, as the user names it.
    pub model: String,
    /// The kind of the task.
    task: String,
    /// Worked examples in the prompt.
    few_shot: usize,
    /// True if the checkpoint's chat template rendered the prompts.
    chat: bool,
    #[serde(flatten)]
    pub figures: Figures,
    #[serde(skip)]
    right: Right,
}

/// The figures of one way of measuring.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Figures {
    /// One greedy answer to each problem.
    Greedy(Greedy),
    /// The most likely choice.
    ByLikelihood(ByLikelihood),
    /// Several samples of each problem.
    Samples(SelfConsistency),
}

/// The figures of one greedy answer to each problem.
#[derive(Debug, Serialize)]
pub struct Greedy {
    /// The SHA-256 of the weights.
    checkpoint: String,
    /// The problems.
    split: Split,
    /// The most tokens of an answer.
    max_new_tokens: usize,
    /// Over all problems.
    accuracy: Accuracy,
    /// Class by class, without classes that have no problem.
    by_class: Vec<ClassAccuracy>,
    /// Tokens generated.
    tokens: u64,
    /// Answers without a verdict, because the user's verifier program failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    without_verdict: Option<u64>,
}

/// A model beside the first one, on the problems that both answered.
#[derive(Debug, Serialize)]
pub struct PairedModel {
    /// The first model.
    before: String,
    /// The other model.
    after: String,
    #[serde(flatten)]
    difference: PairedDifference,
}

impl MeasuredModel {
    pub fn new(model: String, experiment: &Experiment, figures: Figures, right: Right) -> Self {
        let config = experiment.config();
        // Likelihoods are those of the plain text.
        let chat = config.model.chat && !matches!(figures, Figures::ByLikelihood(_));
        MeasuredModel { model, task: experiment.task_kind().to_owned(), few_shot: config.sampling.few_shot, chat, figures, right }
    }
}

impl Figures {
    pub fn greedy(metrics: IterationMetrics, max_new_tokens: usize) -> Self {
        let IterationMetrics { checkpoint, split, accuracy, mut by_class, evaluation_tokens: tokens, evaluation_failed, .. } = metrics;
        by_class.retain(|class| class.accuracy.total > 0);
        let without_verdict = (evaluation_failed > 0).then_some(evaluation_failed);
        Figures::Greedy(Greedy { checkpoint, split, max_new_tokens, accuracy, by_class, tokens, without_verdict })
    }

    /// The figures for people.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Figures::Greedy(Greedy { accuracy, by_class, without_verdict, .. }) => {
                // A single class has the figure of all problems.
                let classes = by_class.iter().filter(|_| by_class.len() > 1);
                let mut lines: Vec<String> = classes.map(|class| line(&class.class, &class.accuracy)).collect();
                lines.push(line("all", accuracy));
                lines.extend(without_verdict.map(|failed| format!("{:<12} {failed:>20}  of {}", "no verdict", accuracy.total)));
                lines
            }
            Figures::ByLikelihood(figures) => vec![line("likelihood", &figures.accuracy), line("per byte", &figures.accuracy_per_byte)],
            Figures::Samples(figures) => {
                let of = |at: &starloop_core::evaluation::self_consistency::AtK| {
                    let pass = format!("{:<12} {:>20}", format!("pass@{}", at.k), interval(at.pass, at.pass_interval));
                    [line(&format!("majority@{}", at.k), &at.majority), pass]
                };
                figures.at.iter().flat_map(of).collect()
            }
        }
    }
}

impl PairedModel {
    /// Each model but the first, compared with the first.
    pub fn with_the_first(measured: &[MeasuredModel]) -> Vec<PairedModel> {
        let Some((first, others)) = measured.split_first() else { return Vec::new() };
        let pair = |other: &MeasuredModel| {
            let difference = PairedDifference::between(&first.right, &other.right)?;
            Some(PairedModel { before: first.model.clone(), after: other.model.clone(), difference })
        };
        others.iter().filter_map(pair).collect()
    }

    /// `runs/a -> runs/b: +11.0 points, 24 problems gained, 2 lost, McNemar p < 0.0001`
    pub fn line(&self) -> String {
        format!("{} -> {}: {}, {}", self.before, self.after, self.difference.points(), self.difference.test())
    }
}

fn line(name: &str, a: &Accuracy) -> String {
    format!("{name:<12} {:>20}  {} of {}", interval(a.mean, [a.low, a.high]), a.correct, a.total)
}
