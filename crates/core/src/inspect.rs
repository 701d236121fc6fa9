//! Looking up attempts in a run directory: what was asked and answered, and what became of it.
//!
//! Files are gone through line by line, so that a run of a million attempts is looked at in little memory.

use crate::error::Result;
use crate::report::{Fate, Fates, Question, Questions};
use crate::run_dir::RunDir;
use crate::types::{GradedAttempt, Mode, ProblemId};
use serde::Serialize;

/// Which attempts are wanted. What is not set holds of all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The method's name in the config.
    pub method: Option<String>,
    /// The outer iteration.
    pub iteration: Option<u32>,
    /// The problem's whole id, or its last part.
    pub problem: Option<String>,
    /// What the attempt was made for.
    pub purpose: Option<Purpose>,
    /// The verdict's name.
    pub verdict: Option<String>,
    /// Whether it is learned from; of right answers only, `false` means dropped.
    pub kept: Option<bool>,
    /// The problem's class.
    pub class: Option<String>,
    /// A text within the completion, in the same letters.
    pub text: Option<String>,
}

/// What an attempt was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To be learned from, without the hint.
    Unhinted,
    /// To be learned from, with the hint.
    Hinted,
    /// To measure accuracy.
    Evaluation,
    /// To measure the final accuracy.
    FinalEvaluation,
}

impl Purpose {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Unhinted => "unhinted",
            Purpose::Hinted => "hinted",
            Purpose::Evaluation => "evaluation",
            Purpose::FinalEvaluation => "final evaluation",
        }
    }
}

/// An attempt that was wanted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// The method's name in the config.
    pub method: String,
    /// The outer iteration; for the final evaluation, the one that made the model.
    pub iteration: u32,
    /// What it was made for.
    pub purpose: Purpose,
    /// What became of it.
    pub fate: Fate,
    /// What was answered, and the verdict.
    #[serde(flatten)]
    pub graded: GradedAttempt,
}

/// Tells every wanted attempt, with what is known of its problem, in the order of methods, iterations and files. Returns what a reader should
/// know besides.
///
/// # Errors
/// The directory is no run, a file of it is damaged, or `tell` fails.
pub fn each(run: &RunDir, filter: &Filter, mut tell: impl FnMut(Found, Option<&Question>) -> Result<()>) -> Result<Vec<String>> {
    let config = run.config()?;
    let grader = config.task.grader().ok();
    let mut questions = Questions::of(&config);
    let mut tell_wanted = |found: Found, questions: &Questions<'_>| {
        let question = questions.get(&found.graded.attempt.problem);
        if filter.holds(&found) { tell(found, question) } else { Ok(()) }
    };
    for method in config.run.iter().filter(|name| filter.method.as_ref().is_none_or(|wanted| wanted == *name)) {
        let found = |iteration, purpose, fate, graded| Found { method: method.clone(), iteration, purpose, fate, graded };
        for iteration in run.iterations(method)?.into_iter().filter(|number| filter.iteration.is_none_or(|wanted| wanted == *number)) {
            let place = run.iteration(method, iteration);
            questions.learn(method, iteration, &place)?;
            let mut fates = Fates::of(&place, grader.as_deref())?;
            place.each_attempt(|graded| {
                let purpose = if graded.attempt.mode == Mode::Hinted { Purpose::Hinted } else { Purpose::Unhinted };
                let fate = fates.next(&graded);
                tell_wanted(found(iteration, purpose, fate, graded), &questions)
            })?;
            place.each_evaluation(|graded| tell_wanted(found(iteration, Purpose::Evaluation, Fate::Measured, graded), &questions))?;
        }
        let place = run.final_measurement(method);
        // The figures come after the answers; without them it is not known yet whose answers these are.
        let Some(iteration) = place.metrics()?.map(|metrics| metrics.iteration) else { continue };
        questions.learn(method, iteration, &place)?;
        place.each_evaluation(|graded| tell_wanted(found(iteration, Purpose::FinalEvaluation, Fate::Measured, graded), &questions))?;
    }
    Ok(questions.missing().into_iter().collect())
}

impl Filter {
    fn holds(&self, found: &Found) -> bool {
        let GradedAttempt { attempt, verdict, .. } = &found.graded;
        let is = |wanted: &Option<String>, value: &str| wanted.as_ref().is_none_or(|wanted| wanted == value);
        let kept = |wanted| if wanted { found.fate.is_kept() } else { found.fate.is_dropped() };
        self.iteration.is_none_or(|wanted| wanted == found.iteration)
            && self.problem.as_ref().is_none_or(|wanted| is_named(&attempt.problem, wanted))
            && self.purpose.is_none_or(|wanted| wanted == found.purpose)
            && is(&self.verdict, verdict.name())
            && self.kept.is_none_or(kept)
            && is(&self.class, &attempt.class)
            && self.text.as_ref().is_none_or(|text| attempt.completion.contains(text.as_str()))
    }
}

/// Whether `wanted` is a problem's id or the last part of it.
fn is_named(problem: &ProblemId, wanted: &str) -> bool {
    problem.0 == wanted || problem.0.strip_suffix(wanted).is_some_and(|before| before.ends_with('/'))
}
