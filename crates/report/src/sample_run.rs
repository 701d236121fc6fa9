//! Small runs for the tests, written as the loop would write them.

#![allow(clippy::unwrap_used)]

use starloop_record::info::{Estimate, Inputs, MethodInfo, ModelInfo, PaperFigure, RunInfo, RunStatus, TaskInfo};
use starloop_record::metrics::{Accuracy, AttemptCounts, ClassAccuracy, IterationMetrics, SelectionCounts, TrainingMetrics};
use starloop_record::run_dir::{Digests, NewRun};
use starloop_record::training_rows::TrainingRows;
use starloop_record::types::{Attempt, Example, GradedAttempt, Mode, ProblemId, ProblemRecord, PromptRecord, Split, StopReason, Verdict};
use starloop_record::{Approach, Outcome, OutcomeRecord, RunDir};
use std::path::Path;

/// A run that has these methods and nothing in it.
pub(crate) fn begin(root: &Path, methods: &[(&str, Approach)]) -> RunDir {
    RunDir::open(root, &new_run(methods), false).unwrap().0
}

/// The new run of [`begin`].
pub(crate) fn new_run(methods: &[(&str, Approach)]) -> NewRun {
    let settings: Vec<String> = methods.iter().map(|(name, _)| format!("[methods.{name}]\niterations = 3\n")).collect();
    NewRun {
        info: run_info(methods.iter().map(|(name, approach)| method_info(name, *approach)).collect()),
        config: format!("name = \"tiny\"\nseed = 7\n[training]\nsteps = 10\n{}", settings.concat()).parse().unwrap(),
        prolongs: Vec::new(),
        device: "test".into(),
    }
}

/// A run of the paper's arithmetic.
pub(crate) fn run_info(methods: Vec<MethodInfo>) -> RunInfo {
    let figure = |approach, percent, setting: &str| PaperFigure {
        approach,
        model: "GPT-J 6B".into(),
        percent,
        train_used: None,
        setting: setting.into(),
    };
    RunInfo {
        format_version: 0,
        program: "starloop test".into(),
        name: "tiny".into(),
        seed: 7,
        status: RunStatus::Running,
        model: ModelInfo { base: "builtin:tiny".into(), hub: None, parameters: Some(1_000) },
        task: TaskInfo {
            too_long: 0,
            kind: "arithmetic".into(),
            label: "arithmetic".into(),
            chance: 0.0,
            paper: vec![
                figure(Approach::Direct, 76.3, "10,000 examples, 5,000 steps"),
                figure(Approach::StarRationalized, 89.5, "16 iterations"),
            ],
        },
        methods,
        main: None,
        circumstances: vec!["policy.threads".into()],
        config_sha256: String::new(),
        next_config_sha256: None,
        inputs: Inputs::default(),
    }
}

pub(crate) fn method_info(name: &str, approach: Approach) -> MethodInfo {
    let iterations = if matches!(approach, Approach::FewShot | Approach::FewShotDirect) { 0 } else { 3 };
    let estimate = Estimate { iterations, attempts: 300, evaluations: 200, steps: 30, ..Estimate::default() };
    MethodInfo { name: name.into(), kind: "kind".into(), label: approach.title().into(), approach, estimate }
}

/// The figures after an iteration: right answers of 100 in each class.
pub(crate) fn metrics(iteration: u32, right: &[u64]) -> IterationMetrics {
    let by_class = right.iter().enumerate().map(|(n, &right)| ClassAccuracy {
        class: format!("{} digit{}", n + 1, if n == 0 { "" } else { "s" }),
        accuracy: Accuracy::new(right, 100),
    });
    IterationMetrics {
        iteration,
        checkpoint: format!("{iteration:064}"),
        problems: 0,
        unhinted: AttemptCounts::default(),
        hinted: AttemptCounts::default(),
        selection: SelectionCounts::default(),
        balance: None,
        training: None,
        split: Split::Test,
        accuracy: Accuracy::new(right.iter().sum(), 100 * right.len() as u64),
        by_class: by_class.collect(),
        evaluation_tokens: 9_000,
        evaluation_failed: 0,
    }
}

/// [`metrics`] of an iteration that learned from `unhinted` and `hinted` right attempts at 2,000 problems.
pub(crate) fn learned(iteration: u32, right: &[u64], unhinted: u64, hinted: u64) -> IterationMetrics {
    IterationMetrics {
        problems: 2_000,
        unhinted: AttemptCounts {
            attempts: 2_000,
            correct: unhinted,
            wrong: 2_000 - unhinted,
            faithful: Some(unhinted - unhinted / 20),
            tokens: 123_456,
            ..AttemptCounts::default()
        },
        hinted: AttemptCounts {
            attempts: 2_000 - unhinted,
            correct: hinted,
            wrong: 2_000 - unhinted - hinted,
            faithful: Some(hinted / 2),
            tokens: 100_000,
            ..AttemptCounts::default()
        },
        selection: SelectionCounts {
            kept_unhinted: unhinted - 3,
            kept_hinted: hinted,
            dropped_duplicate: 3,
            problems: 2_000,
            problems_unhinted: unhinted - 3,
            problems_hinted: hinted,
            ..SelectionCounts::default()
        },
        training: Some(TrainingMetrics { steps: 80, tokens: 1_500_000, target_tokens: 900_000, final_loss: 0.0123, dropped_too_long: 0 }),
        ..metrics(iteration, right)
    }
}

/// An attempt without hint at a problem, by the problem's last part.
pub(crate) fn attempt(problem: &str, completion: &str, verdict: Verdict) -> GradedAttempt {
    let attempt = Attempt {
        problem: ProblemId(format!("tiny/train/{problem}")),
        class: "1 digit".into(),
        mode: Mode::Unhinted,
        sample: 0,
        seed: 1,
        checkpoint: "c".into(),
        prompt_sha256: format!("prompt of {problem}"),
        prompt_tokens: 10,
        completion_tokens: 4,
        completion: completion.into(),
        stop_reason: StopReason::EndToken,
        logprob: Some(-1.0),
        token_logprobs: None,
        token_ends: None,
    };
    GradedAttempt { path: completion.into(), ..GradedAttempt::bare(attempt, verdict) }
}

/// The same with the hint.
pub(crate) fn hinted(problem: &str, completion: &str, verdict: Verdict) -> GradedAttempt {
    let mut graded = attempt(problem, completion, verdict);
    graded.attempt.mode = Mode::Hinted;
    graded
}

pub(crate) fn wrong(predicted: &str) -> Verdict {
    Verdict::Wrong { predicted: predicted.into() }
}

/// Writes the attempts of an iteration with their problems, outcomes and examples. `earlier` are records of attempts of
/// the iterations before it.
pub(crate) fn write_iteration(
    run: &RunDir,
    method: &str,
    iteration: u32,
    attempts: &[(GradedAttempt, Outcome)],
    earlier: &[OutcomeRecord],
) {
    let place = run.iteration(method, iteration);
    let graded: Vec<GradedAttempt> = attempts.iter().map(|(graded, _)| graded.clone()).collect();
    place.write_attempts(&graded, texts(run, &graded)).unwrap();
    let record = |(graded, outcome): &(GradedAttempt, Outcome)| OutcomeRecord::new(iteration, &graded.attempt, *outcome);
    let outcomes: Vec<OutcomeRecord> = earlier.iter().cloned().chain(attempts.iter().map(record)).collect();
    let examples = attempts.iter().filter(|(_, outcome)| outcome.is_learned()).map(|(graded, _)| Example {
        problem: graded.attempt.problem.clone(),
        mode: graded.attempt.mode,
        prompt: "prompt".into(),
        completion: graded.attempt.completion.clone(),
    });
    place.write_selection(&TrainingRows::Completions(examples.collect()), &outcomes, &[], Digests::new()).unwrap();
}

/// Writes the answers of an evaluation with their problems.
pub(crate) fn write_evaluation(run: &RunDir, method: &str, iteration: u32, answers: &[GradedAttempt]) {
    run.iteration(method, iteration).write_evaluation(answers, texts(run, answers)).unwrap();
}

/// The files of the problems and prompts of attempts. A problem's answer is its last part in capitals.
fn texts(run: &RunDir, attempts: &[GradedAttempt]) -> Digests {
    let record = |graded: &GradedAttempt| {
        let id = graded.attempt.problem.clone();
        let last = id.0.rsplit('/').next().unwrap_or_default().to_owned();
        ProblemRecord {
            class: "1 digit".into(),
            text: format!("What is {last}?"),
            answer: last.to_uppercase(),
            choices: Vec::new(),
            reference: None,
            identity: None,
            id,
        }
    };
    let prompt = |graded: &GradedAttempt| PromptRecord {
        sha256: graded.attempt.prompt_sha256.clone(),
        after: None,
        text: format!("asked {}", graded.attempt.problem),
    };
    let mut digests = run.keep_problems(&attempts.iter().map(record).collect::<Vec<_>>()).unwrap();
    digests.extend(run.keep_prompts(&attempts.iter().map(prompt).collect::<Vec<_>>()).unwrap());
    digests
}
