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
        let reading = grade.reading.map_or(String::new(), |reading| format!(" {reading:?}").to_lowercase());
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
            (" It is big.\n#### New York", EndToken, "correct strict"),
            (" It is big.\n####  New   York.\n", EndToken, "correct strict"),
            ("#### Boston\n#### New York", EndToken, "correct strict"),
            ("#### New York\nQ: Next?\n#### Boston", EndToken, "correct strict"),
            ("#### New York\nQ: Next?\n#### Boston", Length, "correct strict"),
            ("New York", EndToken, "correct flexible"),
            ("It is big.\nSo the answer is New York.", EndToken, "correct flexible"),
            ("Answer: New York", EndToken, "correct flexible"),
            ("#### new york", EndToken, "wrong: new york strict"),
            ("It must be New York", EndToken, "wrong: It must be New York flexible"),
            ("####", EndToken, "unparsed"),
            ("", EndToken, "unparsed"),
            (" \n", EndToken, "unparsed"),
            ("#### New York", Length, "truncated"),
            ("#### New York\nand", Length, "correct strict"),
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
            ("2 * 600 = 1200\n#### 1200", EndToken, "correct strict"),
            ("#### $1,200.00", EndToken, "correct strict"),
            ("#### 2 * 600 = 1200 coins", EndToken, "correct strict"),
            ("That makes 1200.", EndToken, "correct flexible"),
            ("#### 1201", EndToken, "wrong: 1201 strict"),
            ("1200 or 7", EndToken, "wrong: 7 flexible"),
            ("#### many", EndToken, "unparsed"),
            ("none", EndToken, "unparsed"),
            ("#### 1200", Length, "truncated"),
            ("That makes 1200.", Length, "truncated"),
        ],
    );
    check(&number, "0.5", &[("#### 1/2", EndToken, "correct strict"), ("#### .50", EndToken, "correct strict")]);
}

#[test]
fn a_pattern_says_where_the_answer_is() {
    let pattern = ["task.answer_type=number", r"task.pattern=(?i)total:\s*(\S+)"];
    check(
        &pattern,
        "7",
        &[
            ("3 + 4\nTotal: 7", EndToken, "correct strict"),
            ("Total: 8. No, total: 7.", EndToken, "correct strict"),
            ("total: 8, of 7", EndToken, "wrong: 8 strict"),
            ("It is 7", EndToken, "correct flexible"),
            ("Total: 7", Length, "truncated"),
            ("Total: 7 in all", Length, "correct strict"),
        ],
    );
    let regex = ["task.answer_type=regex"];
    check(
        &regex,
        "(?i)colou?r(s)?",
        &[
            ("#### Colors", EndToken, "correct strict"),
            ("#### the colour", EndToken, "wrong: the colour strict"),
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
            ("Grass. So the answer is green (b).", EndToken, "correct strict"),
            ("the answer is green", EndToken, "correct flexible"),
            ("#### a", EndToken, "wrong: a strict"),
            ("#### b\nQ: Next?\n#### a", Length, "correct strict"),
            ("neither", EndToken, "unparsed"),
            ("the answer is green (b)", Length, "correct strict"),
            ("the answer is", Length, "truncated"),
        ],
    );
    let with_pattern = [&choice[..], &["task.pattern=I take ([^.]*)"]].concat();
    check(
        &with_pattern,
        "green",
        &[("The answer is (a). I take B.", EndToken, "correct strict"), ("(b)", EndToken, "unparsed"), ("I take b", Length, "truncated")],
    );
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
