//! The blocks of docs/serve.md that are not commands of the program: requests, an answer and a config.

use crate::client::{arithmetic, repository};
use serde_json::{Value, json};
use starloop_core::config::{Config, PolicyConfig};

/// The blocks of the page with this word after their fence.
fn blocks(word: &str) -> Vec<String> {
    let page = std::fs::read_to_string(repository("docs/serve.md")).unwrap();
    let blocks = page.split("\n```").filter_map(|block| block.strip_prefix(word)?.strip_prefix('\n').map(str::to_owned));
    blocks.collect()
}

#[test]
fn the_requests_of_the_page_are_answered() {
    let server = arithmetic();
    let requests: Vec<String> = blocks("sh").into_iter().filter(|block| block.starts_with("curl ")).collect();
    assert!(!requests.is_empty());
    for request in requests {
        let path = request.split("127.0.0.1:8000").nth(1).unwrap().split(' ').next().unwrap();
        let body = request.split("-d '").nth(1).unwrap().split('\'').next().unwrap();
        server.send(path, body, &[("Content-Type", "application/json")]).json();
    }
    let expected: Value = serde_json::from_str(&blocks("json")[0]).unwrap();
    assert_eq!(server.completion(&json!({ "prompt": [[]] })).error(400), expected["error"]);
}

#[test]
fn the_config_of_the_page_is_one() {
    let text = format!(
        "name = \"page\"\nrun = []\n[model]\nbase = \"builtin:arithmetic\"\n[task]\nkind = \"arithmetic\"\n[methods]\n{}",
        blocks("toml")[0]
    );
    let config = Config::parse("serve.md", &text, &[]).unwrap();
    let PolicyConfig::OpenAi(serving) = &config.policy else { panic!("{:?}", config.policy) };
    assert_eq!((serving.endpoints.len(), serving.api_key_env.as_deref()), (2, Some("STARLOOP_API_KEY")));
}
