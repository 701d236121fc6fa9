//! The task with its own problems, and with files of the user.

use super::*;
use crate::types::{StopReason, Verdict};

fn task(config: &WordProblemsConfig) -> Box<dyn Task> {
    config.build(1).unwrap()
}

fn small() -> WordProblemsConfig {
    WordProblemsConfig { generated: 60, dev_problems: 10, problems_per_iteration: 20, ..WordProblemsConfig::default() }
}

#[test]
fn counts_are_those_of_the_problems() {
    for config in [small(), WordProblemsConfig { problems_per_iteration: 0, evaluation_problems: 70, ..small() }] {
        let task = task(&config);
        assert_eq!(task.training_count(1), task.training_problems(1).len());
        for split in [Split::Train, Split::Dev, Split::Test] {
            assert_eq!(task.evaluation_count(split, 1), task.evaluation_problems(split, 1).len());
        }
    }
}

#[test]
fn the_problems_are_generated_and_the_test_is_svamp() {
    let task = task(&small());
    let [train, dev, test] = [Split::Train, Split::Dev, Split::Test].map(|split| task.evaluation_problems(split, 0));
    assert_eq!((train.len(), dev.len(), test.len(), task.training_problems(1).len()), (50, 10, 1000, 20));
    let first = &test[0];
    assert_eq!((first.id.0.as_str(), first.answer.as_str(), first.class.as_str()), ("word_problems/test/chal-1", "51", "subtraction"));
    for class in ["1 step", "2 steps", "addition", "subtraction", "multiplication", "division"] {
        assert!(task.classes(1).iter().any(|other| other == class), "{class}");
    }
    for problem in train.iter().chain(&dev).chain(&test) {
        let grade = task.verify(problem, &task.direct_completion(problem), &StopReason::EndToken).unwrap();
        assert_eq!(grade.verdict, Verdict::Correct, "{problem:?}");
    }
}

#[test]
fn prompts_show_the_answer_in_the_hint_alone() {
    let task = task(&small());
    let problem = &task.evaluation_problems(Split::Test, 0)[0];
    let plain = task.prompt(problem, Mode::Unhinted);
    assert!(plain.starts_with("Q: Each pack of dvds") && plain.ends_with("pack?\nA:") && !plain.contains("51"), "{plain}");
    assert!(task.prompt(problem, Mode::Hinted).ends_with("pack? (51)\nA:"));
    let examples = task.worked_examples(problem, Mode::Hinted, Style::Rationale, 4);
    assert!(examples.len() == 4 && examples.iter().all(|example| example.prompt.contains(" (")));
}

#[test]
fn the_worked_examples_are_right() {
    let task = task(&small());
    for solved in WordProblemsConfig::default().worked().unwrap() {
        let grade = task.verify(&solved.problem, &solved.completion, &StopReason::EndToken).unwrap();
        assert_eq!(grade.verdict, Verdict::Correct);
        assert_eq!(task.has_false_step(&solved.problem, &solved.completion), Some(false), "{}", solved.completion);
        assert!(!task.leaks_hint(&solved.completion));
    }
}

#[test]
fn answers_and_steps_of_completions() {
    let task = task(&small());
    let problem = &task.evaluation_problems(Split::Test, 0)[0];
    for (completion, stop, verdict, false_step, path) in [
        (" 76 - 25 = 51.\n#### 51", StopReason::EndToken, Verdict::Correct, Some(false), "76-25=51"),
        (" 76 - 25 = 41.\n#### 51", StopReason::EndToken, Verdict::Correct, Some(true), "76-25=41"),
        (" It costs less.\n#### 51", StopReason::EndToken, Verdict::Correct, None, "it costs less"),
        (" 76 + 25 = 101.\n#### $101", StopReason::EndToken, Verdict::Wrong { predicted: "101".into() }, Some(false), "76+25=101"),
        (" I do not know.", StopReason::EndToken, Verdict::Unparsed, None, "i do not know"),
        (" We take 76 - 25 = ", StopReason::Length, Verdict::Truncated, None, "we take 76 - 25 ="),
        (" 76 - 25 = 51.\n#### 51\n\nQ: 1 + 1 = 3", StopReason::EndToken, Verdict::Correct, Some(false), "76-25=51"),
    ] {
        let grade = task.verify(problem, completion, &stop).unwrap();
        assert_eq!((grade.verdict, task.has_false_step(problem, completion)), (verdict, false_step), "{completion}");
        assert_eq!(task.reasoning_path(completion), path);
    }
    assert!(task.leaks_hint(" The given answer is 51.\n#### 51") && task.leaks_hint("\n#### 51"));
}

#[test]
fn problems_of_the_user_replace_the_generated_ones() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("train.jsonl");
    let write = |text: &str| std::fs::write(&path, text).unwrap();
    write(
        "{\"question\": \"One?\", \"answer\": 1}\n{\"question\": \"Two?\", \"answer\": \"2.5\", \"class\": \"2 step\", \"id\": \"w7\"}\n",
    );
    let config = WordProblemsConfig { train: Some(path.clone().into()), dev_problems: 1, ..WordProblemsConfig::default() };
    let task = task(&config);
    let mut problems = task.evaluation_problems(Split::Train, 0);
    problems.extend(task.evaluation_problems(Split::Dev, 0));
    problems.sort_by(|a, b| a.answer.cmp(&b.answer));
    assert_eq!(problems.iter().map(|problem| problem.class.as_str()).collect::<Vec<_>>(), ["all", "2 step"]);
    for (text, said) in [
        ("{\"question\": \"One?\"}", "there is no \"answer\""),
        ("{\"question\": \"One?\", \"answer\": \"many\"}", "is not one number"),
        ("{\"answer\": \"1\"}", "there is no \"question\""),
        ("", "holds no row"),
    ] {
        write(text);
        let error = config.build(1).err().unwrap().to_string();
        assert!(error.starts_with("train: ") && error.contains(said), "{error}");
    }
}
