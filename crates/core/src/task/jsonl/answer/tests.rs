//! Verdict tables, with settings as on the command line.

use super::*;
use crate::registry::Registry;
use crate::types::ProblemId;
use StopReason::{EndToken, Length};

/// Rows of a verdict table: completion, how it ended, verdict with reading. The settings are as on the command line.
#[track_caller]
fn check(settings: &[&str], answer: &str, rows: &[(&str, StopReason, &str)]) {
    let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
    let task = Registry::default().task_settings("jsonl", &settings).unwrap_or_else(|error| panic!("{error}"));
    let task = task.grader().unwrap_or_else(|error| panic!("{error}"));
    let choices =
        if settings.iter().any(|setting| setting.contains("choice")) { vec!["red".to_owned(), "green".to_owned()] } else { Vec::new() };
    let problem = Problem { id: ProblemId("p".into()), class: String::new(), question: String::new(), answer: answer.into(), choices };
    for (completion, stop_reason, expected) in rows {
        let grade = task.verify(&problem, completion, stop_reason).unwrap_or_else(|error| panic!("{error}"));
        let reading = grade.reading().map_or(String::new(), |reading| format!(" {}", reading.name()));
        let shown = match grade.verdict {
            Verdict::Wrong { predicted } => format!("wrong: {predicted}{reading}"),
            other => format!("{}{reading}", other.name()),
        };
        assert_eq!(shown, *expected, "{completion:?} ended by {stop_reason:?}");
    }
}

#[test]
fn texts_are_compared_as_texts() {
    check(
        &[],
        "New York",
        &[
            (" It is big.\n#### New York", EndToken, "correct hashes"),
            (" It is big.\n####  New   York.\n", EndToken, "correct hashes"),
            ("#### Boston\n#### New York", EndToken, "correct hashes"),
            ("#### New York\nQ: Next?\n#### Boston", EndToken, "correct hashes"),
            ("#### New York\nQ: Next?\n#### Boston", Length, "correct hashes"),
            ("New York", EndToken, "correct last_line"),
            ("It is big.\nSo the answer is **New York**.", EndToken, "correct phrase"),
            ("Answer: New York", EndToken, "correct phrase"),
            ("<answer>New York</answer> is big.", EndToken, "correct tag"),
            ("It is \\boxed{New York}, I am sure.", EndToken, "correct boxed"),
            ("It is big.\n####\n\nNew York", EndToken, "correct hashes"),
            ("<think>#### Boston</think>#### New York", EndToken, "correct hashes"),
            ("<think>#### New York", EndToken, "truncated"),
            ("#### new york", EndToken, "wrong: new york hashes"),
            ("It must be New York", EndToken, "wrong: It must be New York last_line"),
            ("####", EndToken, "unparsed hashes"),
            ("", EndToken, "unparsed"),
            (" \n", EndToken, "unparsed"),
            ("#### New York", Length, "truncated"),
            ("#### New York\nand", Length, "correct hashes"),
            ("The answer is New York.\n", Length, "truncated"),
            ("", Length, "truncated"),
        ],
    );
}

#[test]
fn numbers_are_compared_as_numbers() {
    let number = ["task.answer_type=number"];
    check(
        &number,
        "1,200",
        &[
            ("2 * 600 = 1200\n#### 1200", EndToken, "correct hashes"),
            ("#### $1,200.00", EndToken, "correct hashes"),
            ("#### 2 * 600 = 1200 coins", EndToken, "correct hashes"),
            ("That makes 1200.", EndToken, "correct last_number"),
            ("The answer is 1.200,00 €, after 3 days.", EndToken, "correct phrase"),
            ("#### 1201", EndToken, "wrong: 1201 hashes"),
            ("1200 or 7", EndToken, "unparsed last_line"),
            ("#### many", EndToken, "unparsed hashes"),
            ("none", EndToken, "unparsed"),
            ("#### 1200", Length, "truncated"),
            ("That makes 1200.", Length, "truncated"),
        ],
    );
    check(&number, "0.5", &[("#### 1/2", EndToken, "correct hashes"), ("#### .50", EndToken, "correct hashes")]);
}

#[test]
fn a_pattern_says_where_the_answer_is() {
    let pattern = ["task.answer_type=number", r"task.pattern=(?i)total:\s*(\S+)"];
    check(
        &pattern,
        "7",
        &[
            ("3 + 4\nTotal: 7", EndToken, "correct pattern"),
            ("Total: 8. No, total: 7.", EndToken, "correct pattern"),
            ("total: 8, of 7", EndToken, "wrong: 8 pattern"),
            ("It is 7", EndToken, "correct last_line"),
            ("Total: 7", Length, "truncated"),
            ("Total: 7 in all", Length, "correct pattern"),
        ],
    );
    let regex = ["task.answer_type=regex"];
    check(
        &regex,
        "(?i)colou?r(s)?",
        &[
            ("#### Colors", EndToken, "correct hashes"),
            ("#### the colour", EndToken, "wrong: the colour hashes"),
            ("", EndToken, "unparsed"),
        ],
    );
}

#[test]
fn choices_are_read_by_letter_or_text() {
    let choice = ["task.answer_type=choice", "task.choices=options"];
    check(
        &choice,
        "b",
        &[
            ("Grass. So the answer is green (b).", EndToken, "correct phrase"),
            ("the answer is green", EndToken, "correct phrase"),
            ("#### a", EndToken, "wrong: a hashes"),
            ("#### b\nQ: Next?\n#### a", Length, "correct hashes"),
            ("neither", EndToken, "unparsed"),
            ("the answer is green (b)", Length, "correct phrase"),
            ("the answer is", Length, "truncated"),
        ],
    );
    let with_pattern = [&choice[..], &["task.pattern=I take ([^.]*)"]].concat();
    check(
        &with_pattern,
        "green",
        &[("The answer is (a). I take B.", EndToken, "correct pattern"), ("(b)", EndToken, "unparsed"), ("I take b", Length, "truncated")],
    );
}

#[test]
fn a_letter_that_contradicts_its_text_is_judged_as_the_task_says() {
    let completion = "So the answer is green (a).";
    for (preference, expected) in [("letter", "wrong: a phrase"), ("text", "correct phrase"), ("neither", "contradiction phrase")] {
        let settings =
            ["task.answer_type=choice".to_owned(), "task.choices=options".to_owned(), format!("task.choice_preference={preference}")];
        check(&settings.each_ref().map(String::as_str), "b", &[(completion, EndToken, expected)]);
    }
}

#[test]
fn choices_without_letters_are_read_by_their_text() {
    let text = ["task.answer_type=choice", "task.choices=options", "task.choice_style=text"];
    check(
        &text,
        "green",
        &[
            ("So the answer is green.", EndToken, "correct phrase"),
            ("The answer is red.", EndToken, "wrong: red phrase"),
            ("The answer is (b).", EndToken, "unparsed"),
        ],
    );
}

#[test]
fn numbers_are_right_within_the_tolerance() {
    let rows =
        |inside: &'static str, outside: &'static str| [(inside, EndToken, "correct hashes"), (outside, EndToken, "wrong: 3.2 hashes")];
    check(&["task.answer_type=number", "task.tolerance=0.01"], "3.14", &rows("#### 3.15", "#### 3.2"));
    check(&["task.answer_type=number", "task.relative_tolerance=0.01"], "3.14", &rows("#### 3.17", "#### 3.2"));
    for (settings, said) in [
        (&["task.tolerance=-1"][..], "tolerance: must be 0 or more, found -1"),
        (&["task.tolerance=nan"], "tolerance: must be 0 or more, found NaN"),
        (&["task.relative_tolerance=inf"], "relative_tolerance: must be 0 or more, found inf"),
        (&["task.tolerance=1", "task.relative_tolerance=1"], "tolerance: cannot be set together with relative_tolerance"),
    ] {
        let settings: Vec<String> = settings.iter().chain(&["task.answer_type=number"]).map(|&setting| setting.to_owned()).collect();
        let refused = Registry::default().task_settings("jsonl", &settings).unwrap_or_else(|error| panic!("{error}")).grader();
        let error = refused.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.starts_with(said), "{error}");
    }
}

#[test]
fn a_known_answer_that_is_none_is_an_error_that_names_the_problem() {
    for (settings, answer, said) in [
        (vec!["task.answer_type=number"], "x", "p: the answer \"x\" is not a number"),
        (vec!["task.answer_type=regex"], "(", "p: the answer is not a regular expression: unclosed group"),
        (vec!["task.answer_type=choice", "task.choices=c"], "a", "p: the answer \"a\" names none of the choices"),
        (vec![], " ", "p: the answer is empty"),
    ] {
        let settings: Vec<String> = settings.into_iter().map(str::to_owned).collect();
        let task = Registry::default().task_settings("jsonl", &settings).unwrap_or_else(|error| panic!("{error}")).grader();
        let id = ProblemId("p".into());
        let problem = Problem { id, class: String::new(), question: String::new(), answer: answer.into(), choices: Vec::new() };
        let error =
            task.unwrap_or_else(|error| panic!("{error}")).verify(&problem, "#### 1", &EndToken).err().map(|error| error.to_string());
        assert!(error.as_deref().is_some_and(|error| error.starts_with(said)), "{error:?}");
    }
}
