//! Checks of rationalizations before they are learned: the rules `most_hint_reliance` and `drop_reached_from_wrong_hint`. The results are part of
//! the attempts.

use super::ask::AskPlan;
use super::collect::tokens;
use super::{Hint, MethodRun, require_finite};
use crate::error::{OrCancelled, Result};
use crate::event::{Event, Stage};
use crate::policy::CompletionRequest;
use crate::task::prompt;
use crate::types::{GradedAttempt, Mode, ModelRef, Problem, ProblemId};
use std::collections::HashMap;
use std::ops::ControlFlow;

impl MethodRun<'_> {
    /// Checks the right ones of `attempts`, which `model` made with `question`, as the rules of the config ask for. Other hints than the whole
    /// answer are not checked.
    pub(super) fn check_hinted(
        &mut self,
        question: &AskPlan,
        problems: &[Problem],
        model: ModelRef,
        attempts: &mut [GradedAttempt],
    ) -> Result<()> {
        let rules = self.settings.selection;
        let mut right: Vec<&mut GradedAttempt> = attempts.iter_mut().filter(|graded| graded.verdict.is_correct()).collect();
        if question.hint != Some(Hint::Answer) || right.is_empty() || !rules.checks_hints() {
            return Ok(());
        }
        let problems: HashMap<&ProblemId, &Problem> = problems.iter().map(|problem| (&problem.id, problem)).collect();
        let began = self.started(question.iteration, Stage::CheckingHints, right.len() as u64)?;
        let mut used = 0;
        if rules.most_hint_reliance.is_some() {
            used += self.measure_reliance(question, &problems, model, &mut right)?;
        }
        if rules.drop_reached_from_wrong_hint {
            used += self.try_wrong_hints(question, &problems, model, &mut right)?;
        }
        self.ended(question.iteration, Stage::CheckingHints, used, began)
    }

    /// Sets the hint reliance of each attempt. Returns the number of tokens that were scored.
    fn measure_reliance(
        &mut self,
        question: &AskPlan,
        problems: &HashMap<&ProblemId, &Problem>,
        model: ModelRef,
        right: &mut [&mut GradedAttempt],
    ) -> Result<u64> {
        self.load(model)?;
        let task = self.parts.task;
        let request = |graded: &GradedAttempt, mode| CompletionRequest {
            prompt: prompt::assemble(task, problems[&graded.attempt.problem], mode, question.style, question.few_shot),
            completion: graded.attempt.completion.clone(),
            ended: !graded.attempt.is_cut(),
        };
        let requests: Vec<_> = right.iter().flat_map(|graded| [Mode::Hinted, Mode::Unhinted].map(|mode| request(graded, mode))).collect();
        let observer = &mut *self.observer;
        let (mut tokens, mut flow) = (0, ControlFlow::Continue(()));
        let scores = self.parts.policy.score_completions(&requests, &mut |progress| {
            tokens = progress.tokens;
            flow = observer.observe(&Event::StageProgress { done: progress.finished / 2, tokens, loss: None });
            flow
        })?;
        flow.or_cancelled()?;
        for (graded, pair) in right.iter_mut().zip(scores.chunks_exact(2)) {
            let reliance = (pair[0] - pair[1]) / graded.attempt.completion_tokens.max(1) as f64;
            require_finite("the hint reliance of a rationalization", reliance, || format!("{}, {}", self.name, graded.attempt.problem))?;
            graded.hint_reliance = Some(reliance);
        }
        Ok(tokens)
    }

    /// Asks each problem once more, with a wrong answer as the hint and the seed of the attempt. Notes if a rationale reaches the wrong answer.
    /// Problems for which the task has no wrong answer are not asked. Returns the number of tokens that were sampled.
    fn try_wrong_hints(
        &mut self,
        question: &AskPlan,
        problems: &HashMap<&ProblemId, &Problem>,
        model: ModelRef,
        right: &mut [&mut GradedAttempt],
    ) -> Result<u64> {
        let mut wrong: Vec<Problem> =
            right.iter().filter_map(|graded| self.parts.task.with_wrong_answer(problems[&graded.attempt.problem])).collect();
        // The list has the samples of one problem one after another.
        wrong.dedup_by(|a, b| a.id == b.id);
        let answers = self.answers(None, question, &wrong, model, 0)?;
        let reached: HashMap<(&ProblemId, u32), bool> =
            answers.iter().map(|graded| ((&graded.attempt.problem, graded.attempt.sample), graded.verdict.is_correct())).collect();
        for graded in right {
            graded.reaches_wrong_answer = reached.get(&(&graded.attempt.problem, graded.attempt.sample)).copied();
        }
        Ok(tokens(&answers))
    }
}
