//! Completions: the same results as the engine gives in its own process.

use crate::client::{PROMPT, arithmetic, repository, small, start};
use serde_json::{Value, json};
use starloop_lm::LanguageModel;
use starloop_lm::engine::{Completion, EngineLimits, Request, SamplingParams, StopReason, sample};
use std::ops::ControlFlow;

fn model() -> LanguageModel {
    LanguageModel::load(&repository("crates/core/models/arithmetic")).unwrap()
}

fn sampled(model: &LanguageModel, prompt: &str, seeds: &[u64], params: &SamplingParams) -> Vec<Completion> {
    let request = Request { prompt: model.tokenizer().encode(prompt, true).unwrap(), seeds: seeds.to_vec(), params: params.clone() };
    sample(model, &[request], &EngineLimits { cache_bytes: 1 << 25, ..EngineLimits::default() }, &mut |_| ControlFlow::Continue(()))
        .unwrap()
}

fn params(temperature: f64, max_new_tokens: usize) -> SamplingParams {
    SamplingParams { temperature, ..SamplingParams::greedy(max_new_tokens) }
}

fn reasons(completion: &Completion) -> (Value, Value) {
    match &completion.stop_reason {
        StopReason::EndToken => (json!("stop"), json!(completion.tokens.last())),
        StopReason::StopString(stop) => (json!("stop"), json!(stop)),
        StopReason::Length => (json!("length"), Value::Null),
    }
}

#[test]
fn completions_are_those_of_the_engine() {
    let (server, model) = (arithmetic(), model());
    let prompts = [PROMPT, "Input:\n1 + 2\nTarget:\n"];
    let params = SamplingParams { top_p: 0.9, top_k: 20, stop: vec!["</scratch>".into()], ..params(0.8, 60) };
    let ids: Vec<Vec<u32>> = prompts.iter().map(|prompt| model.tokenizer().encode(prompt, true).unwrap()).collect();
    for prompt in [json!(prompts), json!(ids)] {
        let answer = server.completion(&json!({
            "model": "arithmetic", "prompt": prompt, "n": 3, "seed": 18_446_744_073_709_551_615_u64, "temperature": 0.8, "top_p": 0.9, "top_k": 20,
            "max_tokens": 60, "stop": "</scratch>", "logprobs": 0
        }));
        let answer = answer.json();
        let (mut expected, mut tokens) = (Vec::new(), 0);
        for prompt in prompts {
            expected.extend(sampled(&model, prompt, &[u64::MAX, 0, 1], &params));
        }
        let choices = answer["choices"].as_array().unwrap();
        assert_eq!(choices.len(), expected.len());
        for (place, (choice, expected)) in choices.iter().zip(&expected).enumerate() {
            assert_eq!((&choice["index"], &choice["text"]), (&json!(place), &json!(expected.text)));
            assert_eq!((choice["finish_reason"].clone(), choice["stop_reason"].clone()), reasons(expected));
            assert_eq!(choice["logprobs"]["token_logprobs"], json!(expected.logprobs), "to the bit");
            let pieces: Vec<&str> = choice["logprobs"]["tokens"].as_array().unwrap().iter().map(|piece| piece.as_str().unwrap()).collect();
            assert!(pieces.concat().starts_with(&expected.text), "{pieces:?} {:?}", expected.text);
            tokens += expected.tokens.len();
        }
        let prompt_tokens: usize = ids.iter().map(Vec::len).sum();
        assert_eq!(
            answer["usage"],
            json!({ "prompt_tokens": prompt_tokens, "completion_tokens": tokens, "total_tokens": prompt_tokens + tokens })
        );
        assert_eq!((&answer["object"], &answer["model"]), (&json!("text_completion"), &json!("arithmetic")));
    }
}

#[test]
fn many_clients_at_once_get_what_each_gets_alone() {
    let (server, model) = (arithmetic(), model());
    std::thread::scope(|scope| {
        for client in 0..12_u64 {
            let (server, model) = (&server, &model);
            scope.spawn(move || {
                let prompt = format!("Input:\n{client} 2 4 + 2 5 9\nTarget:\n").replace("10", "1 0").replace("11", "1 1");
                let body = json!({ "prompt": prompt, "seed": client, "max_tokens": 40 + client, "n": 2 });
                let answer = server.completion(&body).json();
                let expected = sampled(model, &prompt, &[client, client + 1], &params(1.0, 40 + client as usize));
                for (choice, expected) in answer["choices"].as_array().unwrap().iter().zip(expected) {
                    assert_eq!(choice["text"], expected.text);
                }
            });
        }
    });
}

#[test]
fn a_stream_has_the_same_text_and_the_same_scores() {
    let server = arithmetic();
    let body = |stream: bool, usage: bool| {
        let mut body = json!({ "prompt": [PROMPT, "Input:\n1 + 2\nTarget:\n"], "n": 2, "seed": 5, "max_tokens": 30, "logprobs": 2, "echo": true, "stop": ["C:", "scratch"] });
        if stream {
            body["stream"] = true.into();
            body["stream_options"] = json!({ "include_usage": usage });
        }
        body
    };
    let whole = server.completion(&body(false, false)).json();
    for usage in [false, true] {
        let mut events = server.completion(&body(true, usage)).events();
        if usage {
            let last = events.pop().unwrap();
            assert_eq!((&last["usage"], &last["choices"]), (&whole["usage"], &json!([])));
        }
        let mut texts = vec![String::new(); 4];
        let mut logprobs: Vec<Vec<Value>> = vec![Vec::new(); 4];
        let mut offsets: Vec<Vec<Value>> = vec![Vec::new(); 4];
        let mut ends = vec![Value::Null; 4];
        for event in &events {
            let choice = &event["choices"][0];
            let index = choice["index"].as_u64().unwrap() as usize;
            assert_eq!(ends[index], Value::Null, "nothing follows the end of a choice");
            texts[index] += choice["text"].as_str().unwrap();
            logprobs[index].extend(choice["logprobs"]["token_logprobs"].as_array().unwrap().clone());
            offsets[index].extend(choice["logprobs"]["text_offset"].as_array().unwrap().clone());
            ends[index] = choice["finish_reason"].clone();
        }
        for (index, choice) in whole["choices"].as_array().unwrap().iter().enumerate() {
            assert_eq!((&choice["text"], &choice["finish_reason"]), (&json!(texts[index]), &ends[index]));
            assert_eq!(choice["logprobs"]["token_logprobs"], json!(logprobs[index]));
            assert_eq!(offsets[index][0], 0);
        }
    }
}

#[test]
fn echo_without_new_tokens_scores_the_prompt() {
    let (server, model) = (arithmetic(), model());
    let ids = model.tokenizer().encode(PROMPT, true).unwrap();
    let answer = server.completion(&json!({ "prompt": [PROMPT, PROMPT], "max_tokens": 0, "echo": true, "logprobs": 3 })).json();
    let expected = model.score(&ids).unwrap();
    for choice in answer["choices"].as_array().unwrap() {
        assert_eq!((&choice["text"], &choice["finish_reason"]), (&json!(PROMPT), &json!("length")));
        let logprobs = &choice["logprobs"];
        assert_eq!(logprobs["token_logprobs"], json!(expected), "the scores of `starloop score`");
        let tops = logprobs["top_logprobs"].as_array().unwrap();
        assert_eq!(tops[0], Value::Null);
        for (top, logprob) in tops.iter().zip(&expected).skip(1) {
            let best = top.as_object().unwrap().values().map(|value| value.as_f64().unwrap()).fold(f64::MIN, f64::max);
            assert!(best >= f64::from(logprob.unwrap()) && top.as_object().unwrap().len() >= 3, "{top}");
        }
        let offsets: Vec<u64> = logprobs["text_offset"].as_array().unwrap().iter().map(|offset| offset.as_u64().unwrap()).collect();
        assert!(offsets.is_sorted() && offsets[0] == 0 && offsets.len() == ids.len());
    }
    assert_eq!(answer["usage"]["completion_tokens"], 0);
    let text = server.completion(&json!({ "prompt": ids, "max_tokens": 0, "echo": true })).json();
    assert_eq!((&text["choices"][0]["text"], &text["choices"][0]["logprobs"]), (&json!(PROMPT), &Value::Null));
    let both = server.completion(&json!({ "prompt": ids, "max_tokens": 1, "echo": true, "logprobs": 1, "temperature": 0 })).json();
    assert_eq!(both["choices"][0]["logprobs"]["tokens"].as_array().unwrap().len(), ids.len() + 1);
    let streamed = server.completion(&json!({ "prompt": PROMPT, "max_tokens": 0, "echo": true, "stream": true })).events();
    assert_eq!((streamed.len(), &streamed[0]["choices"][0]["text"]), (1, &json!(PROMPT)));
}

#[test]
fn errors_have_openais_form_and_the_text_of_the_command_line() {
    let server = arithmetic();
    for (body, status, said) in [
        (json!({ "prompt": "six" }), 400, "the tokenizer has no token for \"six\""),
        (json!({ "prompt": [] }), 400, "prompt"),
        (json!({ "prompt": [[]] }), 400, "request 0: the prompt is empty; give at least one token"),
        (json!({ "prompt": [9_999] }), 400, "request 0: token 9999 at position 0 is not in the vocabulary"),
        (json!({ "prompt": PROMPT, "max_tokens": 100_000 }), 400, "exceed the model's context of"),
        (json!({ "prompt": PROMPT, "max_tokens": 1_000_000 }), 400, "this server generates at most 131072"),
        (json!({ "prompt": PROMPT, "temperature": -1 }), 400, "temperature must be"),
        (json!({ "prompt": vec![5; 5000], "max_tokens": 0, "echo": true, "logprobs": 1 }), 400, "more than the model's context"),
        (json!({ "prompt": PROMPT, "model": "other" }), 404, "there is no model \"other\"; the models are: arithmetic"),
        (json!({ "prompt": PROMPT, "model": "/etc" }), 404, "there is no model"),
        (json!({ "prompt": PROMPT, "weights_sha256": "00" }), 409, "expected 00; this server reads another copy of the checkpoint"),
    ] {
        let error = server.completion(&body).error(status);
        assert!(error["message"].as_str().unwrap().contains(said), "{error}");
    }
    server.send("/v1/completions", "{}", &[("Content-Type", "text/plain")]).error(400);
    server.send("/v1/completions", "{", &[("Content-Type", "application/json; charset=utf-8")]).error(400);
    server.post("/v1/embeddings", &json!({})).error(404);
    server.get("/v1/completions", &[]).error(405);
    assert_eq!(server.metric("starloop_requests_open"), 0);
}

#[test]
fn an_adapter_is_served_by_its_name() {
    let (base, adapter) = (repository("fixtures/llama-tiny"), repository("fixtures/adapters/llama"));
    let server = start(&[("base", &base), ("own", &adapter)], small());
    let prompt = [5, 9, 14];
    let logprobs = |name: &str| {
        let body = json!({ "model": name, "prompt": prompt, "max_tokens": 6, "temperature": 0, "logprobs": 0 });
        server.completion(&body).json()["choices"][0]["logprobs"]["token_logprobs"].clone()
    };
    for (name, directory) in [("own", &adapter), ("base", &base), ("own", &adapter)] {
        let model = LanguageModel::load(directory).unwrap();
        let request = Request { prompt: prompt.to_vec(), seeds: vec![1], params: SamplingParams::greedy(6) };
        let limits = EngineLimits { cache_bytes: 1 << 22, ..EngineLimits::default() };
        let expected = sample(&model, &[request], &limits, &mut |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(logprobs(name), json!(expected[0].logprobs), "{name}");
    }
    assert_ne!(logprobs("own"), logprobs("base"));
}
