//! A user's own problems.

use super::repository;
use starloop_core::external::data_source::DataSource;
use starloop_core::task::jsonl::{AnswerType, JsonlConfig, JsonlTask};
use starloop_core::task::template::Template;
use starloop_core::trainer::finetune::read_examples;
use starloop_fuzz::{Target, overwrite};
use starloop_lm::model::PromptEncoder;

const NUMBERS: &str = r#"{"id": 1, "question": "What is 2 + 3?", "rationale": "2 + 3 = 5.", "answer": 5}
{"id": 2, "question": "What is 1/2?", "rationale": "A half.", "answer": "1 1/2"}
{"id": 3, "question": "And 4 * 4?", "rationale": "16.", "answer": "1,600.5", "class": "large"}
"#;
const CHOICES: &str = r#"{"question": "Where is it?", "choices": ["a desk", "a lamp"], "answer": "b", "rationale": "It is a lamp."}
{"question": "And now?", "choices": [{"label": "A", "text": "here"}, {"label": "B", "text": "there"}], "answer": "A", "rationale": "Here."}
"#;

const PAIRS: &str = r#"{"prompt": "Q: 2 + 3?\nA:", "completion": " 5"}
{"instruction": "Add.", "input": "2 3", "output": "5", "system": ""}
"#;
const MESSAGES: &str = r#"{"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}, {"role": "assistant", "content": "b"}]}
{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b", "weight": 1}], "tools": []}
{"prompt": [{"role": "user", "content": "a"}], "completion": [{"role": "assistant", "content": "b", "tool_calls": null}]}
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
fn training_rows() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("rows.jsonl");
    let seeds = [PAIRS, MESSAGES].map(|seed| seed.as_bytes().to_vec());
    let template = repository("fixtures/llama-tiny");
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(template.join(name), place.path().join(name)).unwrap();
    }
    std::fs::write(place.path().join("chat_template.jinja"), "{% for m in messages %}{{ m.role }} {{ m.content }}\n{% endfor %}").unwrap();
    let encoder = PromptEncoder::load(place.path(), true).unwrap();
    let words = &["\"role\"", "\"content\"", "\"from\"", "\"tools\"", "null", "[[[[[[[["];
    let mut read = 0;
    Target::new("training-rows", seeds).words(words).share(0.3).run(super::tmp(), |input| {
        overwrite(&file, input);
        for encoder in [None, Some(&encoder)] {
            read += usize::from(read_examples(&DataSource::Named(file.clone()), encoder).is_ok());
        }
    });
    assert!(read > 0, "no rows were accepted");
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
