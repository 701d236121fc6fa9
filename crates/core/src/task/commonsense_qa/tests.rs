//! The task on small files.

use super::*;
use crate::types::{Reading, StopReason, Verdict};
use serde_json::{Value, json};
use std::path::Path;

const LETTERS: [&str; 5] = ["A", "B", "C", "D", "E"];

fn row(number: usize, key: &str) -> Value {
    let choices: Vec<Value> = LETTERS.iter().map(|label| json!({"label": label, "text": format!("thing {label}{number} ")})).collect();
    json!({"answerKey": key, "id": format!("id{number}"), "question": {"stem": format!("Which is {number}? "), "choices": choices}})
}

fn write(path: &Path, rows: &[Value]) {
    std::fs::write(path, rows.iter().map(|row| row.to_string() + "\n").collect::<String>()).unwrap();
}

/// A config whose files are written here: 10 problems to learn from and 2 of the test.
fn config(place: &Path) -> CommonsenseQaConfig {
    let (train, test) = (place.join("train.jsonl"), place.join("test.jsonl"));
    write(&train, &(0..10).map(|number| row(number, LETTERS[number % 5])).collect::<Vec<_>>());
    write(&test, &[row(20, "B"), row(21, "e")]);
    CommonsenseQaConfig { train: train.into(), test: test.into(), dev_problems: 3, ..CommonsenseQaConfig::default() }
}

#[test]
fn problems_come_from_the_files() {
    let place = tempfile::tempdir().unwrap();
    let task = config(place.path()).build(1).unwrap();
    assert_eq!((task.training_problems(1).len(), task.evaluation_problems(Split::Dev, 1).len()), (7, 3));
    let test = task.evaluation_problems(Split::Test, 1);
    let shown: Vec<_> = test.iter().map(|p| (p.id.0.as_str(), p.class.as_str(), p.answer.as_str())).collect();
    assert_eq!(shown, [("commonsense_qa/test/id20", "(b)", "b"), ("commonsense_qa/test/id21", "(e)", "e")]);
    assert_eq!(task.classes(1), ["(a)", "(b)", "(c)", "(d)", "(e)"]);
    assert!((task.chance() - 0.2).abs() < 1e-12);
    assert_eq!(task.reference(&test[0]), None);
}

#[test]
fn prompts_show_the_choices_and_the_hint_beside_the_right_one() {
    let place = tempfile::tempdir().unwrap();
    let task = config(place.path()).build(1).unwrap();
    let problem = &task.evaluation_problems(Split::Test, 1)[0];
    let plain = "Q: Which is 20?\nAnswer Choices:\n(a) thing A20\n(b) thing B20\n(c) thing C20\n(d) thing D20\n(e) thing E20\nA:";
    assert_eq!(task.prompt(problem, Mode::Unhinted), plain);
    assert_eq!(task.prompt(problem, Mode::Hinted), plain.replace("thing B20", "thing B20 (CORRECT)"));
    assert_eq!(task.direct_completion(problem), " (b).");
    let examples = task.worked_examples(problem, Mode::Hinted, Style::Rationale, 2);
    assert!(examples.len() == 2 && examples[0].prompt.contains("\n(b) library (CORRECT)\n(c) cinema\n"));
    assert!(
        examples[0].completion.starts_with(" The answer must")
            && examples[0].completion.ends_with(" Therefore, the answer is library (b).")
    );
    assert_eq!(task.worked_examples(problem, Mode::Unhinted, Style::Direct, 1)[0].completion, " (b).");
}

#[test]
fn choices_can_be_shown_without_letters() {
    let place = tempfile::tempdir().unwrap();
    let task = CommonsenseQaConfig { choice_style: choice::ChoiceStyle::Text, ..config(place.path()) }.build(1).unwrap();
    let problem = &task.evaluation_problems(Split::Test, 1)[0];
    let plain = "Q: Which is 20?\nAnswer Choices:\n- thing A20\n- thing B20\n- thing C20\n- thing D20\n- thing E20\nA:";
    assert_eq!(task.prompt(problem, Mode::Unhinted), plain);
    assert_eq!(task.prompt(problem, Mode::Hinted), plain.replace("thing B20", "thing B20 (CORRECT)"));
    assert_eq!(task.direct_completion(problem), " thing B20.");
    let examples = task.worked_examples(problem, Mode::Unhinted, Style::Rationale, 10);
    assert!(examples.iter().all(|example| !example.prompt.contains("(a)") && !example.completion.contains('(')), "{examples:?}");
    for (completion, expected) in [("the answer is thing B20.", "correct"), ("the answer is thing C20.", "wrong"), ("(b)", "unparsed")] {
        assert_eq!(task.verify(problem, completion, &StopReason::EndToken).unwrap().verdict.name(), expected);
    }
}

#[test]
fn the_worked_examples_are_in_the_form_of_the_task() {
    let config = CommonsenseQaConfig::default();
    let (task, worked) = (config.grader().unwrap(), config.worked().unwrap());
    let mut letters: Vec<&str> = worked.iter().map(|solved| solved.problem.answer.as_str()).collect();
    letters.sort_unstable();
    // No letter is shown more often than another.
    assert_eq!(letters.concat(), "aabbccddee");
    for Solved { problem, completion } in &worked {
        let grade = task.verify(problem, completion, &StopReason::EndToken).unwrap();
        assert_eq!((grade.reading(), grade.verdict), (Some(Reading::Phrase), Verdict::Correct), "{}", problem.question);
        let right = &problem.choices[choice::known(&problem.answer, &problem.choices).unwrap()];
        assert!(completion.ends_with(&format!(" Therefore, the answer is {right} ({}).", problem.answer)), "{completion}");
        assert!(!task.leaks_hint(completion) && task.leaks_hint(&task.direct_completion(problem)));
    }
}

#[test]
fn files_that_do_not_hold_what_they_should_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let odd = |change: fn(&mut Value)| {
        let mut odd = row(2, "B");
        change(&mut odd);
        odd
    };
    for (second, said) in [
        (odd(|row| row["answerKey"] = "F".into()), "\"answerKey\" is \"F\", expected one of the labels A, B, C, D, E"),
        (odd(|row| row["answerKey"] = Value::Null), "there is no \"answerKey\"; it is null, expected a value"),
        (odd(|row| row["question"]["stem"] = 3.into()), "\"question.stem\" must be a text, found 3"),
        (odd(|row| row["question"]["choices"] = "A".into()), "\"question.choices\" is not the list that it should be: \"A\""),
        (odd(|row| row["question"]["choices"] = json!([])), "the problem has no choices"),
        (odd(|row| row["question"]["choices"][1]["text"] = " ".into()), "expected 2 to 26 choices with a text each, found 5"),
        (odd(|row| row["question"]["choices"][1]["label"] = "C".into()), "found \"C\" in the place of B"),
        (row(2, ""), "\"answerKey\" is \"\""),
    ] {
        let config = config(place.path());
        write(config.test.path(), &[row(20, "B"), second]);
        let error = config.build(1).err().expect("refused").to_string();
        assert!(error.starts_with("test: ") && error.contains("test.jsonl, line 2: ") && error.contains(said), "{error}");
    }
    let config = config(place.path());
    write(config.test.path(), &[row(20, "B"), row(21, "C"), row(20, "D")]);
    assert_eq!(config.build(1).err().expect("refused").to_string(), "test: lines 1 and 3 have the same id: id20");
}

#[test]
fn prompt_files_that_are_not_the_plain_ones_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let question = "Q: Where?\nAnswer Choices:\n(a) here\n(b) there\n";
    for (text, said) in [
        (
            question.replace("here\n(b)", "here (CORRECT)\n(b)") + "A: Near. Therefore, the answer is here (a).",
            "a choice is marked (CORRECT)",
        ),
        (question.to_owned() + "A: (a).", "there is no rationale before the answer"),
        (question.to_owned() + "A: Near, so it is here.", "the solution does not end with `the answer is <text> (b).`"),
        (question.to_owned() + "A: Near. Therefore, the answer is here (c).", "the solution does not end with"),
        (question.replace("(b)", "b)") + "A: Near.", "expected `(b) <text>`, found \"b) there\""),
        ("Q: Where?\nA: Therefore, the answer is here.".to_owned(), "no line `Answer Choices:` follows the question"),
    ] {
        let prompts = place.path().join("prompts.txt");
        std::fs::write(&prompts, text).unwrap();
        let error = CommonsenseQaConfig { prompts: Some(prompts), ..config(place.path()) }.build(1).err().expect("refused").to_string();
        assert!(error.starts_with("prompts: ") && error.contains("prompts.txt, line 1: ") && error.contains(said), "{error}");
    }
}

#[test]
fn the_grader_takes_the_known_answer_as_letter_or_text() {
    let task = CommonsenseQaConfig { train: "nowhere".into(), ..CommonsenseQaConfig::default() }.grader().unwrap();
    let mut problem = problem("x", "", 1, vec!["ink".into(), "blotter".into()]);
    for answer in ["b", "B", "(b)", "b.", "blotter", " Blotter "] {
        problem.answer = answer.into();
        assert_eq!(
            task.verify(&problem, "the answer is blotter (b).", &StopReason::EndToken).unwrap().verdict,
            Verdict::Correct,
            "{answer}"
        );
    }
    for (answer, choices, said) in [
        ("c", &problem.choices[..], "x: the answer \"c\" names none of the choices, or two of them: ink, blotter"),
        ("b", &[], "x: the problem has no choices"),
        ("a", &problem.choices[..1], "x: expected 2 to 26 choices"),
    ] {
        let problem = Problem { answer: answer.into(), choices: choices.to_vec(), ..problem.clone() };
        let error = task.verify(&problem, "(a)", &StopReason::EndToken).expect_err("refused").to_string();
        assert!(error.starts_with(said), "{error}");
    }
}

#[test]
fn a_problem_of_the_models_own_is_not_graded() {
    let task = CommonsenseQaConfig::default().grader().unwrap();
    let problem = problem("x", "", 1, vec!["ink".into(), "blotter".into()]);
    for (completion, stop_reason, expected) in [
        ("the answer is blotter (b).\n\nQ: Where?\nA: the answer is ink (a).", StopReason::EndToken, "correct"),
        ("\nQ: the answer is blotter (b).", StopReason::EndToken, "unparsed"),
        ("it is a blotter\nQ: Next", StopReason::Length, "correct"),
        ("I do not know\nQ: Next", StopReason::Length, "unparsed"),
    ] {
        assert_eq!(task.verify(&problem, completion, &stop_reason).unwrap().verdict.name(), expected, "{completion:?}");
    }
    assert!(task.leaks_hint("\nQ: Next") && !task.leaks_hint("I do not know.\nQ: by the hint"));
}

#[test]
fn the_rows_on_the_hub_are_the_same_problems() {
    let place = tempfile::tempdir().unwrap();
    let config = config(place.path());
    let of_authors = config.build(1).unwrap_or_else(|error| panic!("{error}")).training_problems(1);
    let on_hub = |row: Value| {
        let choices = row["question"]["choices"].as_array().cloned().unwrap_or_default();
        let column = |part: &str| choices.iter().map(|choice| choice[part].clone()).collect::<Vec<_>>();
        let choices = json!({"label": column("label"), "text": column("text")});
        json!({"id": row["id"], "question": row["question"]["stem"], "choices": choices, "answerKey": row["answerKey"]})
    };
    write(config.train.path(), &(0..10).map(|number| on_hub(row(number, LETTERS[number % 5]))).collect::<Vec<_>>());
    assert_eq!(config.build(1).unwrap_or_else(|error| panic!("{error}")).training_problems(1), of_authors);
}
