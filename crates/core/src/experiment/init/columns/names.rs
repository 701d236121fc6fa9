//! The names that columns of published and private data sets have, without capitals, blanks, `_` and `-`. Earlier names come first.

pub(super) const QUESTIONS: &[&str] = &[
    "question.stem",
    "question",
    "problem",
    "prompt",
    "query",
    "instruction",
    "input",
    "questiontext",
    "questionstem",
    "question.text",
    "problemtext",
    "problemstatement",
    "stem",
    "text",
    "exercise",
    "sentence",
    "ctx",
    "goal",
    "task",
    "q",
];
pub(super) const ANSWERS: &[&str] = &[
    "answer",
    "finalanswer",
    "answerkey",
    "correctanswer",
    "answeridx",
    "answerindex",
    "answerletter",
    "answer.value",
    "answer.text",
    "label",
    "target",
    "output",
    "gold",
    "goldanswer",
    "expected",
    "expectedanswer",
    "expectedoutput",
    "groundtruth",
    "correct",
    "correctoption",
    "correctchoice",
    "correctindex",
    "cop",
    "result",
    "response",
    "completion",
    "reference",
    "a",
];
pub(super) const CHOICES: &[&str] = &[
    "choices",
    "question.choices",
    "options",
    "question.options",
    "answerchoices",
    "answeroptions",
    "choicelist",
    "alternatives",
    "candidates",
    "endings",
    "answers",
];
/// The beginnings of names of which each choice has one: `option1`, `choice_a`.
pub(super) const EACH_CHOICE: &[&str] = &["opt", "choice", "answer", "alternative", "candidate", "ending", "op", "sol"];
pub(super) const RATIONALES: &[&str] =
    &["rationale", "explanation", "reasoning", "chainofthought", "cot", "solution", "workedsolution", "steps", "reason", "thoughts"];
pub(super) const IDS: &[&str] = &["id", "qid", "uid", "questionid", "problemid", "exampleid", "uuid", "idx"];
pub(super) const CLASSES: &[&str] = &["class", "category", "subject", "topic", "level", "difficulty", "type", "domain", "subset"];

/// A name as it is compared.
pub(super) fn folded(name: &str) -> String {
    name.trim().chars().filter(|c| ![' ', '_', '-'].contains(c)).flat_map(char::to_lowercase).collect()
}
