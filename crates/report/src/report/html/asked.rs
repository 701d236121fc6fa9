//! Whole prompts that the models were asked, one of each kind.

use crate::error::Result;
use crate::report::MethodReport;
use crate::words::Purpose;
use serde::Serialize;
use starloop_record::RunDir;
use starloop_record::types::{GradedAttempt, Mode};

/// The prompt of an attempt or an answer.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct AskedPrompt {
    iteration: u32,
    purpose: Purpose,
    problem: String,
    text: String,
    /// The problem's own part of the prompt without the hint, if this prompt has a hint.
    bare: Option<String>,
}

/// Prompts of a method: the first answers of its first and last measurement, and the first attempts of the first iteration that has any.
pub(super) fn of_method(method: &MethodReport, directory: &RunDir) -> Result<Vec<AskedPrompt>> {
    let iterations = || method.iterations.iter().map(|iteration| (iteration.metrics.iteration, &iteration.metrics));
    let attempted = iterations().find(|(_, metrics)| metrics.unhinted.attempts > 0).map(|(iteration, _)| iteration);
    let mut measured: Vec<u32> = iterations().filter(|(_, metrics)| metrics.accuracy.total > 0).map(|(iteration, _)| iteration).collect();
    if measured.len() > 2 {
        measured.drain(1..measured.len() - 1);
    }
    let mut found = Vec::new();
    for (iteration, _) in iterations().filter(|(iteration, _)| attempted == Some(*iteration) || measured.contains(iteration)) {
        let place = directory.iteration(&method.info.name, iteration);
        let (mut answer, mut unhinted, mut hinted) = (None, None, None);
        if measured.contains(&iteration) {
            place.each_evaluation(|graded| {
                answer.get_or_insert(graded);
                Ok(())
            })?;
        }
        if attempted == Some(iteration) {
            place.each_attempt(|graded| {
                let first = if graded.attempt.mode == Mode::Unhinted { &mut unhinted } else { &mut hinted };
                first.get_or_insert(graded);
                Ok(())
            })?;
        }
        let prompts = place.prompts()?;
        let text = |graded: &GradedAttempt| prompts.get(&graded.attempt.prompt_sha256).cloned();
        let problems = place.problems()?;
        for (graded, purpose) in [(answer, Purpose::Evaluation), (unhinted, Purpose::Unhinted), (hinted, Purpose::Hinted)] {
            let Some((graded, text)) = graded.and_then(|graded| text(&graded).map(|text| (graded, text))) else { continue };
            let problem = graded.attempt.problem;
            let bare = problems.get(&problem).filter(|_| purpose == Purpose::Hinted).map(|problem| problem.text.clone());
            found.push(AskedPrompt { iteration, purpose, problem: problem.to_string(), text, bare });
        }
    }
    Ok(found)
}
