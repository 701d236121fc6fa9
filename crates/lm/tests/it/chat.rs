//! Chat templates against the renderings of `transformers`.

use crate::fixture;
use serde_json::Value;
use starloop_lm::Tokenizer;
use starloop_lm::files::chat::{ChatTemplate, Message};
use std::collections::BTreeMap;

fn message(role: &str, content: &str) -> Message {
    Message { role: role.into(), content: content.into() }
}

/// A template with a tokenizer's tokens.
fn template(source: &str) -> starloop_lm::Result<ChatTemplate> {
    let config = serde_json::json!({"chat_template": source, "bos_token": "<s>", "eos_token": {"content": "</s>"}, "pad_token": null});
    ChatTemplate::from_files(&BTreeMap::from([("tokenizer_config.json".into(), config.to_string().into_bytes())])).map(Option::unwrap)
}

fn render(source: &str) -> starloop_lm::Result<String> {
    template(source)?.render(&[message("user", "hi")], true)
}

#[test]
fn renderings_are_those_of_transformers() {
    let expected: Value = serde_json::from_slice(&std::fs::read(fixture::dir("chat/expected.json")).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let renderings = expected["renderings"].as_object().unwrap();
    assert_eq!(renderings.len(), 6);
    for (name, renderings) in renderings {
        let template = template(&std::fs::read_to_string(fixture::dir(&format!("chat/{name}.jinja"))).unwrap()).unwrap();
        for (conversation, both) in expected["conversations"].as_array().unwrap().iter().zip(renderings.as_array().unwrap()) {
            let messages = conversation.as_array().unwrap().iter();
            let messages: Vec<_> = messages.map(|m| message(&text(&m["role"]), &text(&m["content"]))).collect();
            for (add_generation_prompt, expected) in [false, true].into_iter().zip(both.as_array().unwrap()) {
                match template.render(&messages, add_generation_prompt) {
                    Ok(rendered) => assert_eq!(&Value::String(rendered), expected, "{name}: {conversation}"),
                    Err(error) => {
                        assert!(expected["error"].as_str().is_some_and(|said| error.to_string().contains(said)), "{name}: {error}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_rendered_chat_has_its_beginning_token_once() {
    let tokenizer = Tokenizer::load(&fixture::dir("tokenizers/llama2")).unwrap();
    let text = render("{{ bos_token }}[INST] {{ messages[0].content }} [/INST]").unwrap();
    let ids = tokenizer.encode(&text, false).unwrap();
    assert_eq!(ids[0], 1);
    assert_eq!(ids.iter().filter(|id| **id == 1).count(), 1);
}

#[test]
fn templates_are_found_where_checkpoints_keep_them() {
    let place = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(place.path().join(name), text).unwrap();
    let load = || ChatTemplate::load(place.path());
    let rendered = || load().unwrap().unwrap().render(&[message("user", "hi")], false).unwrap();
    assert!(load().unwrap().is_none());
    write("tokenizer_config.json", r#"{"bos_token": "<s>"}"#);
    assert!(load().unwrap().is_none());
    write("tokenizer_config.json", r#"{"bos_token": "<s>", "chat_template": "one {{ bos_token }}"}"#);
    assert_eq!(rendered(), "one <s>");
    write("tokenizer_config.json", r#"{"chat_template": [{"name": "rag", "template": "x"}, {"name": "default", "template": "two"}]}"#);
    assert_eq!(rendered(), "two");
    write("tokenizer_config.json", r#"{"chat_template": [{"name": "rag", "template": "x"}, {"name": "tools", "template": "y"}]}"#);
    let message = load().unwrap_err().to_string();
    assert!(message.contains("tokenizer_config.json: key \"chat_template\"") && message.contains("[rag, tools]"), "{message}");
    write("tokenizer_config.json", r#"{"bos_token": "<s>", "chat_template": "one"}"#);
    write("chat_template.jinja", "file {{ bos_token }}\n");
    assert_eq!(rendered(), "file <s>");
}

#[test]
fn what_cannot_be_rendered_says_why() {
    for (source, expected) in [
        ("{% for message in messages %}", "unexpected end of input"),
        ("{{ raise_exception('Only one turn') }}", "Only one turn"),
        ("{{ messages[0].tool_calls[0].name }}", "undefined value"),
        ("{{ strftime_now('%c') }}", "%c is not supported"),
        ("{{ messages | tojson(default=none) }}", "default"),
        ("{{ open('/etc/passwd') }}", "open is unknown"),
        ("{% include '/etc/passwd' %}", "the tag `include` is not known (line 1 of the template)"),
    ] {
        let message = render(source).unwrap_err().to_string();
        assert!(message.contains(expected) && message.starts_with("tokenizer_config.json: "), "expected {expected}: {message}");
    }
}
