//! Many clients for a while. Run on demand:
//!
//! ```sh
//! cargo test --release -p starloop-serve --test it load -- --ignored --nocapture
//! ```
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `STARLOOP_LOAD_ROUNDS` | rounds | 4 |
//! | `STARLOOP_LOAD_MODEL` | a checkpoint directory | the shipped base |
//! | `STARLOOP_LOAD_REQUESTS` | requests of each client in a round | 12 |
//! | `STARLOOP_LOAD_CACHE_MB` | memory for keys and values | 64 |
#![expect(clippy::print_stdout, reason = "figures are what this test is run for")]

use crate::client::{Running, repository, start};
use serde_json::json;
use starloop_lm::LanguageModel;
use starloop_lm::engine::{EngineLimits, Request, SamplingParams, sample};
use starloop_serve::Settings;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::Instant;

const CLIENTS: usize = 64;
const TOKENS: usize = 96;

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |number| number.parse().unwrap())
}

fn prompt(client: usize, request: usize) -> String {
    let digits = |number: usize| number.to_string().chars().map(String::from).collect::<Vec<_>>().join(" ");
    format!("Input:\n{} + {}\nTarget:\n", digits(100 + client * 7), digits(100 + request * 61))
}

/// Resident bytes of this process.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// All clients send their requests. Returns the texts by client and request.
fn served(server: &Running, round: usize, requests: usize) -> Vec<Vec<String>> {
    let texts = Mutex::new(vec![Vec::new(); CLIENTS]);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let texts = &texts;
            scope.spawn(move || {
                for request in 0..requests {
                    let seed = round * 1_000_000 + client * 1000 + request;
                    let body = json!({ "prompt": prompt(client, request), "max_tokens": TOKENS, "seed": seed, "stream": request % 4 == 3 });
                    let answer = server.completion(&body);
                    let text = if request % 4 == 3 {
                        answer.events().iter().map(|event| event["choices"][0]["text"].as_str().unwrap().to_owned()).collect()
                    } else {
                        answer.json()["choices"][0]["text"].as_str().unwrap().to_owned()
                    };
                    texts.lock().unwrap()[client].push(text);
                }
            });
        }
    });
    texts.into_inner().unwrap()
}

fn in_process(model: &LanguageModel, limits: &EngineLimits, round: usize, each: usize) -> Vec<Vec<String>> {
    let request = |client: usize, request: usize| Request {
        prompt: model.tokenizer().encode(&prompt(client, request), true).unwrap(),
        seeds: vec![(round * 1_000_000 + client * 1000 + request) as u64],
        params: SamplingParams { temperature: 1.0, ..SamplingParams::greedy(TOKENS) },
    };
    let requests: Vec<Request> = (0..CLIENTS).flat_map(|client| (0..each).map(move |at| request(client, at))).collect();
    let completions = sample(model, &requests, limits, &mut |_| ControlFlow::Continue(())).unwrap();
    completions.chunks(each).map(|texts| texts.iter().map(|completion| completion.text.clone()).collect()).collect()
}

#[test]
#[ignore = "minutes of load"]
fn sixty_four_clients_lose_nothing() {
    let (rounds, each) = (number("STARLOOP_LOAD_ROUNDS", 4), number("STARLOOP_LOAD_REQUESTS", 12));
    let directory = std::env::var_os("STARLOOP_LOAD_MODEL").map_or_else(|| repository("crates/core/models/arithmetic"), Into::into);
    let limits = EngineLimits { sequences: CLIENTS, cache_bytes: number("STARLOOP_LOAD_CACHE_MB", 64) << 20, ..EngineLimits::default() };
    let server = start(&[("arithmetic", &directory)], Settings { engine: limits, ..Settings::default() });
    let model = LanguageModel::load(&directory).unwrap();
    let (mut ratios, mut marks) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let began = Instant::now();
        let expected = in_process(&model, &limits, round, each);
        let alone = began.elapsed().as_secs_f64();
        let began = Instant::now();
        let texts = served(&server, round, each);
        let took = began.elapsed().as_secs_f64();
        assert_eq!(texts, expected, "nothing is lost or changed");
        ratios.push(alone / took);
        marks.push(resident());
        println!("round {round}: in process {alone:.1} s, served {took:.1} s, resident {:.0} MB", marks[round] as f64 / 1e6);
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "{} requests in each round; throughput of the server: {:.2} of sampling in process (median)",
        CLIENTS * each,
        ratios[ratios.len() / 2]
    );
    let growth = marks[marks.len() - 1].saturating_sub(marks[0]);
    println!("growth after the first round: {:.1} MB", growth as f64 / 1e6);
    assert!(growth < 32 << 20);
    assert_eq!(server.metric("starloop_requests_open"), 0);
}
