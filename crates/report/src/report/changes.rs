//! The answers that differ from the untrained model's answers to the same problems: gained and lost ones.

use super::{MethodReport, RunReport, headline};
use crate::error::Result;
use crate::paired::RightAnswers;
use starloop_record::RunDir;
use starloop_record::types::GradedAttempt;

/// The change of an answer from the untrained model's answer to the same problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Both are right or both are wrong, or they are not compared.
    Same,
    /// The untrained model was wrong, and this answer is right.
    Gained,
    /// The untrained model was right, and this answer is not.
    Lost,
}

/// The untrained model's answers, for the answers behind a method's figure.
#[derive(Debug)]
pub(crate) struct Before {
    /// The iteration whose answers are compared; `None` for the final evaluation.
    iteration: Option<u32>,
    answers: Option<RightAnswers>,
}

impl Before {
    /// Reads the untrained model's answers for a method.
    pub(crate) fn read(run: &RunReport, method: &MethodReport, directory: &RunDir) -> Result<Self> {
        let iteration = method.final_metrics.is_none().then(|| method.shown().iteration);
        Ok(Before { iteration, answers: headline::base_answers(run, method, directory)? })
    }

    /// The change of an answer of an iteration, or of the final evaluation.
    pub(crate) fn change(&self, iteration: Option<u32>, graded: &GradedAttempt) -> Change {
        let answers = self.answers.as_ref().filter(|_| iteration == self.iteration);
        let before = answers.and_then(|answers| answers.get(&(graded.attempt.problem.clone(), graded.attempt.sample)));
        match (before, graded.verdict.is_correct()) {
            (Some(false), true) => Change::Gained,
            (Some(true), false) => Change::Lost,
            _ => Change::Same,
        }
    }
}
