//! The JSON of every command is what its schema in docs/schemas/ says, and no more.

use crate::program::{Outcome, SMALL_PRETRAINING, command, repository, small_run, starloop, starloop_reading, text};
use crate::views::copy;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

/// The parts of JSON Schema that the files use. Anything else in a file is an error.
const KEYWORDS: [&str; 8] = ["$schema", "title", "description", "type", "properties", "required", "items", "additionalProperties"];

/// The differences between a value and a schema. An object has no keys that the schema does not name.
fn differences(schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    let keywords = schema.as_object().unwrap();
    let unknown = keywords.keys().find(|key| !KEYWORDS.contains(&key.as_str()));
    assert_eq!(unknown, None, "{place}: a keyword that this test does not check");
    if let Some(types) = schema.get("type") {
        let types: Vec<&str> =
            types.as_array().map_or_else(|| vec![types.as_str().unwrap()], |all| all.iter().filter_map(Value::as_str).collect());
        if !types.iter().any(|name| is_a(value, name)) {
            found.push(format!("{place}: expected {types:?}, found {value}"));
        }
    }
    if let (Some(object), Some(properties)) = (value.as_object(), schema.get("properties")) {
        for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).filter(|key| !object.contains_key(*key)) {
            found.push(format!("{place}.{key}: missing"));
        }
        for (key, value) in object {
            match properties.get(key) {
                Some(schema) => differences(schema, value, &format!("{place}.{key}"), found),
                None => found.push(format!("{place}.{key}: not in the schema")),
            }
        }
    }
    if let (Some(object), Some(schema)) = (value.as_object(), schema.get("additionalProperties")) {
        object.iter().for_each(|(key, value)| differences(schema, value, &format!("{place}.{key}"), found));
    }
    if let (Some(items), Some(schema)) = (value.as_array(), schema.get("items")) {
        for value in items {
            differences(schema, value, &format!("{place}[]"), found);
        }
    }
}

fn is_a(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other}: no type of JSON"),
    }
}

fn schema(name: &str) -> Value {
    let path = repository(&format!("docs/schemas/{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{} is missing", path.display()))).unwrap()
}

/// Checks that an output, one value or one on each line, is what the schema of this name says.
pub fn check(name: &str, output: &str) {
    let values: Vec<Value> = serde_json::Deserializer::from_str(output).into_iter().collect::<Result<_, _>>().unwrap();
    assert!(!values.is_empty(), "{name}: no output");
    let mut found = Vec::new();
    for value in &values {
        differences(&schema(name), value, name, &mut found);
    }
    found.sort();
    found.dedup();
    assert!(
        found.is_empty(),
        "docs/schemas/{name}.json does not describe the output; change both, and docs/json.md:\n{}",
        found.join("\n")
    );
}

#[test]
fn a_wrong_value_differs_from_its_schema() {
    let schema = serde_json::json!({ "type": "object", "properties": { "a": { "type": ["integer", "null"] } }, "required": ["a"] });
    let count = |value: Value| {
        let mut found = Vec::new();
        differences(&schema, &value, "", &mut found);
        found.len()
    };
    assert_eq!(count(serde_json::json!({ "a": 1 })) + count(serde_json::json!({ "a": null })), 0);
    for wrong in [serde_json::json!({}), serde_json::json!({ "a": 1.5 }), serde_json::json!({ "a": 1, "b": 2 }), serde_json::json!([])] {
        assert_eq!(count(wrong.clone()), 1, "{wrong}");
    }
}

#[test]
fn the_json_of_a_model_from_the_cache_is_what_the_schema_says() {
    let place = tempfile::tempdir().unwrap();
    let (repository_in_cache, commit) = (place.path().join("hub/models--org--tiny"), "0123456789abcdef0123456789abcdef01234567");
    let snapshot = repository_in_cache.join("snapshots").join(commit);
    copy(&repository("fixtures/llama-tiny"), &snapshot);
    std::fs::create_dir(repository_in_cache.join("refs")).unwrap();
    std::fs::write(repository_in_cache.join("refs/main"), commit).unwrap();
    let mut get = command("get model org/tiny --json --out", &[text(&place.path().join("tiny"))]);
    let got: Outcome = get.env("HF_HUB_CACHE", place.path().join("hub")).env("HF_HUB_OFFLINE", "1").output().unwrap().into();
    let json = got.done();
    check("get-model", &json);
    assert!(json.contains(commit), "{json}");
}

/// A hub with one data set of one file. It answers so many requests. Returns its address.
fn hub_of_rows(rows: &'static str, requests: usize) -> String {
    let hub = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", hub.local_addr().unwrap());
    let sha256 = starloop_record::digest::sha256_hex(rows.as_bytes());
    let file = serde_json::json!({ "rfilename": "data/rows.jsonl", "lfs": { "sha256": sha256, "size": rows.len() } });
    let list = serde_json::json!({ "sha": "0123456789abcdef0123456789abcdef01234567", "siblings": [file] }).to_string();
    std::thread::spawn(move || {
        for connection in hub.incoming().take(requests) {
            let mut connection = connection.unwrap();
            let asked: Vec<String> = BufReader::new(&connection).lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
            let body = if asked[0].contains("/api/datasets/org/rows/revision/main") { &list } else { rows };
            write!(connection, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).unwrap();
        }
    });
    address
}

#[test]
fn the_json_of_a_data_set_from_the_hub_is_what_the_schema_says() {
    let place = tempfile::tempdir().unwrap();
    let (rows, out) = ("{\"question\": \"1 + 1?\", \"answer\": 2}\n", place.path().join("rows"));
    let mut get = command("get data org/rows --quiet --json --out", &[text(&out)]);
    let got: Outcome = get.env("HF_ENDPOINT", hub_of_rows(rows, 2)).env("HF_HUB_CACHE", place.path().join("hub")).output().unwrap().into();
    check("get-data", &got.done());
    assert_eq!(std::fs::read_to_string(out.join("data/rows.jsonl")).unwrap(), rows);
}

#[test]
fn the_json_of_commands_that_read_runs_is_what_the_schemas_say() {
    let run = text(small_run());
    for (name, line) in [
        ("report", "report --json"),
        ("watch", "watch --json"),
        ("inspect", "inspect --json"),
        ("verify-run", "verify --json"),
        ("clean", "clean --dry-run --json"),
    ] {
        check(name, &starloop(line, &[run]).done());
    }
    check("report", &starloop("report --json", &[run, run]).done());
    check("compare", &starloop("compare --json", &[run, run]).done());
    check("runs", &starloop("runs --json", &[text(small_run().parent().unwrap())]).done());
}

#[test]
fn the_json_of_commands_that_work_with_models_is_what_the_schemas_say() {
    let place = tempfile::tempdir().unwrap();
    let out = |name: &str| place.path().join(name);
    std::fs::write(out("pairs.jsonl"), r#"{"prompt": "1 + 2\n", "completion": "3"}"#).unwrap();
    let model = "--model builtin:arithmetic --json";
    check("sample", &starloop(&format!("sample {model} --max-new-tokens 40 -n 2 --stop C --prompt"), &["6 + 9"]).done());
    check("score", &starloop(&format!("score {model} --text"), &["6 + 9"]).done());
    let train = format!("train {model} --quiet --steps 1 --set warmup_steps=0");
    check("train", &starloop(&train, &["--data", text(&out("pairs.jsonl")), "--out", text(&out("tuned"))]).done());
    check("pretrain", &starloop(&format!("{SMALL_PRETRAINING} --set training.steps=3 --json"), &["--out", text(&out("base"))]).done());
    check("model-info", &starloop("model info builtin:arithmetic --json", &[]).done());
    check("bench-product", &starloop("bench --mode product --product NT:8x8x8 --json", &[]).done());
    let shape = "--layers 1 --hidden 32 --heads 2 --intermediate 32 --sequences 2 --steps 1 --json";
    check("bench", &starloop(&format!("bench --size S --mode decode --new-tokens 2 {shape}"), &[]).done());
    check("doctor", &starloop("doctor --json", &[]).done());
    check("plan", &starloop("plan gsm8k --no-measurement --json", &[]).done());
    check("plan", &starloop("plan smoke --json", &["--set", "run=[\"star\"]"]).done());
    check("dry-run", &starloop("run smoke --dry-run --json", &["--set", "run=[\"star\"]"]).done());
    let completions = "{\"completion\": \"So 4+5=9\\n#### 9\", \"answer\": \"9\"}\n{\"completion\": \"no\", \"answer\": 9}\n";
    check("verify", &starloop_reading(completions, "verify --task gsm8k --json --explain").done());
    check("verify", &starloop_reading(completions, "verify --task gsm8k --json").done());
}

#[test]
fn the_json_of_measurements_is_what_the_schemas_say() {
    let place = tempfile::tempdir().unwrap();
    let run = place.path().join("run");
    copy(small_run(), &run);
    check("audit", &starloop("audit --quiet --problems 3 --json", &[text(&run)]).done());
    let eval = "eval --task arithmetic --model builtin:arithmetic --few-shot 1 --limit 3 --max-new-tokens 8 --quiet --json";
    check("eval", &starloop(eval, &[]).done());
    check("eval", &starloop(&format!("{eval} --samples 2 --temperature 0.7"), &[]).done());
    check("eval", &starloop(eval, &["--model", "builtin:arithmetic"]).done());
    check("prompt", &starloop("prompt smoke --json", &[]).done());
}

#[test]
fn docs_json_names_every_schema() {
    let page = std::fs::read_to_string(repository("docs/json.md")).unwrap();
    let files = std::fs::read_dir(repository("docs/schemas")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<String> = files.collect();
    assert!(files.len() > 15, "{files:?}");
    for file in files {
        assert!(page.contains(&format!("schemas/{file}")), "docs/json.md does not name {file}");
    }
}
