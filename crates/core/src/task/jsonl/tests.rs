//! Rows become prompts and verdicts. An error names the place of bad input.

use super::*;
use crate::external::data_source::DataSource;
use StopReason::{EndToken, Length};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Files of a test.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Place(tempfile::tempdir().unwrap_or_else(|error| panic!("{error}")))
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap_or_else(|error| panic!("{error}"));
        path
    }

    fn rows(&self, name: &str, rows: &[Value]) -> DataSource {
        self.file(name, &rows.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")).into()
    }
}

fn sums(count: u32) -> Vec<Value> {
    (0..count).map(|n| json!({"question": format!("{n} + 1?"), "answer": n + 1, "kind": if n % 2 == 0 { "even" } else { "odd" }})).collect()
}

fn example(question: &str, rationale: &str, answer: &str) -> toml::Table {
    [("question", question), ("rationale", rationale), ("answer", answer)]
        .map(|(key, text)| (key.to_owned(), text.into()))
        .into_iter()
        .collect()
}

fn numbers(place: &Place) -> JsonlConfig {
    JsonlConfig {
        train: place.rows("train.jsonl", &sums(30)),
        answer_type: AnswerType::Number,
        class: Some("kind".into()),
        dev_problems: 10,
        examples: vec![example("2 + 2?", "Two and two.", "4"), example("3 + 3?", "Three and three make {{ answer }}.", "6")],
        ..JsonlConfig::default()
    }
}

fn task(config: &JsonlConfig) -> JsonlTask {
    JsonlTask::new(config, 1).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(config: &JsonlConfig) -> String {
    JsonlTask::new(config, 1).err().expect("it cannot be").to_string()
}

#[test]
fn a_wrong_hint_shows_a_wrong_answer() {
    let place = Place::new();
    let wrong = |config: &JsonlConfig| {
        let task = task(config);
        let problem = task.training_problems(1).swap_remove(0);
        task.with_wrong_answer(&problem).map(|wrong| (problem.answer, wrong.answer.clone(), task.prompt(&wrong, Mode::Hinted)))
    };
    let sums = JsonlConfig { hint: " ({{ answer }})".into(), prompt: "{{ question }}{{ hint }}\n".into(), ..numbers(&place) };
    let (right, answer, prompt) = wrong(&sums).unwrap_or_else(|| panic!("a whole number has wrong ones"));
    assert!(right != answer && prompt.ends_with(&format!("? ({answer})\n")), "{right} {answer} {prompt:?}");
    // This hint shows the question again, and not the answer.
    assert_eq!(wrong(&JsonlConfig { hint: " ({{ question }})".into(), ..sums.clone() }), None);
    let rows: Vec<Value> =
        (0..30).map(|n| json!({"question": format!("{n}?"), "answer": "b", "choices": ["red", "blue", "green"]})).collect();
    let choices = JsonlConfig {
        train: place.rows("choices.jsonl", &rows),
        answer_type: AnswerType::Choice,
        choices: Some("choices".into()),
        class: None,
        examples: Vec::new(),
        prompt: "{{ question }} {{ choices | join(', ') }}{{ hint }}\n".into(),
        hint: " ({{ answer_text }})".into(),
        direct_completion: " ({{ answer }})".into(),
        ..sums
    };
    let (_, answer, prompt) = wrong(&choices).unwrap_or_else(|| panic!("a choice has others"));
    let text = if answer == "a" { "red" } else { "green" };
    assert!(["a", "c"].contains(&answer.as_str()) && prompt.ends_with(&format!(" ({text})\n")), "{answer} {prompt:?}");
}

#[test]
fn a_row_becomes_prompts_and_completions() {
    let place = Place::new();
    let task = task(&numbers(&place));
    let (train, dev) = (task.training_problems(1), task.evaluation_problems(Split::Dev, 1));
    assert_eq!((train.len(), dev.len(), task.evaluation_problems(Split::Test, 1).len()), (20, 10, 0));
    let problem = train.iter().find(|problem| problem.question.contains("7 + 1")).or_else(|| train.first()).expect("train has problems");
    let n: u32 = problem.answer.parse().expect("a number");
    assert_eq!(problem.id.0, format!("jsonl/train/{:05}", n - 1));
    assert_eq!(task.prompt(problem, Mode::Unhinted), format!("Q: {} + 1?\nA:", n - 1));
    assert_eq!(task.prompt(problem, Mode::Hinted), format!("Q: {} + 1? ({n})\nA:", n - 1));
    assert_eq!(task.direct_completion(problem), format!(" #### {n}"));
    assert_eq!(task.reference(problem), None);
    let mut classes = task.classes(1);
    classes.sort();
    assert_eq!(classes, ["even", "odd"]);
}

#[test]
fn worked_examples_show_rationales_hints_and_direct_answers() {
    let place = Place::new();
    let task = task(&numbers(&place));
    let problem = &task.training_problems(1)[0];
    let shown = |mode, style, count| -> Vec<(String, String)> {
        task.worked_examples(problem, mode, style, count).into_iter().map(|example| (example.prompt, example.completion)).collect()
    };
    let pair = |prompt: &str, completion: &str| (prompt.to_owned(), completion.to_owned());
    let first = pair("Q: 2 + 2?\nA:", " Two and two.\n#### 4");
    assert_eq!(shown(Mode::Unhinted, Style::Rationale, 1), std::slice::from_ref(&first));
    assert_eq!(shown(Mode::Unhinted, Style::Rationale, 9), [first, pair("Q: 3 + 3?\nA:", " Three and three make 6.\n#### 6")]);
    assert_eq!(shown(Mode::Hinted, Style::Rationale, 1), [pair("Q: 2 + 2? (4)\nA:", " Two and two.\n#### 4")]);
    assert_eq!(shown(Mode::Unhinted, Style::Direct, 1), [pair("Q: 2 + 2?\nA:", " #### 4")]);
    let file = place.rows("examples.jsonl", &[json!({"question": "2 + 2?", "rationale": "Two and two.", "answer": 4})]);
    let from_file = self::task(&JsonlConfig { examples: Vec::new(), examples_file: Some(file), ..numbers(&place) });
    assert_eq!(
        from_file.worked_examples(problem, Mode::Unhinted, Style::Rationale, 1),
        task.worked_examples(problem, Mode::Unhinted, Style::Rationale, 1)
    );
}

#[test]
fn a_known_rationale_is_the_reference() {
    let place = Place::new();
    let rows = [json!({"q": {"text": "1 + 1?"}, "gold": 2, "why": "One and one."}), json!({"q": {"text": "2 + 1?"}, "gold": 3})];
    let config = JsonlConfig {
        train: place.rows("t.jsonl", &rows),
        dev_problems: 0,
        answer: "gold".into(),
        rationale: "why".into(),
        prompt: "{{ q.text }}{{ hint }}\n".into(),
        ..numbers(&place)
    };
    let config = JsonlConfig { examples: Vec::new(), class: None, ..config };
    let task = task(&config);
    let references: Vec<_> = task.training_problems(1).iter().map(|problem| task.reference(problem)).collect();
    assert_eq!(references, [Some(" One and one.\n#### 2".to_owned()), None]);
    assert_eq!(task.prompt(&task.training_problems(1)[0], Mode::Hinted), "1 + 1? (2)\n");
}

const ASKED: &str = "Q: {{ question }}\n{% for choice in choices %}({{ 'abcde'[loop.index0] }}) {{ choice }}\
                     {% if choice == answer_text %}{{ hint }}{% endif %}\n{% endfor %}A:";

fn choices(place: &Place, rows: &[Value]) -> JsonlConfig {
    JsonlConfig {
        train: place.rows("choices.jsonl", rows),
        dev_problems: 0,
        answer_type: AnswerType::Choice,
        choices: Some("choices".into()),
        prompt: ASKED.into(),
        hint: " (CORRECT)".into(),
        completion: " {{ rationale }} So the answer is {{ answer_text }} ({{ answer }}).".into(),
        direct_completion: " The answer is {{ answer_text }} ({{ answer }}).".into(),
        ..JsonlConfig::default()
    }
}

#[test]
fn choices_may_be_written_in_several_ways() {
    let place = Place::new();
    let texts = json!(["red", "green", "blue"]);
    let labelled = json!([{"label": "A", "text": "red"}, {"label": "B", "text": "green"}, {"label": "C", "text": "blue"}]);
    let apart = json!({"label": ["1", "2", "3"], "text": ["red", "green", "blue"]});
    for (listed, answer) in [
        (&texts, json!("b")),
        (&texts, json!("B")),
        (&texts, json!("(b)")),
        (&texts, json!("green")),
        (&texts, json!(1)),
        (&labelled, json!("B")),
        (&labelled, json!("green")),
        (&apart, json!("2")),
    ] {
        let row = json!({"question": format!("{answer} {listed}?"), "choices": listed, "answer": answer});
        let task = task(&choices(&place, &[row]));
        let problem = &task.training_problems(1)[0];
        assert_eq!((problem.answer.as_str(), problem.choices.len()), ("b", 3), "{answer} of {listed}");
        assert!(task.prompt(problem, Mode::Unhinted).ends_with("(a) red\n(b) green\n(c) blue\nA:"));
        assert!(task.prompt(problem, Mode::Hinted).ends_with("(a) red\n(b) green (CORRECT)\n(c) blue\nA:"));
        assert_eq!(task.direct_completion(problem), " The answer is green (b).");
        assert!((task.chance() - 1.0 / 3.0).abs() < 1e-12);
    }
    for (listed, answer, said) in [
        (texts.clone(), json!("d"), "the answer \"d\" names none of the choices"),
        (texts.clone(), json!(3), "the answer 3 names none of the choices"),
        (json!([0, 2, 1]), json!(1), "the answer 1 names none of the choices, or two"),
        (json!(["red"]), json!("a"), "\"choices\" holds 1 choices"),
        (json!("red, green"), json!("a"), "\"choices\" must be a list of texts, or of objects"),
        (json!([{"name": "red"}]), json!("a"), "\"choices\" must be a list of texts, or of objects"),
        (json!([["red"], ["green"]]), json!("a"), "\"choices\" must be a list of texts, or of objects"),
    ] {
        let row = json!({"question": "?", "choices": listed, "answer": answer});
        let error = refused(&choices(&place, &[row]));
        assert!(error.contains("choices.jsonl, line 1: ") && error.contains(said), "{error}");
    }
}

#[test]
fn rows_that_cannot_be_are_told_with_file_and_line() {
    let place = Place::new();
    let good = json!({"question": "1?", "answer": "1", "kind": "x"});
    for (second, said) in [
        ("{\"question\": ", "line 2: not a JSON object"),
        ("{\"question\": \"2?\", \"kind\": \"x\"}", "line 2: there is no \"answer\"; the columns are: kind, question"),
        ("{\"answer\": 2, \"kind\": \"x\"}", "line 2: in the template `prompt`: the template asks for `question`"),
        ("{\"question\": \"2?\", \"answer\": 2}", "line 2: there is no \"kind\""),
        ("{\"question\": \"2?\", \"answer\": \"two\", \"kind\": \"x\"}", "line 2: the answer \"two\" is not a number"),
        ("{\"question\": \"2?\", \"answer\": 2, \"kind\": \"x\", \"rationale\": 5}", "line 2: \"rationale\" must be a text, found 5"),
    ] {
        let train = place.file("bad.jsonl", &format!("{good}\n{second}\n")).into();
        let error = refused(&JsonlConfig { train, ..numbers(&place) });
        assert!(error.starts_with("train: ") && error.contains(&format!("bad.jsonl, {said}")), "{error}");
    }
    let error = refused(&JsonlConfig {
        id: Some("name".into()),
        train: place.rows(
            "same.jsonl",
            &[
                json!({"question": "1?", "answer": 1, "kind": "x", "name": 7}),
                json!({"question": "2?", "answer": 2, "kind": "x", "name": "7"}),
            ],
        ),
        ..numbers(&place)
    });
    assert_eq!(error, "train: lines 1 and 2 have the same id: 7");
}

#[test]
fn settings_that_cannot_be_are_told_by_their_key() {
    let place = Place::new();
    let base = || numbers(&place);
    let command = vec!["sh".to_owned()];
    for (config, said) in vec![
        (JsonlConfig { train: DataSource::default(), ..base() }, "train: is missing"),
        (JsonlConfig { dev_problems: 40, ..base() }, "dev_problems: 40 of 30 different problems"),
        (JsonlConfig { test: Some(place.rows("t.jsonl", &sums(3))), ..base() }, " is the problem of line"),
        (
            JsonlConfig { examples: vec![example("0 + 1?", "One.", "1")], dev: Some(place.rows("d.jsonl", &sums(1))), ..base() },
            "dev: the problem of line 1 is among the worked examples",
        ),
        (JsonlConfig { answer_type: AnswerType::Choice, ..base() }, "choices: answer_type = \"choice\" needs"),
        (JsonlConfig { choices: Some("c".into()), ..base() }, "choices: is allowed with answer_type"),
        (JsonlConfig { answer_type: AnswerType::Command, ..base() }, "command: and answer_type = \"command\" go together"),
        (JsonlConfig { command: command.clone(), ..base() }, "command: and answer_type = \"command\" go together"),
        (JsonlConfig { command, answer_type: AnswerType::Command, pattern: Some("(.)".into()), ..base() }, "pattern: is not allowed"),
        (JsonlConfig { pattern: Some("(".into()), ..base() }, "pattern: unclosed group"),
        (JsonlConfig { pattern: Some("x".into()), ..base() }, "pattern: must have one group (...) around the answer, found 0"),
        (
            JsonlConfig { pattern: Some("result: (.*)".into()), ..base() },
            "examples: example 1: the right answer \"4\", as `direct_completion` writes it",
        ),
        (JsonlConfig { leaks: vec!["(".into()], ..base() }, "leaks: unclosed group"),
        (JsonlConfig { time_limit_seconds: 0.0, ..base() }, "time_limit_seconds: must be in 0..=86400"),
        (JsonlConfig { most_failures: 0, ..base() }, "most_failures: must be at least 1"),
        (JsonlConfig { chance: Some(1.5), ..base() }, "chance: must be in 0..=1"),
        (JsonlConfig { stop: vec![String::new()], ..base() }, "stop: has an empty text"),
        (JsonlConfig { examples_file: Some("x.jsonl".into()), ..base() }, "examples_file: worked examples stand either there or"),
        (JsonlConfig { examples: vec![example("2?", " ", "2")], ..base() }, "examples: example 1: \"rationale\" is empty"),
        (JsonlConfig { examples: vec![example("2?", "{{ x", "2")], ..base() }, "examples: example 1: in \"rationale\": "),
        (
            JsonlConfig { examples: vec![example("2?", "So.\n#### 3", "2")], completion: "{{ rationale }}".into(), ..base() },
            "examples: example 1: the right answer \"2\", as `completion` writes it, is graded wrong",
        ),
        (JsonlConfig { prompt: "{{ question".into(), ..base() }, "prompt: "),
        (JsonlConfig { prompt: "{{ question }}".into(), ..base() }, "the prompt with the hint equals the prompt without it"),
        (
            JsonlConfig { prompt: "{{ question }} ({{ answer }}){{ hint }}".into(), ..base() },
            "the prompt shows the answer or the rationale",
        ),
        (
            JsonlConfig { prompt: "{{ question }}{% if answer == 4 or answer == '4' %}!{% endif %}{{ hint }}".into(), ..base() },
            "the prompt shows the answer",
        ),
    ] {
        let error = JsonlTask::new(&config, 1).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(said), "no {said:?} in {error:?}");
    }
    let unhinted = JsonlConfig { prompt: "{{ question }}".into(), hint: String::new(), ..base() };
    assert_eq!(task(&unhinted).training_problems(1).len(), 20);
    let row = json!({"question": "?", "choices": ["red", "green"], "answer": "a"});
    let error = refused(&JsonlConfig { prompt: "{{ question }}{{ hint }}".into(), ..choices(&place, &[row]) });
    assert!(error.contains("the prompt does not show the choice \"red\""), "{error}");
}

#[test]
fn rationales_that_show_their_hint_are_recognised() {
    let place = Place::new();
    let task = task(&numbers(&place));
    for text in ["As the hint says, 4.", "The answer is given as 4.", "We use the given answer."] {
        assert!(task.leaks_hint(text), "{text}");
    }
    for text in ["Two and two.\n#### 4", "He gives 3 answers.", "A chintz sofa"] {
        assert!(!task.leaks_hint(text), "{text}");
    }
}

#[cfg(unix)]
#[test]
fn a_program_may_judge() {
    let place = Place::new();
    let script = r#"while read -r l; do case "$l" in *"four"*) echo '{"verdict":"correct"}';; *crash*) exit 9;; *) echo '{"verdict":"unparsed"}';; esac; done"#;
    let command = ["sh", "-c", script].map(str::to_owned).into();
    let config = JsonlConfig { answer_type: AnswerType::Command, command, ..numbers(&place) };
    let task = task(&config);
    let problem = &task.training_problems(1)[0];
    let judged = |completion, stop_reason| task.verify(problem, completion, &stop_reason).map_or("error", |grade| grade.verdict.name());
    assert_eq!(judged("four", EndToken), "correct");
    assert_eq!(judged("five", EndToken), "unparsed");
    assert_eq!(judged("five", Length), "truncated");
    assert_eq!(judged("five\nQ: four", Length), "unparsed");
    assert_eq!(judged("crash", EndToken), "failed");
    assert_eq!(judged("four", Length), "correct");
}
