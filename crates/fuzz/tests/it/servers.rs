//! Replies of a server, over a real connection.

use starloop_core::config::{ModelConfig, ServingConfig};
use starloop_core::policy::openai::OpenAiPolicy;
use starloop_core::policy::{Policy, PromptRequest, SamplingParams};
use starloop_fuzz::Target;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

const PLAIN: &str = r#"{"id": "1", "object": "text_completion", "model": "m", "choices": [{"index": 0, "text": " 5", "finish_reason": "stop",
"logprobs": {"tokens": [" 5", "\n"], "token_logprobs": [-0.1, -0.2], "top_logprobs": [{" 5": -0.1}, null], "text_offset": [0, 2]}}],
"usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}"#;
const TWO: &str = r#"{"choices": [{"index": 1, "text": "b", "stop_reason": 7, "token_ids": [1, 2], "finish_reason": "length"},
{"index": 0, "text": "a \ud83e\udd80", "finish_reason": "stop", "logprobs": {"content": [{"token": "a", "bytes": [97], "logprob": -1.5}]}}],
"usage": {"prompt_tokens": 3, "completion_tokens": 4}}"#;
const CHAT: &str = r#"{"choices": [{"index": 0, "message": {"role": "assistant", "content": null, "reasoning_content": "x"},
"finish_reason": "tool_calls"}], "usage": null, "error": {"message": "no", "code": 429}}"#;

/// Answers every request for completions with the current body.
fn serve(body: &Arc<Mutex<Vec<u8>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let body = Arc::clone(body);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let body = Arc::clone(&body);
            std::thread::spawn(move || answer(&stream, &body));
        }
    });
    format!("http://{address}/v1")
}

fn answer(mut stream: &TcpStream, body: &Mutex<Vec<u8>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let (mut first, mut length) = (String::new(), 0);
        reader.read_line(&mut first).ok().filter(|&read| read > 0)?;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        reader.read_exact(&mut vec![0; length]).ok()?;
        let answer = if first.contains("/models") { br#"{"data": [{"id": "m"}]}"#.to_vec() } else { body.lock().ok()?.clone() };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", answer.len());
        stream.write_all(&[head.as_bytes(), &answer].concat()).ok()?;
    }
}

#[test]
fn server_replies() {
    let body = Arc::new(Mutex::new(PLAIN.as_bytes().to_vec()));
    let place = tempfile::tempdir().unwrap();
    let config = ServingConfig { endpoints: vec![serve(&body)], model: "m".to_owned(), tries: 1, ..ServingConfig::default() };
    let model = ModelConfig::default();
    let mut policy = OpenAiPolicy::new(&config, &model, place.path().join("log")).unwrap();
    policy.load(&super::repository("fixtures/llama-tiny")).unwrap();
    let requests = [PromptRequest { prompt: "2 + 3 =".to_owned(), seeds: vec![0, 1] }];
    let params = SamplingParams { max_new_tokens: 4, ..SamplingParams::default() };
    let mut read = 0;
    let words = &["\"choices\"", "\"index\"", "\"text_offset\"", "\"token_logprobs\"", "\\ud800", "1e400", "[[[[[[[["];
    let target = Target::new("server-reply", [PLAIN, TWO, CHAT].map(|seed| seed.as_bytes().to_vec()));
    target.words(words).run(super::tmp(), |input| {
        *body.lock().unwrap() = input.to_vec();
        read += usize::from(policy.sample(&requests, &params, &mut |_| ControlFlow::Continue(())).is_ok());
    });
    assert!(read > 0, "no reply was accepted");
}
