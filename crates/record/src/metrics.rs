//! The figures of one iteration, as `metrics.json` holds them. No times: see [`crate::event`].

use crate::outcome::{Outcome, OutcomeRecord};
use crate::types::{Mode, Split};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

pub mod audits;

/// A share of right answers with its 95% Wilson score interval, all in 0..=1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ReadAccuracy")]
pub struct Accuracy {
    /// Right answers.
    pub correct: u64,
    /// Problems.
    pub total: u64,
    /// `correct / total`.
    pub mean: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// [`Accuracy`] as it is read. A file can hold any numbers.
#[derive(Deserialize)]
struct ReadAccuracy {
    correct: u64,
    total: u64,
    mean: f64,
    low: f64,
    high: f64,
}

impl TryFrom<ReadAccuracy> for Accuracy {
    type Error = String;

    fn try_from(ReadAccuracy { correct, total, mean, low, high }: ReadAccuracy) -> Result<Self, String> {
        if correct > total {
            return Err(format!("{correct} right answers of {total} problems, expected at most as many as problems"));
        }
        match [mean, low, high].iter().find(|share| !(0.0..=1.0).contains(*share)) {
            Some(share) => Err(format!("an accuracy is {share}, expected a number in 0..=1")),
            None => Ok(Accuracy { correct, total, mean, low, high }),
        }
    }
}

impl Accuracy {
    /// Counts into a share with its Wilson interval; of no problems, the mean is 0 and the interval 0..1.
    pub fn new(correct: u64, total: u64) -> Self {
        if total == 0 {
            return Accuracy { correct, total, mean: 0.0, low: 0.0, high: 1.0 };
        }
        let mean = correct as f64 / total as f64;
        let [low, high] = wilson(mean, total as f64);
        Accuracy { correct, total, mean, low, high }
    }
}

/// The 95% score interval of a share among so many independent cases (Wilson 1927), in 0..=1.
pub fn wilson(mean: f64, cases: f64) -> [f64; 2] {
    let z = 1.959_963_984_540_054;
    let centre = (mean + z * z / (2.0 * cases)) / (1.0 + z * z / cases);
    let half = z / (1.0 + z * z / cases) * (mean * (1.0 - mean) / cases + z * z / (4.0 * cases * cases)).sqrt();
    // Where none or all are right, the sums only come near to 0 and 1.
    [if mean <= 0.0 { 0.0 } else { (centre - half).max(0.0) }, if mean >= 1.0 { 1.0 } else { (centre + half).min(1.0) }]
}

/// Accuracy in one class of problems.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassAccuracy {
    /// The class, such as `3 digits`.
    pub class: String,
    /// Accuracy in it.
    pub accuracy: Accuracy,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(crate) fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// How the attempts of one mode ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptCounts {
    /// Attempts made.
    pub attempts: u64,
    /// With the right answer.
    pub correct: u64,
    /// With another answer.
    pub wrong: u64,
    /// With an answer whose letter and text name different choices.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub contradiction: u64,
    /// With no readable answer.
    pub unparsed: u64,
    /// Cut off by the token limit.
    pub truncated: u64,
    /// Without a verdict, because the user's own verifier failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed: u64,
    /// Right answers whose rationale equals the reference; `None` where the task has no reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faithful: Option<u64>,
    /// Tokens generated.
    pub tokens: u64,
}

/// The counts of selection: the counts of its [outcomes](Outcome).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelectionCounts {
    /// Kept, found without the hint.
    pub kept_unhinted: u64,
    /// Kept, found with the hint.
    pub kept_hinted: u64,
    /// Dropped because the same prompt and completion was kept already.
    pub dropped_duplicate: u64,
    /// Dropped because the rationale shows that the answer was given.
    pub dropped_leaked_hint: u64,
    /// Dropped because the rationale has a step that is seen to be false, where the task checks them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped_false_step: u64,
    /// Dropped because the rationalization has no calculation, where the config asks for that.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped_uncalculated: u64,
    /// Dropped because the hint makes the rationalization more likely than the config allows.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped_hint_reliant: u64,
    /// Dropped because a wrong hint led to a wrong answer, where the config asks for that.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped_reaches_wrong: u64,
    /// Dropped because the rationale only restates the hint, where the method looks for that.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped_restated: u64,
    /// Dropped because the model was not sure enough of it, where the method asks for that.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped_unsure: u64,
    /// Dropped because another rationale that was kept takes the same path, where the method looks at paths.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped_same_path: u64,
    /// Dropped because the problem has its share of examples already.
    pub dropped_over_limit: u64,
    /// Pairs of a better and a worse completion.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pairs: u64,
    /// Groups of samples that teach nothing because all of them are right.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub groups_all_right: u64,
    /// Groups of samples that teach nothing because none of them is right.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub groups_all_wrong: u64,
    /// Different problems that were attempted; 0 where selection had no attempts, or did not count them yet.
    #[serde(default)]
    pub problems: u64,
    /// Those of them that are learned from an unaided rationale.
    #[serde(default)]
    pub problems_unhinted: u64,
    /// Those that are learned from a rationalization alone.
    #[serde(default)]
    pub problems_hinted: u64,
    /// Kept examples that come from attempts of earlier iterations, if the method accumulates.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub kept_earlier: u64,
}

impl SelectionCounts {
    /// Counts the outcomes of a selection among `problems` different problems.
    pub fn of(outcomes: &[OutcomeRecord], problems: usize) -> Self {
        let mut counts = SelectionCounts { problems: problems as u64, ..SelectionCounts::default() };
        let latest = outcomes.iter().map(|record| record.iteration).max();
        let (mut unhinted, mut hinted) = (HashSet::new(), HashSet::new());
        let (mut all_right, mut all_wrong) = (HashSet::new(), HashSet::new());
        for record in outcomes {
            match record.outcome {
                Outcome::Learned | Outcome::Rewarded if record.mode == Mode::Unhinted => counts.kept_unhinted += 1,
                Outcome::Learned | Outcome::Rewarded => counts.kept_hinted += 1,
                Outcome::Duplicate => counts.dropped_duplicate += 1,
                Outcome::LeaksHint => counts.dropped_leaked_hint += 1,
                Outcome::FalseStep => counts.dropped_false_step += 1,
                Outcome::Uncalculated => counts.dropped_uncalculated += 1,
                Outcome::HintReliant => counts.dropped_hint_reliant += 1,
                Outcome::ReachesWrongAnswer => counts.dropped_reaches_wrong += 1,
                Outcome::Restated => counts.dropped_restated += 1,
                Outcome::Unsure => counts.dropped_unsure += 1,
                Outcome::SamePath => counts.dropped_same_path += 1,
                Outcome::OverLimit => counts.dropped_over_limit += 1,
                Outcome::GroupAllRight => _ = all_right.insert(&record.problem),
                Outcome::GroupAllWrong => _ = all_wrong.insert(&record.problem),
                Outcome::Wrong
                | Outcome::Contradiction
                | Outcome::Unreadable
                | Outcome::Truncated
                | Outcome::VerifierFailed
                | Outcome::HintNotUsed
                | Outcome::Paired
                | Outcome::Unpaired
                | Outcome::NotDrawn => {}
            }
            if record.outcome.is_learned() {
                counts.kept_earlier += u64::from(Some(record.iteration) < latest);
                let learned = if record.mode == Mode::Unhinted { &mut unhinted } else { &mut hinted };
                learned.insert(&record.problem);
            }
        }
        counts.problems_unhinted = unhinted.len() as u64;
        counts.problems_hinted = hinted.difference(&unhinted).count() as u64;
        counts.groups_all_right = all_right.len() as u64;
        counts.groups_all_wrong = all_wrong.len() as u64;
        counts
    }

    /// Right answers that are not learned from.
    pub fn dropped(&self) -> u64 {
        self.dropped_duplicate + self.dropped_leaked_hint + self.dropped_false_step + self.dropped_by_rules()
    }

    /// Those of them that the method's own rules dropped, and not what holds for every method.
    pub fn dropped_by_rules(&self) -> u64 {
        let of_hints = self.dropped_uncalculated + self.dropped_hint_reliant + self.dropped_reaches_wrong + self.dropped_restated;
        of_hints + self.dropped_unsure + self.dropped_same_path + self.dropped_over_limit
    }
}

/// How well exploring and exploiting were balanced in an iteration, by what a few problems showed (Zeng et al. 2025).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BalanceMetrics {
    /// The settings that were tried, in the order of the config.
    pub tried: Vec<BalanceScore>,
    /// The place in `tried` of what the iteration went on with.
    pub chosen: usize,
    /// The cost of the attempts that were made to find it.
    pub probes: AttemptCounts,
    /// Tokens of the prompts of those attempts, each prompt counted once.
    pub prompt_tokens: u64,
}

/// A way to sample and select, and its balance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BalanceScore {
    /// The temperature of sampling.
    pub temperature: f64,
    /// The least confidence of an attempt that is selected, in 0..=1.
    pub least_confidence: f64,
    /// Mean over the problems of the selected attempts that are right and have a path that no other has (exploration).
    pub distinct_right: f64,
    /// Mean share of these among the selected attempts (exploitation).
    pub share_right: f64,
    /// Mean balance score, in 0..=1.
    pub score: f64,
}

/// The result of a fine-tuning.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TrainingMetrics {
    /// Optimizer steps.
    pub steps: u64,
    /// Tokens that went through the model.
    pub tokens: u64,
    /// Tokens that carried loss.
    pub target_tokens: u64,
    /// Mean loss per target token over the last tenth of the steps (natural logarithm).
    pub final_loss: f64,
    /// Examples that were longer than a packed sequence and were left out, where the config says so.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped_too_long: u64,
}

/// The most points that a curve of the loss is kept with.
const LONGEST_CURVE: usize = 200;

/// A point of a fine-tuning's curve of the loss, as `loss.jsonl` holds them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LossPoint {
    /// The optimizer step, from 1.
    pub step: u64,
    /// Mean loss per target token (natural logarithm) over the steps since the point before.
    pub loss: f64,
    /// The learning rate of the step; absent where a program of the user trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
}

impl LossPoint {
    /// The losses of the steps 1, 2, 3 and so on as a curve of at most 200 points. Each point is the mean of equally many steps, except the
    /// last. `learning_rate` gives the rate of a step.
    pub fn curve(losses: &[f64], learning_rate: impl Fn(u64) -> Option<f64>) -> Vec<LossPoint> {
        let together = losses.len().div_ceil(LONGEST_CURVE).max(1);
        let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
        let point = |(n, chunk): (usize, &[f64])| {
            let step = (n * together + chunk.len()) as u64;
            LossPoint { step, loss: mean(chunk), learning_rate: learning_rate(step) }
        };
        losses.chunks(together).enumerate().map(point).collect()
    }
}

/// Everything counted in one iteration of one method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IterationMetrics {
    /// The outer iteration, 0 for the base.
    pub iteration: u32,
    /// The SHA-256 of the weights that were evaluated.
    pub checkpoint: String,
    /// Problems attempted (0 where nothing was sampled).
    pub problems: u64,
    /// Attempts without the hint.
    pub unhinted: AttemptCounts,
    /// Attempts with the hint.
    pub hinted: AttemptCounts,
    /// Selection, where there was one.
    pub selection: SelectionCounts,
    /// The settings that were found before collecting, if the method balances exploration and exploitation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<BalanceMetrics>,
    /// Fine-tuning, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<TrainingMetrics>,
    /// The split that was evaluated.
    pub split: Split,
    /// Accuracy over all evaluated problems.
    pub accuracy: Accuracy,
    /// Accuracy class by class, in the order of display.
    pub by_class: Vec<ClassAccuracy>,
    /// Tokens generated while evaluating.
    pub evaluation_tokens: u64,
    /// Evaluated problems without a verdict, because the user's own verifier failed. They count as not right.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub evaluation_failed: u64,
}

impl IterationMetrics {
    /// Attempts and evaluated problems without a verdict, because the user's own verifier failed.
    pub fn failed_verdicts(&self) -> u64 {
        self.unhinted.failed + self.hinted.failed + self.evaluation_failed
    }

    /// Attempts and evaluated problems.
    pub fn verdicts(&self) -> u64 {
        self.unhinted.attempts + self.hinted.attempts + self.accuracy.total
    }

    /// Returns true if the user's verifier failed on so many evaluated problems that the accuracy does not describe the model: on one in twenty,
    /// which changes an accuracy by about as much as its interval on a thousand problems.
    pub fn accuracy_is_of_the_verifier(&self) -> bool {
        self.evaluation_failed * 20 > self.accuracy.total
    }
}

/// A mean over problems.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MeanOf {
    /// The mean, in 0..=1.
    pub mean: f64,
    /// Its standard error over the problems; 0 where there are fewer than two.
    pub standard_error: f64,
}

impl MeanOf {
    /// The mean of a value for each problem.
    pub fn new(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n.max(1.0);
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        let standard_error = if values.len() < 2 { 0.0 } else { (squares / (n * (n - 1.0))).sqrt() };
        MeanOf { mean, standard_error }
    }
}

/// Expected accuracy when the best of k candidates is taken, without bias over all draws of k.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BestOf {
    /// Candidates to choose among.
    pub k: u32,
    /// The verifier chooses: verifier@k.
    pub verifier: MeanOf,
    /// The most likely candidate to the generator itself is taken; `None` if the policy gives no log-probabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub likelihood: Option<MeanOf>,
    /// The answer that most candidates give is taken: majority@k (self-consistency); `None` in runs of a version that did not count it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub majority: Option<MeanOf>,
    /// Any right one counts: pass@k, which no choice can be above.
    pub pass: MeanOf,
}

/// The quality of a verifier, as `verification.json` holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verification {
    /// The SHA-256 of the weights that wrote the candidates.
    pub generator: String,
    /// The SHA-256 of the verifier's weights.
    pub verifier: String,
    /// The problems.
    pub split: Split,
    /// Pairs that the verifier was trained on.
    pub pairs: u64,
    /// Problems.
    pub problems: u64,
    /// Candidates for each problem.
    pub candidates: u32,
    /// The figures for each k.
    pub best_of: Vec<BestOf>,
}

#[cfg(test)]
mod tests {
    use super::LossPoint;

    #[test]
    fn a_curve_of_the_loss_is_thinned_by_means() {
        let point = |step, loss, learning_rate| LossPoint { step, loss, learning_rate };
        assert!(LossPoint::curve(&[], |_| None).is_empty());
        let short = LossPoint::curve(&[3.0, 2.0], |_| None);
        assert_eq!(short, [point(1, 3.0, None), point(2, 2.0, None)]);
        let losses: Vec<f64> = (1..=401).map(f64::from).collect();
        let long = LossPoint::curve(&losses, |step| Some(step as f64));
        assert_eq!(long.len(), 134);
        assert_eq!((long[0], long[133]), (point(3, 2.0, Some(3.0)), point(401, 400.5, Some(401.0))));
    }

    #[test]
    fn the_interval_ends_at_none_and_at_all() {
        for cases in [1.0, 3.0, 8.0, 200.0, 1319.0] {
            let ([low, of_none], [of_all, high]) = (super::wilson(0.0, cases), super::wilson(1.0, cases));
            assert!(low <= 0.0 && high >= 1.0 && (of_none - (1.0 - of_all)).abs() < 1e-12 && of_none > 0.0, "{cases}");
        }
    }

    #[test]
    fn an_accuracy_that_cannot_be_is_refused() {
        let read = |correct: u64, total: u64, mean: f64| {
            let value = serde_json::json!({ "correct": correct, "total": total, "mean": mean, "low": 0.0, "high": 1.0 });
            serde_json::from_value::<super::Accuracy>(value).map_err(|error| error.to_string())
        };
        assert_eq!(read(1, 2, 0.5).map(|accuracy| accuracy.correct), Ok(1));
        for (correct, total, mean, said) in
            [(3, 2, 0.5, "3 right answers of 2"), (1, 2, 7.5, "an accuracy is 7.5"), (1, 2, -0.5, "is -0.5")]
        {
            assert!(read(correct, total, mean).is_err_and(|error| error.contains(said)), "{said}");
        }
    }
}
