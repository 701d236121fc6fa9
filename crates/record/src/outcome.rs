//! The outcome of an attempt: whether it is learned from, and if not, why.
//!
//! Selection decides the outcome of every attempt once and writes it to `outcomes.jsonl`. All counts are folds over it.

use crate::types::{Attempt, Mode, ProblemId, Verdict};
use serde::{Deserialize, Serialize};

/// The decision of selection about an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The model is trained on it.
    Learned,
    /// The model is trained on it in a pair, as the better or the worse completion.
    Paired,
    /// The model is trained on it with a reward, right or wrong.
    Rewarded,
    /// The answer is wrong.
    Wrong,
    /// Letter and text of the answer name different choices.
    Contradiction,
    /// No answer can be read.
    Unreadable,
    /// The token limit cut it off before an answer.
    Truncated,
    /// The verifier program gave no verdict.
    VerifierFailed,
    /// The rationale mentions the hint.
    LeaksHint,
    /// A step of the rationale is false, and the task or the config drops false steps.
    FalseStep,
    /// The rationalization has no calculation, and the config drops such rationalizations.
    Uncalculated,
    /// The hint makes the rationalization more likely than the config allows.
    HintReliant,
    /// With a wrong answer as the hint, the model reached the wrong answer, and the config drops such rationalizations.
    ReachesWrongAnswer,
    /// The same text was learned for this problem already.
    Duplicate,
    /// The rationale only restates question and hint, and the method drops such rationales.
    Restated,
    /// The model's mean token probability is below the method's limit.
    Unsure,
    /// A learned rationale of this problem takes the same reasoning path.
    SamePath,
    /// The problem has its maximum number of examples or pairs already.
    OverLimit,
    /// The method does not learn from hinted attempts.
    HintNotUsed,
    /// No pair can be made with it.
    Unpaired,
    /// All answers of its group are right, so the group has no signal.
    GroupAllRight,
    /// All answers of its group are wrong, so the group has no signal.
    GroupAllWrong,
    /// A control learns as many attempts as the method that it controls, and this one was not drawn.
    NotDrawn,
}

impl Outcome {
    /// Every outcome, in the order in which reports list them.
    pub const ALL: [Outcome; 23] = [
        Outcome::Learned,
        Outcome::Paired,
        Outcome::Rewarded,
        Outcome::Wrong,
        Outcome::Contradiction,
        Outcome::Unreadable,
        Outcome::Truncated,
        Outcome::VerifierFailed,
        Outcome::LeaksHint,
        Outcome::FalseStep,
        Outcome::Uncalculated,
        Outcome::HintReliant,
        Outcome::ReachesWrongAnswer,
        Outcome::Duplicate,
        Outcome::Restated,
        Outcome::Unsure,
        Outcome::SamePath,
        Outcome::OverLimit,
        Outcome::HintNotUsed,
        Outcome::Unpaired,
        Outcome::GroupAllRight,
        Outcome::GroupAllWrong,
        Outcome::NotDrawn,
    ];

    /// The words that tables and pages show.
    pub fn label(self) -> &'static str {
        match self {
            Outcome::Learned => "learned",
            Outcome::Paired => "learned in a pair",
            Outcome::Rewarded => "learned with a reward",
            Outcome::Wrong => "wrong answer",
            Outcome::Contradiction => "letter contradicts text",
            Outcome::Unreadable => "no readable answer",
            Outcome::Truncated => "cut off",
            Outcome::VerifierFailed => "verifier failed",
            Outcome::LeaksHint => "mentions the hint",
            Outcome::FalseStep => "false step",
            Outcome::Uncalculated => "no calculation",
            Outcome::HintReliant => "relies on the hint",
            Outcome::ReachesWrongAnswer => "a wrong hint works too",
            Outcome::Duplicate => "duplicate",
            Outcome::Restated => "restates the hint",
            Outcome::Unsure => "low probability",
            Outcome::SamePath => "same path",
            Outcome::OverLimit => "over the limit",
            Outcome::HintNotUsed => "hinted, not used",
            Outcome::Unpaired => "no pair",
            Outcome::GroupAllRight => "all samples right: no signal",
            Outcome::GroupAllWrong => "all samples wrong: no signal",
            Outcome::NotDrawn => "not drawn",
        }
    }

    /// The outcome of an attempt whose answer is not right; `None` for a right answer, which selection decides about.
    pub fn of_failure(verdict: &Verdict) -> Option<Outcome> {
        match verdict {
            Verdict::Correct => None,
            Verdict::Wrong { .. } => Some(Outcome::Wrong),
            Verdict::Contradiction { .. } => Some(Outcome::Contradiction),
            Verdict::Unparsed => Some(Outcome::Unreadable),
            Verdict::Truncated => Some(Outcome::Truncated),
            Verdict::Failed { .. } => Some(Outcome::VerifierFailed),
        }
    }

    /// Returns true if the model is trained on it.
    pub fn is_learned(self) -> bool {
        matches!(self, Outcome::Learned | Outcome::Paired | Outcome::Rewarded)
    }

    /// Returns true if a rule of selection dropped it, although its answer is right.
    pub fn is_dropped(self) -> bool {
        matches!(
            self,
            Outcome::LeaksHint
                | Outcome::FalseStep
                | Outcome::Uncalculated
                | Outcome::HintReliant
                | Outcome::ReachesWrongAnswer
                | Outcome::Duplicate
                | Outcome::Restated
                | Outcome::Unsure
                | Outcome::SamePath
                | Outcome::OverLimit
        )
    }
}

/// A line of `outcomes.jsonl`. The lines have the order in which the method selected, mostly that of `attempts.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeRecord {
    /// The outer iteration that made the attempt. A method that accumulates selects from earlier iterations again.
    pub iteration: u32,
    /// The problem.
    pub problem: ProblemId,
    /// Shows if the prompt held the answer.
    pub mode: Mode,
    /// The index of the sample for this prompt, from 0.
    pub sample: u32,
    /// The decision of selection.
    pub outcome: Outcome,
}

impl OutcomeRecord {
    /// The record of an attempt of `iteration`.
    pub fn new(iteration: u32, attempt: &Attempt, outcome: Outcome) -> Self {
        OutcomeRecord { iteration, problem: attempt.problem.clone(), mode: attempt.mode, sample: attempt.sample, outcome }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_outcome_has_a_name_and_a_label_of_its_own() {
        let names: HashSet<String> = Outcome::ALL.iter().map(|outcome| serde_json::json!(outcome).to_string()).collect();
        let labels: HashSet<&str> = Outcome::ALL.iter().map(|outcome| outcome.label()).collect();
        assert_eq!((names.len(), labels.len()), (Outcome::ALL.len(), Outcome::ALL.len()));
        assert!(Outcome::ALL.iter().all(|outcome| !(outcome.is_learned() && outcome.is_dropped())));
    }
}
