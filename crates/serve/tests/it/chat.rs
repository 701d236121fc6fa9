//! Chat completions.

use crate::client::{Running, arithmetic, repository, small, start};
use serde_json::{Value, json};
use std::path::Path;

/// The shipped base model with a chat template that puts a message as the model was trained.
fn chatting(place: &Path) -> Running {
    with_template(place);
    start(&[("chatting", place)], small())
}

/// Writes the model of [`chatting`].
pub fn with_template(place: &Path) {
    for name in ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
        let from = repository("crates/core/models/arithmetic").join(name);
        if from.exists() {
            std::fs::copy(from, place.join(name)).unwrap();
        }
    }
    let template = "{% if messages[0].role == 'system' %}{{ raise_exception('no system message') }}{% endif %}Input:\n{{ messages[-1].content }}\nTarget:{{ '\n' }}";
    std::fs::write(place.join("chat_template.jinja"), template).unwrap();
}

#[test]
fn a_message_is_the_completion_of_the_rendered_conversation() {
    let place = tempfile::tempdir().unwrap();
    let server = chatting(place.path());
    let body = json!({ "messages": [{ "role": "user", "content": "6 2 4 + 2 5 9" }], "seed": 7, "n": 2, "max_completion_tokens": 40 });
    let answer = server.post("/v1/chat/completions", &body).json();
    let prompt = json!({ "prompt": "Input:\n6 2 4 + 2 5 9\nTarget:\n", "seed": 7, "n": 2, "max_tokens": 40, "logprobs": 0 });
    let completion = server.completion(&prompt).json();
    assert_eq!((&answer["object"], &answer["usage"]), (&json!("chat.completion"), &completion["usage"]));
    for (message, choice) in answer["choices"].as_array().unwrap().iter().zip(completion["choices"].as_array().unwrap()) {
        assert_eq!(message["message"], json!({ "role": "assistant", "content": choice["text"], "refusal": null }));
        assert_eq!((&message["finish_reason"], &message["logprobs"]), (&choice["finish_reason"], &Value::Null));
    }
    let mut with_logprobs = body.clone();
    with_logprobs["logprobs"] = true.into();
    with_logprobs["top_logprobs"] = 2.into();
    let scored = server.post("/v1/chat/completions", &with_logprobs).json();
    for (message, choice) in scored["choices"].as_array().unwrap().iter().zip(completion["choices"].as_array().unwrap()) {
        let tokens = message["logprobs"]["content"].as_array().unwrap();
        let logprobs: Vec<Value> = tokens.iter().map(|token| token["logprob"].clone()).collect();
        assert_eq!(choice["logprobs"]["token_logprobs"], json!(logprobs));
        assert!(tokens.iter().all(|token| token["top_logprobs"].as_array().unwrap().len() == 2));
        assert_eq!(tokens[0]["bytes"], json!(tokens[0]["token"].as_str().unwrap().as_bytes()));
    }
    let mut streamed = body;
    streamed["stream"] = true.into();
    let events = server.post("/v1/chat/completions", &streamed).events();
    let mut texts = [String::new(), String::new()];
    for event in &events {
        let (index, delta) = (event["choices"][0]["index"].as_u64().unwrap() as usize, &event["choices"][0]["delta"]);
        assert_eq!(delta.get("role").is_some(), texts[index].is_empty() && delta["role"] == "assistant");
        texts[index] += delta["content"].as_str().unwrap();
        assert_eq!(event["object"], "chat.completion.chunk");
    }
    for (text, message) in texts.iter().zip(answer["choices"].as_array().unwrap()) {
        assert_eq!(message["message"]["content"], *text);
    }
}

#[test]
fn the_default_length_is_the_rest_of_the_context() {
    let place = tempfile::tempdir().unwrap();
    let server = chatting(place.path());
    let body = json!({ "messages": [{ "role": "user", "content": "1 + 2" }], "temperature": 0 });
    assert_eq!(server.post("/v1/chat/completions", &body).json()["choices"][0]["finish_reason"], "stop");
}

#[test]
fn the_errors_of_the_template_are_answers() {
    let place = tempfile::tempdir().unwrap();
    let body = |role: &str| json!({ "messages": [{ "role": role, "content": "1 + 2" }] });
    let error = chatting(place.path()).post("/v1/chat/completions", &body("system")).error(400);
    assert!(error["message"].as_str().unwrap().contains("no system message"), "{error}");
    let error = arithmetic().post("/v1/chat/completions", &body("user")).error(400);
    assert!(error["message"].as_str().unwrap().contains("there is no chat_template"), "{error}");
}
