//! What servers are asked, and how their answers are read.

use super::dialect::{Answer, Choice, Dialect, Prompt};
use super::logprobs::Logprobs;
use crate::config::ServerKind;
use crate::policy::SamplingParams;
use crate::types::StopReason;
use serde_json::{Value, json};

fn dialect(server: ServerKind, temperature: f64, top_k: usize) -> Dialect {
    let params = SamplingParams { temperature, top_k, top_p: 1.0, max_new_tokens: 9, stop: vec!["\n\n".into()] };
    let logprobs = server != ServerKind::Transformers;
    Dialect { server, logprobs, stop_at_server: true, model: "m".into(), end_tokens: vec![2, 5], params }
}

#[test]
fn every_server_is_sent_neutral_parameters() {
    let prompt = Prompt::Tokens(vec![1, 7]);
    let common = json!({
        "model": "m", "prompt": [1, 7], "max_tokens": 9, "seed": 3, "stream": false, "stop": ["\n\n"], "n": 2, "temperature": 0.5, "top_p": 1.0,
        "presence_penalty": 0.0, "frequency_penalty": 0.0, "logprobs": 1
    });
    for (server, further) in [
        (ServerKind::OpenAi, json!({})),
        (ServerKind::Vllm, json!({ "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0 })),
        (ServerKind::Sglang, json!({ "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0 })),
        (ServerKind::MistralRs, json!({ "min_p": 0.0 })),
        (ServerKind::LlamaCppPython, json!({ "top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0, "mirostat_mode": 0 })),
    ] {
        let mut expected = common.clone();
        expected.as_object_mut().expect("an object").extend(further.as_object().cloned().expect("an object"));
        assert_eq!(dialect(server, 0.5, 0).request(&prompt, 2, 3), expected, "{server:?}");
    }
    let llama = dialect(ServerKind::LlamaCpp, 0.5, 0).request(&prompt, 1, 3);
    assert_eq!((&llama["top_k"], &llama["min_p"], &llama["repeat_penalty"]), (&json!(0), &json!(0.0), &json!(1.0)));
    assert_eq!(dialect(ServerKind::Vllm, 0.5, 20).request(&prompt, 1, 3)["top_k"], 20);
}

#[test]
fn transformers_is_sent_no_key_that_it_refuses() {
    let body = |temperature| dialect(ServerKind::Transformers, temperature, 0).request(&Prompt::Text("ab".into()), 1, 3);
    let settings =
        |body: &Value| -> Value { serde_json::from_str(body["generation_config"].as_str().unwrap_or_default()).unwrap_or_default() };
    let greedy = body(0.0);
    let keys: Vec<&String> = greedy.as_object().map(|body| body.keys().collect()).unwrap_or_default();
    assert_eq!(keys, ["generation_config", "max_tokens", "model", "prompt", "seed", "stop", "stream"]);
    assert_eq!(settings(&greedy), json!({ "do_sample": false, "eos_token_id": [2, 5], "pad_token_id": 2 }));
    let drawn = json!({ "do_sample": true, "eos_token_id": [2, 5], "pad_token_id": 2, "temperature": 0.7, "top_k": 0, "top_p": 1.0 });
    assert_eq!(settings(&body(0.7)), drawn);
}

#[test]
fn seeds_fit_what_servers_take() {
    for seed in [0, 1, u64::MAX, 0x8000_0000_0000_0001] {
        let sent = dialect(ServerKind::Vllm, 1.0, 0).request(&Prompt::Text(String::new()), 1, seed)["seed"].as_u64();
        assert!(sent.is_some_and(|sent| sent < 1 << 31), "{sent:?}");
    }
}

fn choice(text: &str, stop_reason: StopReason, logprobs: &Value) -> Choice {
    let raw = serde_json::from_value(logprobs.clone()).expect("log-probabilities");
    Choice { text: text.into(), stop_reason, logprobs: Some(Logprobs::read(Some(raw), text).expect("complete")), is_cut_here: false }
}

#[test]
fn answers_are_read_in_either_form_and_in_order() {
    let read = |answer: Value| {
        let answer = serde_json::from_value(answer).map_err(|error| error.to_string())?;
        dialect(ServerKind::OpenAi, 0.0, 0).read(answer, 2)
    };
    let lists = json!({ "token_logprobs": [-1.0, -2.0], "tokens": ["a", ""] });
    let objects = json!({ "content": [{ "token": "b", "logprob": -0.5 }] });
    let body = json!({
        "model": "m@main", "usage": { "prompt_tokens": 4, "completion_tokens": 5, "total_tokens": 9 },
        "choices": [
            { "index": 1, "text": "b", "finish_reason": "length", "logprobs": objects },
            { "index": 0, "text": "a\n\nrest", "finish_reason": "stop", "logprobs": lists },
            { "index": 2, "text": "more than was wanted", "finish_reason": "stop" },
        ]
    });
    let choices = vec![choice("a", StopReason::StopString("\n\n".into()), &lists), choice("b", StopReason::Length, &objects)];
    assert_eq!(read(body), Ok(Answer { choices, prompt_tokens: Some(4), completion_tokens: Some(5) }));
    let good = json!({ "text": "a", "finish_reason": "stop", "logprobs": { "token_logprobs": [-1.0] } });
    for (answer, reason) in [
        (json!({ "choices": [] }), "no completion"),
        (json!({ "error": "busy" }), "missing field `choices`"),
        (json!({ "model": "m2", "choices": [good] }), "the model \"m2\", expected \"m\""),
        (json!({ "choices": [{ "text": "a", "finish_reason": null }] }), "for the reason \"none\""),
        (json!({ "choices": [{ "text": "a", "finish_reason": "stop" }] }), "policy.logprobs = false"),
        (
            json!({ "choices": [{ "text": "a", "finish_reason": "stop", "logprobs": { "token_logprobs": [null] } }] }),
            "no log-probabilities",
        ),
    ] {
        let said = read(answer);
        assert!(matches!(&said, Err(message) if message.contains(reason)), "{reason}: {said:?}");
    }
}

#[test]
fn a_server_says_what_stopped_a_completion_or_it_stays_open() {
    let reason = |server, stop_at_server, said: Value| {
        let mut choice = json!({ "text": "a", "finish_reason": "stop" });
        choice.as_object_mut().expect("an object").extend(said.as_object().cloned().expect("an object"));
        let dialect = Dialect { logprobs: false, stop_at_server, ..dialect(server, 0.0, 0) };
        dialect
            .read(serde_json::from_value(json!({ "choices": [choice] })).expect("an answer"), 1)
            .expect("an answer")
            .choices
            .remove(0)
            .stop_reason
    };
    let stop_string = StopReason::StopString("\n\n".into());
    for (server, stop_at_server, said, expected) in [
        (ServerKind::Vllm, true, json!({ "stop_reason": "\n\n" }), stop_string.clone()),
        (ServerKind::Vllm, true, json!({ "stop_reason": 5 }), StopReason::EndToken),
        (ServerKind::Vllm, true, json!({ "stop_reason": null }), StopReason::EndToken),
        (ServerKind::Sglang, true, json!({ "matched_stop": "\n\n" }), stop_string),
        (ServerKind::Sglang, true, json!({ "matched_stop": "other" }), StopReason::Unspecified),
        (ServerKind::LlamaCpp, true, json!({}), StopReason::Unspecified),
        (ServerKind::LlamaCpp, false, json!({}), StopReason::EndToken),
    ] {
        assert_eq!(reason(server, stop_at_server, said.clone()), expected, "{server:?} {stop_at_server} {said}");
    }
}

#[test]
fn what_a_server_generates_behind_a_stop_string_does_not_count() {
    let dialect = Dialect { stop_at_server: false, ..dialect(ServerKind::Transformers, 0.0, 0) };
    assert!(dialect.request(&Prompt::Text("a".into()), 1, 3).get("stop").is_none());
    let answer = serde_json::from_value(json!({ "choices": [{ "text": "a\n\nb", "finish_reason": "length" }] }));
    let answer = dialect.read(answer.expect("an answer"), 1);
    let choice = Choice { text: "a".into(), stop_reason: StopReason::StopString("\n\n".into()), logprobs: None, is_cut_here: true };
    assert_eq!(answer.map(|answer| answer.choices), Ok(vec![choice]));
}
