//! Requests to servers, and the reading of their answers.

use super::dialect::{Answer, Dialect, Prompt, ServerChoice};
use super::logprobs::Logprobs;
use crate::config::ServerKind;
use crate::policy::SamplingParams;
use crate::types::StopReason;
use serde_json::{Value, json};

fn dialect(server: ServerKind, temperature: f64, top_k: usize) -> Dialect {
    let params = SamplingParams { temperature, top_k, top_p: 1.0, max_new_tokens: 9, stop: vec!["\n\n".into()] };
    let logprobs = server != ServerKind::Transformers;
    Dialect { server, logprobs, stop_at_server: true, model: "m".into(), sha256: "5f".into(), end_tokens: vec![2, 5], params }
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
        let own = dialect(ServerKind::Starloop, 1.0, 0).request(&Prompt::Tokens(vec![1]), 1, seed);
        assert_eq!((&own["seed"], &own["weights_sha256"], &own["logprobs"]), (&json!(seed), &json!("5f"), &json!(0)));
    }
}

fn choice(text: &str, stop_reason: StopReason, logprobs: &Value) -> ServerChoice {
    let raw = serde_json::from_value(logprobs.clone()).expect("log-probabilities");
    ServerChoice { text: text.into(), stop_reason, logprobs: Some(Logprobs::read(Some(raw), text).expect("complete")), is_cut_here: false }
}

/// A prompt of nine bytes.
fn prompt() -> Prompt {
    Prompt::Text("2 + 2 is?".into())
}

fn read(dialect: &Dialect, answer: &str) -> Result<Answer, String> {
    let answer = serde_json::from_str(answer).map_err(|error| error.to_string())?;
    dialect.read(answer, &prompt(), 2)
}

#[test]
fn answers_are_read_in_either_form_and_in_order() {
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
    let expected = Answer { choices, prompt_tokens: Some(4), completion_tokens: Some(5) };
    assert_eq!(read(&dialect(ServerKind::OpenAi, 0.0, 0), &body.to_string()), Ok(expected));
}

#[test]
fn what_does_not_answer_the_request_is_refused_in_plain_words() {
    let good = json!({ "text": "a", "finish_reason": "stop", "logprobs": { "token_logprobs": [-1.0] } });
    let with = |key: &str, value: Value| {
        let mut choice = good.clone();
        choice[key] = value;
        json!({ "choices": [choice] })
    };
    let counted = |usage: Value| json!({ "choices": [good], "usage": usage });
    let scored = |tokens: usize, counted: u64| {
        let choice = json!({ "text": "a", "finish_reason": "length", "logprobs": { "token_logprobs": vec![-1.0; tokens] } });
        json!({ "choices": [choice], "usage": { "completion_tokens": counted } })
    };
    for (answer, reason) in [
        (json!({ "choices": [] }), "no completion"),
        (json!({}), "no key `choices`"),
        (json!({ "error": "busy" }), "answered 200 with an error: busy"),
        (json!({ "error": { "message": "no such model", "code": 404 } }), "answered 200 with an error: no such model"),
        (json!({ "error": { "code": 404 }, "choices": [good] }), "an error: it gives no message"),
        (json!({ "error": "" }), "an error: it gives no message"),
        (json!({ "error": ["full"] }), "an error: full"),
        (json!({ "error": 500 }), "an error: the number 500"),
        (json!({ "error": { "error": { "message": "nested" } } }), "an error: nested"),
        (json!({ "object": "error", "message": "no such adapter" }), "no key `choices`; the server says: no such adapter"),
        (json!({ "detail": "Not authenticated" }), "the server says: Not authenticated"),
        (json!({ "detail": [{ "msg": "field required" }] }), "the server says: field required"),
        (json!({ "errors": [{ "message": "first" }, { "message": "second" }] }), "the server says: first"),
        (with("text", json!("w ".repeat(10 * 512))), "10240 bytes, more than 9 tokens can have"),
        (
            json!({ "object": "chat.completion", "choices": [{ "message": { "content": "a" } }] }),
            "expected a completion with the key `text`",
        ),
        (json!({ "choices": [{ "message": { "content": "a" }, "finish_reason": "stop" }] }), "answered with a chat message"),
        (json!({ "choices": [{ "finish_reason": "stop" }] }), "a completion has no key `text`"),
        (json!({ "model": "m2", "choices": [good] }), "the model \"m2\", expected \"m\""),
        (json!({ "choices": [{ "text": "a", "finish_reason": "stop" }] }), "policy.logprobs = false"),
        (with("logprobs", json!({ "token_logprobs": [null] })), "no log-probabilities"),
        (with("logprobs", json!({ "token_logprobs": [] })), "an empty list of log-probabilities"),
        (with("logprobs", json!({ "token_logprobs": [705] })), "the log-probability 705"),
        (with("logprobs", json!({ "token_logprobs": [-1, -1], "tokens": ["a"] })), "1 tokens and 2 log-probabilities"),
        (json!({ "choices": [with("index", json!(0))["choices"][0], with("index", json!(0))["choices"][0]] }), "the same index (0)"),
        (json!({ "choices": [with("index", json!(1))["choices"][0], good] }), "the indices"),
        (with("index", json!(7)), "the indices of the completions are not below 2"),
        (with("finish_reason", json!("abort")), "for the reason \"abort\", expected `stop` or `length`"),
        (with("finish_reason", Value::Null), "no finish_reason"),
        (with("finish_reason", json!([1])), "neither a text nor an object"),
        (with("finish_reason", json!({ "kind": "stop" })), "neither a text nor an object"),
        (
            counted(json!({ "completion_tokens": 9_200_000_000_000_000_000_u64 })),
            "9200000000000000000 tokens of the completions, expected at most 10",
        ),
        (counted(json!({ "prompt_tokens": 9_200_000_000_000_000_000_u64 })), "9200000000000000000 tokens of the prompt"),
        (counted(json!({ "completion_tokens": -1 })), "-1"),
        (scored(5, 2), "log-probabilities of 5 tokens and counts 2 tokens"),
        (scored(2, 5), "a completion of 5 tokens has 2 log-probabilities"),
    ] {
        let said = read(&dialect(ServerKind::Vllm, 0.0, 0), &answer.to_string());
        if reason == "the indices" {
            // Of two completions one has an index and one has none; the order is that of the indices.
            assert!(said.is_ok(), "{said:?}");
            continue;
        }
        assert!(matches!(&said, Err(message) if message.contains(reason)), "{reason}: {said:?}");
    }
    // llama.cpp returns one log-probability for the tokens of one character, but not one for a whole text.
    assert!(read(&dialect(ServerKind::LlamaCpp, 0.0, 0), &scored(2, 5).to_string()).is_ok());
    let params = SamplingParams { max_new_tokens: 40, ..dialect(ServerKind::OpenAi, 0.0, 0).params };
    let long = Dialect { params, ..dialect(ServerKind::OpenAi, 0.0, 0) };
    let said = read(&long, &scored(1, 40).to_string());
    assert!(said.is_err_and(|message| message.contains("a completion of 40 tokens has 1 log-probabilities")));
    // vLLM and SGLang name what ended a text by different keys, and a server may send both.
    let mut both = with("stop_reason", json!("\n\n"));
    both["choices"][0]["matched_stop"] = json!(2);
    assert!(read(&dialect(ServerKind::Vllm, 0.0, 0), &both.to_string()).is_ok());
}

#[test]
fn an_answer_takes_no_more_memory_than_its_completions() {
    for (answer, reason) in [
        (format!(r#"{{"choices":[{}1]}}"#, r#"{"a":0},"#.repeat(2000)), "at most 1024 elements"),
        (format!(r#"{{"choices":[{{"text":"a","finish_reason":{}"#, r#"{"matched":"#.repeat(1 << 16)), "recursion limit"),
        (format!(r#"{{"choices":[{{"text":"a","finish_reason":{}"#, "[".repeat(1 << 16)), "recursion limit"),
    ] {
        let said = read(&dialect(ServerKind::OpenAi, 0.0, 0), &answer);
        assert!(matches!(&said, Err(message) if message.contains(reason)), "{reason}: {said:?}");
    }
    // Two millions of small objects in a key that is not read.
    let dialect = dialect(ServerKind::OpenAi, 0.0, 0);
    let padding = r#"{"a":0},"#.repeat(1 << 21);
    let body =
        format!(r#"{{"extra":[{padding}1],"choices":[{{"text":"a","finish_reason":"stop","logprobs":{{"token_logprobs":[-1]}}}}]}}"#);
    assert!(read(&dialect, &body).is_ok());
    assert!(dialect.longest_answer(&prompt(), 1) < 300 << 10 && (body.len() as u64) > dialect.longest_answer(&prompt(), 2));
    let long = Dialect { params: SamplingParams { max_new_tokens: usize::MAX, ..dialect.params.clone() }, ..dialect };
    assert_eq!(long.longest_answer(&Prompt::Tokens(vec![0; 9]), usize::MAX), 64 << 20);
}

#[test]
fn every_server_word_for_the_end_of_a_text_is_read() {
    let stop_string = StopReason::StopString("\n\n".into());
    for (choice, tokens, expected) in [
        (json!({ "finish_reason": "eos_token" }), None, StopReason::EndToken),
        (json!({ "finish_reason": "stop_sequence" }), None, StopReason::Unspecified),
        (json!({ "finish_reason": "STOP" }), None, StopReason::Unspecified),
        (json!({ "finish_reason": "MAX_TOKENS" }), None, StopReason::Length),
        (json!({ "finish_reason": { "type": "length", "length": 9 } }), None, StopReason::Length),
        (json!({ "finish_reason": { "type": "stop", "matched": 2 } }), None, StopReason::EndToken),
        (json!({ "finish_reason": { "type": "stop", "matched": "\n\n" } }), None, stop_string),
        (json!({ "finish_reason": null }), Some(9), StopReason::Length),
        (json!({ "finish_reason": null }), Some(4), StopReason::Unspecified),
        (json!({}), Some(4), StopReason::Unspecified),
    ] {
        let mut body = json!({ "choices": [choice], "usage": { "completion_tokens": tokens } });
        body["choices"][0]["text"] = "a".into();
        for server in [ServerKind::OpenAi, ServerKind::Vllm] {
            let dialect = Dialect { logprobs: false, ..dialect(server, 0.0, 0) };
            let mut answer = read(&dialect, &body.to_string()).expect("an answer");
            let found = answer.choices.remove(0).stop_reason;
            // vLLM names what stopped a text, unless it was the end token.
            let is_named = server == ServerKind::Vllm && expected == StopReason::Unspecified && tokens.is_none();
            assert_eq!(found, if is_named { StopReason::EndToken } else { expected.clone() }, "{server:?} {body}");
        }
    }
}

#[test]
fn a_server_says_what_stopped_a_completion_or_it_stays_open() {
    let reason = |server, stop_at_server, said: Value| {
        let mut choice = json!({ "text": "a", "finish_reason": "stop" });
        choice.as_object_mut().expect("an object").extend(said.as_object().cloned().expect("an object"));
        let dialect = Dialect { logprobs: false, stop_at_server, ..dialect(server, 0.0, 0) };
        dialect
            .read(serde_json::from_value(json!({ "choices": [choice] })).expect("an answer"), &prompt(), 1)
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
    let answer = dialect.read(answer.expect("an answer"), &prompt(), 1);
    let choice = ServerChoice { text: "a".into(), stop_reason: StopReason::StopString("\n\n".into()), logprobs: None, is_cut_here: true };
    assert_eq!(answer.map(|answer| answer.choices), Ok(vec![choice]));
}
