//! The columns that are guessed from a file, and the config that is written.

use super::*;
use crate::types::StopReason;
use std::path::PathBuf;

struct Drafted {
    draft: Draft,
    config: Config,
    text: String,
}

fn files(content: &str) -> (tempfile::TempDir, PathBuf, PathBuf) {
    let place = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let (file, out) = (place.path().join("mine.jsonl"), place.path().join("deep/mine.toml"));
    std::fs::write(&file, content).unwrap_or_else(|error| panic!("{error}"));
    (place, file, out)
}

/// Drafts a config for rows that `row` makes of numbers, and sees that its task grades a right answer as right.
fn drafted(row: impl Fn(u32) -> Value) -> Drafted {
    let (_place, file, out) = files(&(0..20).map(|n| row(n).to_string()).collect::<Vec<_>>().join("\n"));
    let draft = init(&file.clone().into(), &out, "bases/x").unwrap_or_else(|error| panic!("{error}"));
    let text = std::fs::read_to_string(&out).unwrap_or_else(|error| panic!("{error}"));
    let config = Config::parse("mine.toml", &text, &[]).unwrap_or_else(|error| panic!("{error}"));
    let task = resolved(&config).task().unwrap_or_else(|error| panic!("{error}"));
    let problem = &task.training_problems(1)[0];
    let right = task.verify(problem, &task.direct_completion(problem), &StopReason::EndToken).unwrap_or_else(|error| panic!("{error}"));
    assert!(right.verdict.is_correct());
    assert_eq!((config.name.as_str(), config.model.base.as_str()), ("mine", "bases/x"));
    Drafted { draft, config, text }
}

fn resolved(config: &Config) -> Experiment {
    Experiment::new(config.clone(), &Registry::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn taken_for(draft: &Draft) -> Vec<&str> {
    draft.columns.iter().map(|(column, _)| column.as_str()).collect()
}

#[test]
fn numbers_with_rationales_become_worked_examples() {
    let kinds = ["easy", "hard"];
    let row = |n: u32| json!({"id": n, "question": format!("{n} \"+\" 1?"), "solution": "{{ so", "answer": n + 1, "level": kinds[n as usize % 2]});
    let Drafted { draft, config, text } = drafted(row);
    assert_eq!(taken_for(&draft), ["question", "answer", "solution", "id", "level"]);
    assert_eq!((draft.train_problems, draft.dev_problems), (15, 2));
    assert!(draft.has_worked_examples && config.sampling.few_shot == 3);
    assert!(draft.prompt.starts_with("Q: 0 \"+\" 1?\nA: {{ so\n#### 1\n\nQ: 1 \"+\" 1?\nA: {{ so\n#### 2\n\n"), "{}", draft.prompt);
    assert!(text.contains("answer_type = \"number\"") && text.contains("class = \"level\""), "{text}");
}

#[test]
fn without_rationales_examples_are_left_to_be_written() {
    let Drafted { draft, config, text } = drafted(|n| json!({"problem": format!("{n}?"), "answer": format!("city {n}"), "extra": null}));
    assert!(!draft.has_worked_examples && config.sampling.few_shot == 0);
    assert!(draft.prompt.ends_with("?\nA:") && draft.prompt.matches("Q:").count() == 1, "{}", draft.prompt);
    assert!(text.contains("\n# [[task.examples]]\n# answer = \"city 0\"\n# problem = \"0?\"\n# rationale = \"...\"\n"), "{text}");
    // The user needs to supply only what the config asks for.
    let filled = text.replace("\n# [[", "\n[[").replace("\n# answer = \"", "\nanswer = \"").replace("\n# problem =", "\nproblem =");
    let filled = filled.replace("\n# rationale = \"", "\nrationale = \"").replace("few_shot = 0", "few_shot = 3");
    let config = Config::parse("mine.toml", &filled, &[]).unwrap_or_else(|error| panic!("{error}"));
    let toml = resolved(&config).to_toml();
    assert_eq!(toml.matches("[[task.examples]]").count(), 3, "{toml}");
}

#[test]
fn choices_are_listed_with_their_letters() {
    let labelled = |n: u32| {
        let choices = json!([{"label": "A", "text": format!("red {n}")}, {"label": "B", "text": "blue"}]);
        json!({"question": {"stem": format!("{n}?"), "choices": choices}, "answerKey": "B"})
    };
    let Drafted { draft, .. } = drafted(labelled);
    assert_eq!(taken_for(&draft), ["question.stem", "answerKey", "question.choices"]);
    assert!(draft.prompt.contains("?\nAnswer Choices:\n(a) red ") && draft.prompt.ends_with("\n(b) blue\nA:"), "{}", draft.prompt);
    let Drafted { draft, .. } =
        drafted(|n| json!({"question": format!("{n}?"), "options": ["yes", "no"], "label": n % 2, "explanation": "Odd."}));
    assert_eq!(taken_for(&draft), ["question", "label", "options", "explanation"]);
    let example = "Q: 0?\nAnswer Choices:\n(a) yes\n(b) no\nA: Odd. Therefore, the answer is yes (a).\n\n";
    assert!(draft.prompt.starts_with(example), "{}", draft.prompt);
}

#[test]
fn files_that_cannot_be_made_out_leave_nothing_behind() {
    let good = "{\"question\": \"1?\", \"answer\": \"x\"}\n{\"question\": \"2?\", \"answer\": \"x\"}\n";
    for (content, said) in [
        ("", "mine.jsonl holds no row"),
        ("{\"question\": 1", "mine.jsonl, line 1: not a JSON object"),
        ("{\"frage\": \"1?\", \"answer\": 1}", "no column for the question in every row; one should be called question.stem, question, "),
        ("{\"question\": \"1?\", \"loesung\": 1}", "no column for the known answer in every row; one should be called answer, "),
        (&format!("{good}{{\"question\": \"3?\"}}"), "there are: answer, question"),
        (&format!("{good}{{\"question\": \"3?\", \"answer\": \" \"}}"), "mine.jsonl, line 3: the answer is empty"),
        ("{\"question\": \"1?\", \"answer\": 1}", "dev_problems`: 1 of 1 different problems"),
    ] {
        let (_place, file, out) = files(content);
        let error = init(&file.clone().into(), &out, "x").err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(said), "no {said:?} in {error:?}");
        assert!(!out.exists());
    }
    let (_place, file, out) = files(good);
    assert!(init(&file.clone().into(), &out, "x").is_ok());
    let before = std::fs::read(&out).unwrap_or_default();
    let error = init(&file.clone().into(), &out, "y").err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("mine.toml exists already"), "{error}");
    assert!(std::fs::read(&out).unwrap_or_default() == before && !before.is_empty());
}
