//! The task on small files.

use super::*;
use crate::types::{Reading, StopReason, Verdict};
use std::path::Path;

fn row(question: &str, solution: &str) -> String {
    serde_json::json!({"question": question, "answer": solution}).to_string() + "\n"
}

/// A config whose files are written here: 12 problems to learn from, one for each of 1 to 12 steps, and 2 of the test.
fn config(place: &Path) -> Gsm8kConfig {
    let solution = |steps: usize| "1+1 = <<1+1=2>>2\n".repeat(steps) + &format!("#### {steps},000");
    let train: String = (1..=12).map(|steps| row(&format!("In {steps} steps?"), &solution(steps))).collect();
    let test = row("A test: how much?", "#### -3") + "\n" + &row("Another?", " Half.\n#### 1/2 ");
    std::fs::write(place.join("train.jsonl"), train).unwrap();
    std::fs::write(place.join("test.jsonl"), test).unwrap();
    let (train, test) = (place.join("train.jsonl").into(), place.join("test.jsonl").into());
    Gsm8kConfig { train, test, dev_problems: 3, ..Gsm8kConfig::default() }
}

#[test]
fn problems_come_from_the_files() {
    let place = tempfile::tempdir().unwrap();
    let task = config(place.path()).build(1).unwrap();
    let (train, dev) = (task.training_problems(1), task.evaluation_problems(Split::Dev, 1));
    assert_eq!((train.len(), dev.len()), (9, 3));
    let of_train = train.iter().chain(&dev).find(|problem| problem.question == "In 3 steps?").unwrap();
    assert_eq!((of_train.answer.as_str(), of_train.class.as_str()), ("3,000", "3 steps"));
    assert!(of_train.id.0.ends_with("/00002"));
    let test = task.evaluation_problems(Split::Test, 1);
    let shown: Vec<_> = test.iter().map(|p| (p.id.0.as_str(), p.class.as_str(), p.answer.as_str())).collect();
    assert_eq!(shown, [("gsm8k/test/00000", "0 steps", "-3"), ("gsm8k/test/00001", "1 step", "1/2")]);
    let classes = ["0 steps", "1 step", "2 steps", "3 steps", "4 steps", "5 steps", "6 steps", "7 steps", "8+ steps"];
    assert_eq!(task.classes(1), classes);
    assert_eq!(task.reference(&test[1]).as_deref(), Some(" Half.\n#### 1/2"));
    for problem in train.iter().chain(&dev).chain(&test) {
        let grade = task.verify(problem, &task.reference(problem).unwrap(), &StopReason::EndToken).unwrap();
        assert_eq!((grade.reading(), grade.verdict), (Some(Reading::Hashes), Verdict::Correct));
    }
}

#[test]
fn prompts_end_where_a_blank_begins_the_completion() {
    let place = tempfile::tempdir().unwrap();
    let task = config(place.path()).build(1).unwrap();
    let problem = &task.evaluation_problems(Split::Test, 1)[0];
    assert_eq!(task.prompt(problem, Mode::Unhinted), "Q: A test: how much?\nA:");
    assert_eq!(task.prompt(problem, Mode::Hinted), "Q: A test: how much? (-3)\nA:");
    assert_eq!(task.direct_completion(problem), " #### -3");
    let examples = task.worked_examples(problem, Mode::Hinted, Style::Rationale, 2);
    let first = "Q: A bakery sells muffins in boxes of 6. On Monday it sold 9 boxes and 5 single muffins. How many muffins did it sell on Monday? (59)\nA:";
    assert_eq!((examples.len(), examples[0].prompt.as_str()), (2, first));
    assert!(examples[0].completion.starts_with(" The boxes held") && examples[0].completion.ends_with("\n#### 59"));
    assert_eq!(task.worked_examples(problem, Mode::Unhinted, Style::Direct, 1)[0].completion, " #### 59");
}

#[test]
fn the_worked_examples_are_right() {
    let config = Gsm8kConfig { check_annotations: true, ..Gsm8kConfig::default() };
    let (task, worked) = (config.grader().unwrap(), config.worked().unwrap());
    assert_eq!(worked.len(), 10);
    for Solved { problem, completion } in &worked {
        let grade = task.verify(problem, completion, &StopReason::EndToken).unwrap();
        assert_eq!((grade.reading(), grade.verdict), (Some(Reading::Hashes), Verdict::Correct), "{}", problem.question);
        assert!(task.has_false_step(problem, completion) == Some(false) && !task.leaks_hint(completion), "{completion}");
        // The last step arrives at the answer.
        assert_eq!(
            starloop_answers::audit::last_number(solution::rationale(completion).rsplit(">>").next().unwrap()).map(|last| last.value),
            number::known(&problem.answer).map(|known| known.value),
            "{completion}"
        );
    }
}

#[test]
fn a_false_annotation_counts_where_it_is_asked_for() {
    let checked = Gsm8kConfig { check_annotations: true, ..Gsm8kConfig::default() };
    for (config, counts) in [(checked, true), (Gsm8kConfig::default(), false)] {
        let task = config.grader().unwrap();
        let false_step = |completion: &str| task.has_false_step(&config.worked().unwrap()[0].problem, completion);
        assert_eq!(task.drops_false_steps(), counts);
        assert_eq!(false_step(" 2+2 = <<2+2=5>>5\n#### 72"), Some(true));
        assert_eq!(false_step(" 2+2 = <<2+2=4>>4\n#### 72\n\n<<1=2>>\nQ: <<1=2>>"), Some(false));
        assert_eq!(false_step(" 2+2 = 5\n#### 72"), if counts { None } else { Some(true) }, "only annotations lead to a drop");
    }
}

#[test]
fn an_answer_without_steps_leaks_the_hint() {
    let task = Gsm8kConfig::default().grader().unwrap();
    for (completion, leaks) in [
        (" #### 72", true),
        (" The answer in parentheses is 72.\n#### 72", true),
        (" 48+24 = 72\n#### 72", false),
        (" 48+24 = 72\n#### 72\n\nthe given answer is right", false),
    ] {
        assert_eq!(task.leaks_hint(completion), leaks, "{completion}");
    }
}

#[test]
fn an_authors_file_gives_the_worked_examples_instead() {
    let place = tempfile::tempdir().unwrap();
    let prompts = place.path().join("prompts.txt");
    std::fs::write(&prompts, "Q: In 4 steps?\nA: Four.\n#### 4,000\n\nQ: One?\nA: One.\n#### 1\n").unwrap();
    let task = Gsm8kConfig { prompts: Some(prompts), ..config(place.path()) }.build(1).unwrap();
    let problem = &task.evaluation_problems(Split::Test, 1)[0];
    let examples = task.worked_examples(problem, Mode::Unhinted, Style::Rationale, 10);
    assert_eq!((examples.len(), examples[0].completion.as_str()), (2, " Four.\n#### 4,000"));
    // The worked examples are neither learned nor measured.
    let used = [task.training_problems(1), task.evaluation_problems(Split::Dev, 1)].concat();
    assert!(used.len() == 11 && used.iter().all(|problem| problem.question != "In 4 steps?"));
}

#[test]
fn files_that_do_not_hold_what_they_should_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let good = row("One?", "#### 1");
    for (file, text, said) in [
        ("train", good.clone() + "{\"question\": \"Two?\"}\n", "train.jsonl, line 2: there is no \"answer\"; the columns are: question"),
        ("train", good.clone() + &row("Two?", "It is 2."), "train.jsonl, line 2: the solution has no line `#### N`"),
        ("test", good.clone() + &row("Two?", "#### two"), "test.jsonl, line 2: the known answer \"two\" is not one number"),
        ("test", good.clone() + &row("Two?", "#### 2 or 3"), "test.jsonl, line 2: the known answer \"2 or 3\" is not one number"),
        ("test", String::new(), "test.jsonl holds no row"),
        ("test", row("In 1 steps?", "#### 1"), "test: its line 1 is the problem of line 1 of train"),
        ("prompts", "Q: One? (1)\nA: One.\n#### 1".into(), "prompts.txt, line 1: the question ends with its answer"),
        ("prompts", "Q: One?\nA: #### 1".into(), "prompts.txt, line 1: there are no steps before the answer"),
        ("prompts", "Q: One?\nA: Therefore, the answer is 1.".into(), "prompts.txt, line 1: the solution has no line `#### N`"),
        ("prompts", "Q: Another?\nA: Half.\n#### 1/2".into(), "test: the problem of line 3 is among the worked examples: \"Another?\""),
    ] {
        let mut config = Gsm8kConfig { dev_problems: 0, ..config(place.path()) };
        let path = if file == "prompts" { place.path().join("prompts.txt") } else { place.path().join(format!("{file}.jsonl")) };
        std::fs::write(&path, text).unwrap();
        config.prompts = (file == "prompts").then_some(path);
        let error = config.build(1).err().expect("refused").to_string();
        assert!(error.starts_with(file) || error.starts_with("test"), "{error}");
        assert!(error.contains(said), "{error}");
    }
    let error = Gsm8kConfig { train: "nowhere.jsonl".into(), ..config(place.path()) }.build(1).err().expect("refused").to_string();
    assert!(error.starts_with("train: ") && error.contains("nowhere.jsonl"), "{error}");
}

#[test]
fn the_grader_needs_no_files_and_refuses_what_is_no_answer() {
    let task = Gsm8kConfig { train: "nowhere".into(), test: "nowhere".into(), ..Gsm8kConfig::default() }.grader().unwrap();
    let mut problem = problem("x".into(), "", "#### 72").unwrap();
    assert_eq!(task.verify(&problem, "72", &StopReason::EndToken).unwrap().reading(), Some(Reading::LastLine));
    assert_eq!(task.evaluation_problems(Split::Test, 1), []);
    problem.answer = "seventy-two".into();
    let error = task.verify(&problem, "72", &StopReason::EndToken).expect_err("refused").to_string();
    assert!(error.starts_with("x: the known answer \"seventy-two\" is not one number"), "{error}");
}
