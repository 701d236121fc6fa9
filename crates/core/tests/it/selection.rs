//! The decision of selection for each attempt.

use crate::doubles::Numbers;
use starloop_core::config::SelectionConfig;
use starloop_core::error::Error;
use starloop_core::selection::{Round, Same, Selection, SelectionRules, drawn, select};
use starloop_core::task::Task;
use starloop_core::types::{Attempt, Example, GradedAttempt, Mode, Problem, Split, StopReason, Verdict};
use starloop_record::Outcome;
use starloop_record::training_rows::TrainingRows;

const TASK: Numbers = Numbers { careless: false, answers_only: false, chance: 0.0 };

fn attempt(problem: &Problem, mode: Mode, completion: &str, verdict: Verdict) -> GradedAttempt {
    let bare = Attempt::bare(&problem.id.0, mode, completion);
    let attempt = Attempt { class: problem.class.clone(), prompt_tokens: 1, completion_tokens: 1, logprob: Some(-1.0), ..bare };
    GradedAttempt { path: TASK.reasoning_path(completion), ..GradedAttempt::bare(attempt, verdict) }
}

fn round(problems: &[Problem], attempts: Vec<GradedAttempt>) -> Round {
    Round { iteration: 1, problems: problems.to_vec(), attempts }
}

fn examples(selection: &Selection) -> &[Example] {
    let TrainingRows::Completions(examples) = selection.data.rows() else { panic!("{selection:?}") };
    examples
}

#[test]
fn right_answers_once_each_without_leaks_up_to_the_limit() {
    let problems = TASK.training_problems(1);
    let (one, two) = (&problems[0], &problems[1]);
    let attempts = vec![
        attempt(one, Mode::Unhinted, "a", Verdict::Correct),
        attempt(one, Mode::Unhinted, "a", Verdict::Correct),
        attempt(one, Mode::Unhinted, "b", Verdict::Wrong { predicted: "1".into() }),
        attempt(one, Mode::Unhinted, "c", Verdict::Unparsed),
        attempt(one, Mode::Unhinted, "d", Verdict::Truncated),
        attempt(one, Mode::Unhinted, "e", Verdict::Correct),
        attempt(one, Mode::Unhinted, "f", Verdict::Correct),
        // The same text for another problem is no duplicate.
        attempt(two, Mode::Hinted, "a", Verdict::Correct),
        attempt(two, Mode::Hinted, "as the hint says", Verdict::Correct),
        // Unaided, the same words are no leak: there was no hint.
        attempt(two, Mode::Unhinted, "as the hint says", Verdict::Correct),
    ];
    let rules = SelectionRules { max_per_problem: 2, ..SelectionRules::default() };
    let selection = select(&TASK, &[round(&problems, attempts)], rules).unwrap();
    let counts = selection.counts;
    let kept: Vec<_> = examples(&selection).iter().map(|example| (example.problem.clone(), example.completion.as_str())).collect();
    assert_eq!(kept, [(one.id.clone(), "a"), (one.id.clone(), "e"), (two.id.clone(), "a"), (two.id.clone(), "as the hint says")]);
    assert_eq!((counts.kept_unhinted, counts.kept_hinted), (3, 1));
    assert_eq!((counts.dropped_duplicate, counts.dropped_leaked_hint, counts.dropped_over_limit), (1, 1, 1));
    assert!(examples(&selection).iter().all(|example| !example.prompt.contains("HINT")));
    let outcomes: Vec<Outcome> = selection.outcomes.iter().map(|record| record.outcome).collect();
    let expected = [
        Outcome::Learned,
        Outcome::Duplicate,
        Outcome::Wrong,
        Outcome::Unreadable,
        Outcome::Truncated,
        Outcome::Learned,
        Outcome::OverLimit,
        Outcome::Learned,
        Outcome::LeaksHint,
        Outcome::Learned,
    ];
    assert_eq!(outcomes, expected);
}

#[test]
fn an_attempt_at_a_strange_problem_is_refused() {
    let problems = TASK.training_problems(1);
    let stranger = &TASK.evaluation_problems(Split::Test, 1)[0];
    let attempts = vec![attempt(stranger, Mode::Unhinted, "a", Verdict::Correct)];
    let error = select(&TASK, &[round(&problems, attempts)], SelectionRules::default()).err().unwrap();
    assert!(matches!(&error, Error::UnknownProblem { problem } if *problem == stranger.id.0), "{error}");
}

#[test]
fn what_a_method_may_drop_besides() {
    let problems = TASK.training_problems(1);
    let (one, two) = (&problems[0], &problems[1]);
    let mut unsure = attempt(one, Mode::Unhinted, "seven times it", Verdict::Correct);
    unsure.attempt.logprob = Some(-2.0);
    let attempts = vec![
        attempt(one, Mode::Unhinted, "It is so.", Verdict::Correct),
        attempt(one, Mode::Unhinted, "it  is so", Verdict::Correct),
        unsure,
        attempt(two, Mode::Unhinted, "It is so.", Verdict::Correct),
        attempt(two, Mode::Hinted, &format!("so the answer is {}", two.answer), Verdict::Correct),
        attempt(two, Mode::Hinted, "seven times it", Verdict::Correct),
    ];
    let rules = SelectionRules { same: Same::Path, drop_restated: true, least_confidence: 0.3, ..SelectionRules::default() };
    let selection = select(&TASK, &[round(&problems, attempts)], rules).unwrap();
    let counts = selection.counts;
    let kept: Vec<_> = examples(&selection).iter().map(|example| (&example.problem, example.completion.as_str())).collect();
    assert_eq!(kept, [(&one.id, "It is so."), (&two.id, "It is so."), (&two.id, "seven times it")]);
    assert_eq!((counts.dropped_same_path, counts.dropped_unsure, counts.dropped_restated, counts.dropped()), (1, 1, 1, 3));
}

#[test]
fn what_the_config_drops_besides() {
    use Outcome::{Duplicate, FalseStep, Learned, Uncalculated};
    let problems = TASK.training_problems(1);
    let one = &problems[0];
    let with = |mode, completion, false_step| GradedAttempt { false_step, ..attempt(one, mode, completion, Verdict::Correct) };
    let attempts = vec![
        with(Mode::Unhinted, "a", Some(false)),
        with(Mode::Unhinted, "b", Some(true)),
        // An unaided answer without a calculation is the model's own.
        with(Mode::Unhinted, "c", None),
        with(Mode::Hinted, "d", None),
        with(Mode::Hinted, "e", Some(true)),
        with(Mode::Hinted, "f", Some(false)),
        // A text that a rule dropped does not make the next one a duplicate.
        with(Mode::Unhinted, "d", None),
    ];
    let outcomes = |config| {
        let rules = SelectionRules { config, ..SelectionRules::default() };
        let selection = select(&TASK, &[round(&problems, attempts.clone())], rules).unwrap();
        let outcomes: Vec<Outcome> = selection.outcomes.iter().map(|record| record.outcome).collect();
        (outcomes, (selection.counts.dropped_false_step, selection.counts.dropped_uncalculated))
    };
    let both = SelectionConfig { drop_false_steps: true, drop_uncalculated: true, ..SelectionConfig::default() };
    assert_eq!(outcomes(both), (vec![Learned, FalseStep, Learned, Uncalculated, FalseStep, Learned, Learned], (2, 1)));
    let none = SelectionConfig::default();
    assert_eq!(outcomes(none), (vec![Learned, Learned, Learned, Learned, Learned, Learned, Duplicate], (0, 0)));
}

#[test]
fn rationalizations_that_any_hint_gives() {
    use Outcome::{HintReliant, Learned, ReachesWrongAnswer};
    let problems = TASK.training_problems(1);
    let with = |mode, completion, hint_reliance, reaches_wrong_answer| GradedAttempt {
        hint_reliance,
        reaches_wrong_answer,
        ..attempt(&problems[0], mode, completion, Verdict::Correct)
    };
    let attempts = vec![
        with(Mode::Unhinted, "a", None, None),
        with(Mode::Hinted, "b", Some(0.5), Some(false)),
        with(Mode::Hinted, "c", Some(0.6), Some(true)),
        with(Mode::Hinted, "d", Some(0.4), Some(true)),
        // The task had no wrong answer.
        with(Mode::Hinted, "e", Some(0.5), None),
    ];
    let config = SelectionConfig { most_hint_reliance: Some(0.5), drop_reached_from_wrong_hint: true, ..SelectionConfig::default() };
    let rules = SelectionRules { config, ..SelectionRules::default() };
    let selection = select(&TASK, &[round(&problems, attempts)], rules).unwrap();
    let outcomes: Vec<Outcome> = selection.outcomes.iter().map(|record| record.outcome).collect();
    assert_eq!(outcomes, [Learned, Learned, HintReliant, ReachesWrongAnswer, Learned]);
    assert_eq!((selection.counts.dropped_hint_reliant, selection.counts.dropped_reaches_wrong, selection.counts.dropped()), (1, 1, 2));
}

#[test]
fn a_control_draws_its_examples_without_a_look_at_their_verdict() {
    let problems = TASK.training_problems(1);
    let verdicts = [Verdict::Correct, Verdict::Wrong { predicted: "1".into() }, Verdict::Unparsed, Verdict::Truncated];
    let of = |problem: &Problem| verdicts.clone().map(|verdict| attempt(problem, Mode::Unhinted, &format!("{verdict:?}"), verdict));
    let mut attempts: Vec<GradedAttempt> = problems[..20].iter().flat_map(of).collect();
    for graded in attempts.iter_mut().filter(|graded| graded.verdict == Verdict::Truncated) {
        graded.attempt.stop_reason = StopReason::Length;
    }
    attempts.push(attempt(&problems[0], Mode::Unhinted, "Correct", Verdict::Correct));
    attempts.push(attempt(&problems[0], Mode::Hinted, "hinted", Verdict::Correct));
    let draw = |wanted, seed| drawn(&TASK, &[round(&problems, attempts.clone())], wanted, seed, 0).unwrap();
    let selection = draw(30, 1);
    assert_eq!((examples(&selection).len(), selection.counts.kept_unhinted), (30, 30));
    assert_eq!(selection, draw(30, 1));
    assert_ne!(selection.outcomes, draw(30, 2).outcomes);
    let right = examples(&selection).iter().filter(|example| example.completion == "Correct").count();
    assert!((4..17).contains(&right), "a third of them, and not all: {right}");
    // Sixty samples are complete and different.
    let all = draw(1000, 1);
    assert_eq!(examples(&all).len(), 60);
    let counted = |outcome| all.outcomes.iter().filter(|record| record.outcome == outcome).count();
    assert_eq!([Outcome::Truncated, Outcome::Duplicate, Outcome::HintNotUsed, Outcome::NotDrawn].map(counted), [20, 1, 1, 0]);
}
