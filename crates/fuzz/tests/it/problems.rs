//! A user's own problems.

use starloop_core::task::jsonl::{AnswerType, JsonlConfig, JsonlTask};
use starloop_core::task::template::Template;
use starloop_fuzz::{Target, overwrite};

const NUMBERS: &str = r#"{"id": 1, "question": "What is 2 + 3?", "rationale": "2 + 3 = 5.", "answer": 5}
{"id": 2, "question": "What is 1/2?", "rationale": "A half.", "answer": "1 1/2"}
{"id": 3, "question": "And 4 * 4?", "rationale": "16.", "answer": "1,600.5", "class": "large"}
"#;
const CHOICES: &str = r#"{"question": "Where is it?", "choices": ["a desk", "a lamp"], "answer": "b", "rationale": "It is a lamp."}
{"question": "And now?", "choices": [{"label": "A", "text": "here"}, {"label": "B", "text": "there"}], "answer": "A", "rationale": "Here."}
"#;

#[test]
fn problems() {
    let place = tempfile::tempdir().unwrap();
    let train = place.path().join("problems.jsonl");
    let words = &["\"answer\"", "\"question\"", "\\ud800", "\\u0000", "1e400", "\r\n"];
    Target::new("problems", [NUMBERS, CHOICES].map(|seed| seed.as_bytes().to_vec())).words(words).run(super::tmp(), |input| {
        overwrite(&train, input);
        for (answer_type, choices) in [(AnswerType::Number, None), (AnswerType::Exact, None), (AnswerType::Choice, Some("choices"))] {
            let choices = choices.map(Into::into);
            let config = JsonlConfig { train: train.clone().into(), dev_problems: 1, answer_type, choices, ..JsonlConfig::default() };
            let _ = JsonlTask::new(&config, 0);
        }
    });
}

#[test]
fn templates() {
    let row = serde_json::from_str(r#"{"question": "What?", "answer": 5, "choices": ["a", "b"]}"#).unwrap();
    let seeds = ["Q: {{ question }}{{ hint }}\nA:", "{{ choices }} {{answer}} {{ '{{' }}"];
    Target::new("problem-template", seeds.map(|seed| seed.as_bytes().to_vec())).words(&["{{", "}}", "{%", "question", "|"]).run(
        super::tmp(),
        |input| {
            if let Ok(template) = Template::parse(&String::from_utf8_lossy(input)) {
                let _ = template.render(&row);
            }
        },
    );
}
