#![allow(clippy::unwrap_used)]

use super::*;
use serde_json::json;

fn completion(body: &serde_json::Value) -> Result<CompletionRequest, ApiError> {
    CompletionRequest::read(body.to_string().as_bytes())
}

fn chat(body: &serde_json::Value) -> Result<ChatRequest, ApiError> {
    ChatRequest::read(body.to_string().as_bytes())
}

#[test]
fn a_prompt_has_four_forms() {
    let texts = |texts: &[&str]| Prompts::Texts(texts.iter().map(|&text| text.to_owned()).collect());
    for (prompt, expected) in [
        (json!("a"), texts(&["a"])),
        (json!(["a", "b"]), texts(&["a", "b"])),
        (json!([1, 2]), Prompts::Tokens(vec![vec![1, 2]])),
        (json!([[1], [2, 3], []]), Prompts::Tokens(vec![vec![1], vec![2, 3], vec![]])),
    ] {
        assert_eq!(completion(&json!({ "prompt": prompt })).unwrap().prompts, expected);
    }
}

#[test]
fn unset_keys_have_the_values_that_openai_documents() {
    let CompletionRequest { echo, sampling, .. } = completion(&json!({ "prompt": "a", "seed": 5, "n": 3 })).unwrap();
    assert!(!echo);
    assert_eq!((sampling.params.temperature, sampling.params.top_p, sampling.params.top_k), (1.0, 1.0, 0));
    assert_eq!((sampling.max_tokens, sampling.logprobs, sampling.sending), (Some(16), None, Sending::Whole));
    assert_eq!(sampling.seeds, [5, 6, 7]);
    let drawn = |_| completion(&json!({ "prompt": "a" })).unwrap().sampling.seeds[0];
    assert_ne!(drawn(0), drawn(1), "without a seed, one is drawn");
    let chat = chat(&json!({ "messages": [{ "role": "user", "content": "a" }] })).unwrap();
    assert_eq!(chat.sampling.max_tokens, None);
}

#[test]
fn seeds_have_64_bits() {
    for (seed, expected) in [(json!(u64::MAX), u64::MAX), (json!(-1), u64::MAX), (json!(i64::MIN), 1 << 63)] {
        assert_eq!(completion(&json!({ "prompt": "a", "seed": seed })).unwrap().sampling.seeds, [expected]);
    }
    let large = br#"{ "prompt": "a", "seed": 36893488147419103232 }"#;
    assert!(CompletionRequest::read(large).is_err());
}

#[test]
fn the_parts_of_a_message_are_joined() {
    let parts = json!([{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }]);
    let earlier = json!({ "role": "assistant", "content": null, "refusal": null, "tool_calls": null, "annotations": [] });
    let request = chat(&json!({ "messages": [{ "role": "user", "content": parts }, earlier] })).unwrap();
    assert_eq!(request.messages, [Message::new("user", "ab"), Message::new("assistant", "")]);
}

#[test]
fn every_wrong_value_names_its_key() {
    let wrong = [
        (json!({ "temperature": -1 }), "temperature"),
        (json!({ "top_p": 0 }), "top_p"),
        (json!({ "top_k": -2 }), "top_k"),
        (json!({ "n": 0 }), "n"),
        (json!({ "n": 100_000 }), "n"),
        (json!({ "max_tokens": 0 }), "max_tokens"),
        (json!({ "max_tokens": -1 }), "max_tokens"),
        (json!({ "logprobs": 21 }), "logprobs"),
        (json!({ "logprobs": true }), "logprobs"),
        (json!({ "stop": ["a", ""] }), "stop"),
        (json!({ "stop": 7 }), "stop"),
        (json!({ "seed": 1.5 }), "seed"),
        (json!({ "stream": "yes" }), "stream"),
        (json!({ "stream_options": { "other": 1 } }), "stream_options.other"),
        (json!({ "frequency_penalty": 0.5 }), "frequency_penalty"),
        (json!({ "logit_bias": { "5": 1 } }), "logit_bias"),
        (json!({ "best_of": 2 }), "best_of"),
        (json!({ "suffix": "z" }), "suffix"),
        (json!({ "prompt": [] }), "prompt"),
        (json!({ "prompt": [1, "a"] }), "prompt[1]"),
        (json!({ "prompt": [-1] }), "prompt[0]"),
        (json!({ "prompt": [5_000_000_000_u64] }), "prompt[0]"),
        (json!({ "prompt": null }), "prompt"),
        (json!({ "guided_regex": "a*" }), "guided_regex"),
    ];
    for (keys, param) in wrong {
        let mut body = json!({ "prompt": "a" });
        body.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        let error = completion(&body).expect_err(param);
        assert_eq!((error.refused, error.param.as_deref()), (Refused::Invalid, Some(param)), "{}", error.message);
        assert!(error.message.contains(param.split(['[', '.']).next().unwrap()), "{}", error.message);
    }
    let messages = json!([{ "role": "user", "content": "a" }]);
    for (keys, param) in [
        (json!({ "messages": [] }), "messages"),
        (json!({ "messages": [{ "content": "a" }] }), "messages[0]"),
        (json!({ "messages": [{ "role": "user", "content": [{ "type": "image_url" }] }] }), "messages[0].content"),
        (json!({ "messages": [{ "role": "assistant", "tool_calls": [1] }] }), "tool_calls"),
        (json!({ "messages": messages, "tools": [{}] }), "tools"),
        (json!({ "messages": messages, "top_logprobs": 2 }), "top_logprobs"),
        (json!({ "messages": messages, "max_completion_tokens": 0 }), "max_tokens"),
        (json!({ "messages": messages, "chat_template_kwargs": [] }), "chat_template_kwargs"),
        (json!({ "messages": messages, "response_format": { "type": "json_object" } }), "response_format"),
    ] {
        let error = chat(&keys).expect_err(param);
        assert_eq!(error.param.as_deref(), Some(param), "{}", error.message);
    }
    for body in ["", "{", "[]", "{} {}", "nul", "{\"prompt\": \"a\"} x"] {
        assert_eq!(CompletionRequest::read(body.as_bytes()).expect_err(body).refused, Refused::Invalid);
    }
}

#[test]
fn keys_that_change_nothing_are_accepted() {
    let body = json!({
        "prompt": "a", "user": "me", "metadata": { "a": 1 }, "best_of": 1, "frequency_penalty": 0, "presence_penalty": 0.0, "min_p": 0.0,
        "repetition_penalty": 1.0, "logit_bias": {}, "suffix": null, "top_k": -1, "logprobs": null, "stop": null, "stream_options": null
    });
    completion(&body).unwrap();
    let body = json!({
        "messages": [{ "role": "user", "content": "a", "name": "me" }], "tools": [], "tool_choice": "none", "store": false,
        "service_tier": "auto", "logprobs": false, "top_logprobs": 0, "chat_template_kwargs": { "enable_thinking": false }
    });
    assert_eq!(chat(&body).unwrap().variables["enable_thinking"], false);
}
