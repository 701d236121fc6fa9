//! Looking up attempts in a run directory: problem, answer, verdict and outcome.
//!
//! Files are read line by line, so that a run of a million attempts needs little memory.

use crate::error::Result;
use crate::outcomes::Outcomes;
use crate::paired::{Before, Change};
use crate::words::Purpose;
use serde::Serialize;
use starloop_record::types::{GradedAttempt, Mode, ProblemId, ProblemRecord};
use starloop_record::{Outcome, RunDir};
use std::collections::{BTreeMap, HashMap};

/// The attempts that are wanted. Unset fields match everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The method's name in the config.
    pub method: Option<String>,
    /// The outer iteration.
    pub iteration: Option<u32>,
    /// The problem's whole id, or its last part.
    pub problem: Option<String>,
    /// The purpose of the attempt.
    pub purpose: Option<Purpose>,
    /// The verdict's name.
    pub verdict: Option<String>,
    /// The decision of selection about the attempt.
    pub selected: Option<Selected>,
    /// The reason why the attempt is instructive.
    pub kind: Option<Instructive>,
    /// The untrained model's answers for each method, which [`Instructive::Gained`] and [`Instructive::Lost`] need (`report::before`).
    pub before: BTreeMap<String, Before>,
    /// The problem's class.
    pub class: Option<String>,
    /// A text within the completion; case matters.
    pub text: Option<String>,
}

/// The decision of selection about an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selected {
    /// The model is trained on it.
    Learned,
    /// The answer is right, and selection decided against it.
    Dropped,
}

/// Instructive kinds of attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instructive {
    /// An answer behind a method's figure that is right, where the untrained model was wrong.
    Gained,
    /// An answer behind a method's figure that is not right, where the untrained model was right.
    Lost,
    /// A right attempt with the hint.
    OnlyWithHint,
    /// A right answer with a false step.
    FalseStep,
}

impl Instructive {
    fn holds(self, graded: &GradedAttempt, change: Change) -> bool {
        let is_right = graded.verdict.is_correct();
        match self {
            Instructive::Gained => change == Change::Gained,
            Instructive::Lost => change == Change::Lost,
            Instructive::OnlyWithHint => is_right && graded.attempt.mode == Mode::Hinted,
            Instructive::FalseStep => is_right && graded.false_step == Some(true),
        }
    }

    /// Returns true if the kind is about a change from the untrained model.
    pub fn compares(self) -> bool {
        matches!(self, Instructive::Gained | Instructive::Lost)
    }
}

/// An attempt or an answer of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InspectedAttempt {
    /// The method's name in the config.
    pub method: String,
    /// The outer iteration; for the final evaluation, the one that made the model.
    pub iteration: u32,
    /// The purpose of the attempt.
    pub purpose: Purpose,
    /// The decision of selection; `null` for an answer of an evaluation, and before selection.
    pub outcome: Option<Outcome>,
    /// The completion and its verdict.
    #[serde(flatten)]
    pub graded: GradedAttempt,
}

/// The whole prompts of the stage that made an attempt, worked examples included, by their SHA-256.
///
/// # Errors
/// A file of the run is damaged.
pub fn prompts(run: &RunDir, inspected: &InspectedAttempt) -> Result<HashMap<String, String>> {
    let place = match inspected.purpose {
        Purpose::FinalEvaluation => run.final_measurement(&inspected.method),
        _ => run.iteration(&inspected.method, inspected.iteration),
    };
    Ok(place.prompts()?)
}

/// Passes every wanted attempt to `show`, with its problem if the run recorded it, in the order of methods, iterations and files.
///
/// # Errors
/// A file of the run is damaged, or `show` fails.
pub fn each(
    run: &RunDir,
    filter: &Filter,
    mut show: impl FnMut(InspectedAttempt, Option<&ProblemRecord>) -> std::io::Result<()>,
) -> Result<()> {
    let mut show_wanted = |attempt: InspectedAttempt, change: Change, problems: &HashMap<ProblemId, ProblemRecord>| {
        let problem = problems.get(&attempt.graded.attempt.problem);
        if filter.matches(&attempt, change) { show(attempt, problem) } else { Ok(()) }
    };
    for method in run.info()?.methods.into_iter().map(|method| method.name) {
        if filter.method.as_ref().is_some_and(|wanted| *wanted != method) {
            continue;
        }
        let before = filter.before.get(&method);
        let change = |iteration, graded: &GradedAttempt| before.map_or(Change::Same, |before| before.change(iteration, graded));
        let inspected = |iteration, purpose, outcome, graded| {
            let method = method.clone();
            InspectedAttempt { method, iteration, purpose, outcome, graded }
        };
        for iteration in run.iterations(&method)?.into_iter().filter(|number| filter.iteration.is_none_or(|wanted| wanted == *number)) {
            let place = run.iteration(&method, iteration);
            let problems = place.problems()?;
            let outcomes = Outcomes::read(&place, iteration, drop)?;
            place.each_attempt(|graded| {
                let (purpose, outcome) = (graded.attempt.mode.into(), outcomes.of(&graded.attempt));
                Ok(show_wanted(inspected(iteration, purpose, outcome, graded), Change::Same, &problems)?)
            })?;
            place.each_evaluation(|graded| {
                let change = change(Some(iteration), &graded);
                Ok(show_wanted(inspected(iteration, Purpose::Evaluation, None, graded), change, &problems)?)
            })?;
        }
        let place = run.final_measurement(&method);
        // The figures are written after the answers. Without them, the iteration that made the model is not known yet.
        let Some(iteration) = place.metrics()?.map(|metrics| metrics.iteration) else { continue };
        let problems = place.problems()?;
        place.each_evaluation(|graded| {
            let change = change(None, &graded);
            Ok(show_wanted(inspected(iteration, Purpose::FinalEvaluation, None, graded), change, &problems)?)
        })?;
    }
    Ok(())
}

impl Filter {
    fn matches(&self, inspected: &InspectedAttempt, change: Change) -> bool {
        let GradedAttempt { attempt, verdict, .. } = &inspected.graded;
        let is = |wanted: &Option<String>, value: &str| wanted.as_ref().is_none_or(|wanted| wanted == value);
        let used = |wanted| match (wanted, inspected.outcome) {
            (Selected::Learned, outcome) => outcome.is_some_and(Outcome::is_learned),
            (Selected::Dropped, outcome) => verdict.is_correct() && outcome.is_some_and(|outcome| !outcome.is_learned()),
        };
        self.iteration.is_none_or(|wanted| wanted == inspected.iteration)
            && self.problem.as_ref().is_none_or(|wanted| attempt.problem.is_named(wanted))
            && self.purpose.is_none_or(|wanted| wanted == inspected.purpose)
            && is(&self.verdict, verdict.name())
            && self.selected.is_none_or(used)
            && self.kind.is_none_or(|kind| kind.holds(&inspected.graded, change))
            && is(&self.class, &attempt.class)
            && self.text.as_ref().is_none_or(|text| attempt.completion.contains(text.as_str()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sample_run::{attempt, begin, hinted, metrics, write_evaluation, write_iteration, wrong};
    use starloop_record::Approach;
    use starloop_record::types::Verdict;

    /// The completions that a filter lets through, with the answers of their problems.
    fn found(run: &RunDir, filter: &Filter) -> Vec<(String, String, Option<Outcome>)> {
        let mut found = Vec::new();
        let show = |one: InspectedAttempt, problem: Option<&ProblemRecord>| {
            found.push((one.graded.attempt.completion, problem.unwrap().answer.clone(), one.outcome));
            Ok(())
        };
        each(run, filter, show).unwrap();
        found
    }

    #[test]
    fn attempts_are_found_by_their_outcome_and_name() {
        let place = tempfile::tempdir().unwrap();
        let run = begin(place.path(), &[("star", Approach::StarRationalized)]);
        let attempts = [
            (attempt("a", "one", Verdict::Correct), Outcome::Learned),
            (attempt("b", "two", wrong("2")), Outcome::Wrong),
            (hinted("b", "as the hint says", Verdict::Correct), Outcome::LeaksHint),
        ];
        write_iteration(&run, "star", 1, &attempts, &[]);
        write_evaluation(&run, "star", 1, &[attempt("c", "three", Verdict::Correct)]);
        let texts = |filter: Filter| found(&run, &filter).into_iter().map(|(text, ..)| text).collect::<Vec<_>>();
        assert_eq!(texts(Filter::default()), ["one", "two", "as the hint says", "three"]);
        assert_eq!(texts(Filter { selected: Some(Selected::Learned), ..Filter::default() }), ["one"]);
        assert_eq!(texts(Filter { selected: Some(Selected::Dropped), ..Filter::default() }), ["as the hint says"]);
        assert_eq!(texts(Filter { problem: Some("b".into()), ..Filter::default() }), ["two", "as the hint says"]);
        assert_eq!(texts(Filter { purpose: Some(Purpose::Evaluation), ..Filter::default() }), ["three"]);
        let all = found(&run, &Filter { text: Some("hint".into()), ..Filter::default() });
        assert_eq!(all, [("as the hint says".to_owned(), "B".to_owned(), Some(Outcome::LeaksHint))]);
    }

    #[test]
    fn instructive_attempts_are_found_by_their_kind() {
        let place = tempfile::tempdir().unwrap();
        let run = begin(place.path(), &[("star", Approach::StarRationalized)]);
        let mut false_step = attempt("a", "2 + 2 = 5", Verdict::Correct);
        false_step.false_step = Some(true);
        let attempts = [(false_step, Outcome::Learned), (hinted("b", "with hint", Verdict::Correct), Outcome::Learned)];
        write_iteration(&run, "star", 1, &attempts, &[]);
        write_evaluation(&run, "star", 0, &[attempt("c", "before", wrong("0")), attempt("d", "before", Verdict::Correct)]);
        write_evaluation(&run, "star", 1, &[attempt("c", "gained", Verdict::Correct), attempt("d", "lost", wrong("0"))]);
        for iteration in [0, 1] {
            run.iteration("star", iteration).write_metrics(&metrics(iteration, &[1])).unwrap();
        }
        let texts = |kind| {
            let before = crate::report::before(&run).unwrap();
            let filter = Filter { kind: Some(kind), before, ..Filter::default() };
            found(&run, &filter).into_iter().map(|(text, ..)| text).collect::<Vec<_>>()
        };
        assert_eq!(texts(Instructive::Gained), ["gained"]);
        assert_eq!(texts(Instructive::Lost), ["lost"]);
        assert_eq!(texts(Instructive::OnlyWithHint), ["with hint"]);
        assert_eq!(texts(Instructive::FalseStep), ["2 + 2 = 5"]);
    }

    #[test]
    fn before_selection_there_is_no_outcome() {
        let place = tempfile::tempdir().unwrap();
        let run = begin(place.path(), &[("star", Approach::Star)]);
        let attempts = [(attempt("a", "one", Verdict::Correct), Outcome::Learned)];
        write_iteration(&run, "star", 1, &attempts, &[]);
        std::fs::remove_file(place.path().join("star/iter-001/outcomes.jsonl")).unwrap();
        assert_eq!(found(&run, &Filter::default())[0].2, None);
    }
}
