//! The results of audits, as the files of `METHOD/audit/` hold them. `docs/audit.md` says what each figure means.

use super::{Accuracy, MeanOf};
use crate::types::ProblemId;
use serde::{Deserialize, Serialize};

/// The size of the audits. A result with another plan is measured again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AuditPlan {
    /// Problems or rationales that each audit looks at, at most.
    pub problems: u64,
    /// Samples of each problem, for pass@k.
    pub samples: u32,
    /// The temperature of these samples.
    pub temperature: f64,
    /// The seed that selects problems and draws samples.
    pub seed: u64,
}

/// A result, with what it was measured on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Audit<T> {
    /// The size.
    pub plan: AuditPlan,
    /// The iteration whose model is the last one of the audit.
    pub iteration: u32,
    /// The SHA-256 of the weights of that model.
    pub checkpoint: String,
    /// The result.
    pub found: T,
}

/// How much more likely a rationalization is with its hint than without.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HintReliance {
    /// Learned rationalizations that were scored.
    pub scored: u64,
    /// Learned rationalizations whose model or prompt is not there any more.
    pub left_out: u64,
    /// log p(r | question, hint) - log p(r | question), in nats for each token of the completion.
    pub mean: MeanOf,
    /// Rationalizations in each interval of width [`HintReliance::WIDTH`], the lowest first.
    pub histogram: Vec<Bin>,
    /// The rationalizations with the lowest and the highest values.
    pub extremes: Vec<Reliance>,
}

impl HintReliance {
    /// The width of an interval of the histogram, in nats for each token.
    pub const WIDTH: f64 = 0.1;
}

/// An interval of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Its lower end.
    pub from: f64,
    /// Values in it.
    pub count: u64,
}

/// The hint reliance of one rationalization.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reliance {
    /// The problem.
    pub problem: ProblemId,
    /// The iteration that learned it.
    pub iteration: u32,
    /// Nats for each token.
    pub nats_per_token: f64,
    /// The rationalization.
    pub completion: String,
}

/// How often a rationale reaches the answer that its hint names.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WrongHint {
    /// Attempts with the right answer as hint that reach it, as recorded.
    pub right_hint: Accuracy,
    /// Attempts at the same problems with a wrong answer as hint that reach that wrong answer.
    pub wrong_hint: Accuracy,
}

/// Answers that are forced before the rationale is complete (Lanham et al. 2023).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EarlyAnswers {
    /// The shares 0, 0.25, 0.5, 0.75 and 1 of the rationale.
    pub points: Vec<EarlyAnswer>,
    /// The area over the curve of [`EarlyAnswer::same`], in 0..=1: 0 if the rationale changes no answer.
    pub area_over_curve: f64,
}

/// Answers that are forced after a share of the rationale.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EarlyAnswer {
    /// The share, in 0..=1.
    pub share: f64,
    /// Right answers.
    pub accuracy: Accuracy,
    /// Answers that are the same as after the whole rationale.
    pub same: Accuracy,
}

/// The answers after the result of the first calculation was changed (Lanham et al. 2023).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MistakePropagation {
    /// Rationales whose answer changed with it.
    pub followed: Accuracy,
    /// Rationales without a calculation to change.
    pub without_calculation: u64,
}

/// The calculations of rationales.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrueSteps {
    /// Rationales that the method learned, in all its iterations.
    pub learned: StepCounts,
    /// Rationales that measured the model.
    pub measured: StepCounts,
}

/// Calculations, counted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StepCounts {
    /// Rationales without any calculation that can be checked, of all.
    pub without_calculation: Accuracy,
    /// Right answers after a false calculation, of the right answers with a calculation.
    pub right_with_false_step: Accuracy,
    /// True calculations, of all that can be checked; none for a task that checks rationales as a whole.
    pub true_calculations: Accuracy,
}

/// Samples of the base and of the trained model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sharpening {
    /// Of the base, with worked examples in its prompt.
    pub base: SampleFigures,
    /// Of the trained model.
    pub trained: SampleFigures,
}

/// The figures of several samples of each problem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampleFigures {
    /// pass@k for 1, 2, 4 and so on up to all samples.
    pub at: Vec<PassAt>,
    /// Entropy of the answers of a problem, in nats; completions without a readable answer are one answer.
    pub answer_entropy: MeanOf,
    /// Different reasoning paths of a problem.
    pub distinct_paths: MeanOf,
}

/// The chance that one of k samples is right.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PassAt {
    /// How many samples.
    pub k: u32,
    /// Without bias over all draws of k, in 0..=1.
    pub pass: MeanOf,
    /// The same, where a right answer after a false calculation does not count; `None` if the task checks no steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub true_pass: Option<MeanOf>,
}

/// All audits of a method that are there.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Audits {
    /// `hint-reliance.json`.
    pub hint_reliance: Option<Audit<HintReliance>>,
    /// `wrong-hint.json`.
    pub wrong_hint: Option<Audit<WrongHint>>,
    /// `early-answers.json`.
    pub early_answers: Option<Audit<EarlyAnswers>>,
    /// `mistake-propagation.json`.
    pub mistake_propagation: Option<Audit<MistakePropagation>>,
    /// `true-steps.json`.
    pub true_steps: Option<Audit<TrueSteps>>,
    /// `sharpening.json`.
    pub sharpening: Option<Audit<Sharpening>>,
}
