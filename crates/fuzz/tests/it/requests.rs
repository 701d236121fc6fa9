//! Bodies of requests to `starloop serve`.

use crate::tmp;
use starloop_fuzz::Target;
use starloop_serve::request::{ChatRequest, CompletionRequest};

const COMPLETION: &str = r#"{"model": "m", "prompt": "a \ud83e\udd80", "max_tokens": 5, "temperature": 0.7, "top_p": 0.9, "top_k": 20, "n": 2,
"seed": -1, "stop": ["\n", "b"], "logprobs": 3, "echo": true, "stream": true, "stream_options": {"include_usage": true}, "user": "me",
"logit_bias": {}, "best_of": 1, "suffix": null, "weights_sha256": "5f"}"#;
const TOKENS: &str =
    r#"{"prompt": [[1, 2, 3], [4]], "max_tokens": 0, "echo": true, "logprobs": 1, "stop": null, "metadata": {"a": [1, {"b": 2}]}}"#;
const CHAT: &str = r#"{"messages": [{"role": "system", "content": "a"}, {"role": "user", "content": [{"type": "text", "text": "b"}]},
{"role": "assistant", "content": null, "tool_calls": [], "refusal": null}], "max_completion_tokens": 5, "logprobs": true, "top_logprobs": 2,
"chat_template_kwargs": {"enable_thinking": false}, "tool_choice": "none", "seed": 18446744073709551615, "stop": "c"}"#;

#[test]
fn requests_to_a_server() {
    let words =
        &["\"prompt\"", "\"messages\"", "\"stop\"", "\"seed\"", "null", "[[", "]]", "1e999", "-1", "18446744073709551616", "\"\\ud800\""];
    Target::new("requests", [COMPLETION, TOKENS, CHAT].map(|seed| seed.as_bytes().to_vec())).words(words).run(tmp(), |input| {
        if let Ok(request) = CompletionRequest::read(input) {
            assert!(!request.prompts.is_empty() && !request.sampling.seeds.is_empty());
        }
        if let Ok(request) = ChatRequest::read(input) {
            assert!(!request.messages.is_empty() && request.sampling.params.check().is_ok());
        }
    });
}

#[test]
fn large_bodies_take_little_memory() {
    let large =
        |element: &str, head: &str, tail: &str| format!("{head}{}{tail}", format!("{element},").repeat(100_000) + element).into_bytes();
    let seeds = [
        large("1", "{\"prompt\": [", "]}"),
        large("[1]", "{\"prompt\": [", "]}"),
        large("0", "{\"prompt\": \"a\", \"logit_bias\": [", "]}"),
        large("\"a\"", "{\"prompt\": \"a\", \"stop\": [", "]}"),
        large("0", "{\"prompt\": \"a\", \"metadata\": [", "]}"),
    ];
    Target::new("large_requests", seeds).share(0.0).run(tmp(), |input| drop(CompletionRequest::read(input)));
}
