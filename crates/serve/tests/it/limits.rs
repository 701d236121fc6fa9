//! The queue, limits, keys, clients that leave, and the end of the server.

use crate::client::{PROMPT, arithmetic, repository, small, start, start_with};
use serde_json::json;
use starloop_serve::{ApiKey, Catalog, Error, Server, Settings};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Sends a request for many completions, and returns the open connection.
fn long_request(address: SocketAddr, samples: usize, stream: bool) -> TcpStream {
    let body = json!({ "prompt": PROMPT, "n": samples, "max_tokens": 900, "temperature": 3, "seed": 1, "stream": stream }).to_string();
    let mut connection = TcpStream::connect(address).unwrap();
    let head =
        format!("POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    connection.write_all((head + &body).as_bytes()).unwrap();
    connection
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_full_queue_refuses_until_there_is_room() {
    let server = start(&[("arithmetic", &repository("crates/core/models/arithmetic"))], Settings { queue: 1, ..small() });
    let open = long_request(server.address, 400, false);
    wait_until("the first request", || server.metric("starloop_requests_open") == 1);
    let refused = server.completion(&json!({ "prompt": PROMPT }));
    assert!(refused.error(429)["message"].as_str().unwrap().contains("1 requests are open"), "{refused:?}");
    assert_eq!(refused.retry_after.as_deref(), Some("1"));
    drop(open);
    wait_until("room", || server.metric("starloop_requests_open") == 0);
    server.completion(&json!({ "prompt": PROMPT, "max_tokens": 1 })).json();
}

#[test]
fn a_client_that_leaves_cancels_its_request() {
    let server = arithmetic();
    for (count, stream) in [(1, false), (2, true)] {
        let before = server.metric("starloop_generated_tokens_total");
        let mut open = long_request(server.address, 400, stream);
        wait_until("tokens", || server.metric("starloop_generated_tokens_total") > before);
        if stream {
            open.read_exact(&mut [0; 64]).unwrap();
        }
        drop(open);
        wait_until("the cancellation", || server.metric("starloop_prompts_cancelled_total") == count);
        wait_until("an idle server", || server.metric("starloop_requests_open") == 0);
    }
    let after = server.metric("starloop_generated_tokens_total");
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(server.metric("starloop_generated_tokens_total"), after, "nothing is generated for nobody");
}

#[test]
fn a_server_that_stops_finishes_its_open_requests() {
    let mut server = arithmetic();
    let address = server.address;
    let request = std::thread::spawn(move || {
        let mut open = long_request(address, 24, true);
        let mut text = String::new();
        open.read_to_string(&mut text).map(|_| text)
    });
    wait_until("the request", || server.metric("starloop_requests_open") == 1);
    let thread = server.stop();
    let text = request.join().unwrap().unwrap();
    assert!(text.contains("[DONE]"), "the stream is whole");
    thread.join().unwrap().unwrap();
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn requests_that_take_too_long_are_cut_off_when_the_server_stops() {
    let settings = Settings { drain: Duration::from_millis(50), ..small() };
    let mut server = start(&[("arithmetic", &repository("crates/core/models/arithmetic"))], settings);
    // A request whose body never comes.
    let mut open = TcpStream::connect(server.address).unwrap();
    open.write_all(b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{").unwrap();
    wait_until("the request", || server.metric("starloop_requests_open") == 1);
    let began = Instant::now();
    server.stop().join().unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(25));
}

#[test]
fn every_address_but_that_of_health_needs_the_key() {
    let settings = Settings { api_key: Some(ApiKey::new("secret").unwrap()), ..small() };
    let server = start(&[("arithmetic", &repository("crates/core/models/arithmetic"))], settings);
    assert_eq!(server.get("/health", &[]).text, "ok\n");
    for path in ["/v1/models", "/metrics", "/v1/models/arithmetic", "/"] {
        server.get(path, &[]).error(401);
        server.get(path, &[("Authorization", "Bearer secrets")]).error(401);
    }
    let key = ("Authorization", "Bearer secret");
    assert_eq!(server.get("/v1/models", &[key]).json()["data"][0]["id"], "arithmetic");
    let body = json!({ "prompt": PROMPT, "max_tokens": 2 }).to_string();
    server.send("/v1/completions", &body, &[("Content-Type", "application/json")]).error(401);
    server.send("/v1/completions", &body, &[("Content-Type", "application/json"), key]).json();
}

#[test]
fn a_body_has_a_limit() {
    let server = start(&[("arithmetic", &repository("crates/core/models/arithmetic"))], Settings { longest_body: 200, ..small() });
    let error = server.completion(&json!({ "prompt": "6".repeat(300) })).error(413);
    assert!(error["message"].as_str().unwrap().contains("more than 200 bytes"), "{error}");
    server.completion(&json!({ "prompt": PROMPT, "max_tokens": 1 })).json();
}

#[test]
fn models_are_loaded_by_name_and_by_path() {
    let (first, second) = (repository("crates/core/models/arithmetic"), repository("crates/core/models/arithmetic-long"));
    let adapter = repository("fixtures/adapters");
    let mut catalog = Catalog::default();
    catalog.add("first", &first).unwrap();
    catalog.add("second/2", &second).unwrap();
    catalog.add_root(&repository("crates/core/models")).unwrap();
    let server = start_with(catalog, Settings { models_in_memory: 1, ..small() });
    let digest = |name: &str| server.get(&format!("/v1/models/{name}"), &[]).json()["weights_sha256"].clone();
    let path = first.canonicalize().unwrap().display().to_string();
    assert_eq!(digest("first"), digest(&path));
    assert_ne!(digest("first"), digest("second/2"));
    for name in ["first", "second/2", &path, "first"] {
        let body = json!({ "model": name, "prompt": PROMPT, "max_tokens": 3, "weights_sha256": digest(name) });
        assert_eq!(server.completion(&body).json()["model"], name);
    }
    for name in ["third", adapter.to_str().unwrap()] {
        server.completion(&json!({ "model": name, "prompt": PROMPT })).error(404);
    }
    server.get("/v1/models/third", &[]).error(404);
}

#[test]
fn a_server_without_a_usable_model_does_not_start() {
    assert!(matches!(Server::bind(Catalog::default(), small()), Err(Error::NoModel)));
    let mut catalog = Catalog::default();
    catalog.add("missing", &repository("models/none")).unwrap();
    assert!(matches!(Server::bind(catalog, small()), Err(Error::Load { .. })));
    let server = arithmetic();
    let mut catalog = Catalog::default();
    catalog.add("arithmetic", &repository("crates/core/models/arithmetic")).unwrap();
    assert!(matches!(Server::bind(catalog, Settings { address: server.address, ..small() }), Err(Error::Listen { .. })));
}
