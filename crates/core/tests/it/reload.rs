//! Running servers that are made to serve another checkpoint, that refuse it, and that have forgotten it.

use crate::completions::{Act, Asked, Completions, completion};
use crate::doubles::complete;
use crate::serving::{bench, faultless, policy, requests, results, right_answer, run, sample, served};
use serde_json::{Value, json};
use starloop_core::error::{Error, Result, with_causes};
use starloop_core::experiment::Experiment;
use starloop_core::policy::openai::OpenAiPolicy;
use starloop_core::policy::{Completion, Policy};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[cfg(unix)]
#[test]
fn a_running_server_is_told_to_load_each_checkpoint() {
    let bench = bench();
    let loaded = bench.place.path().join("loaded");
    let server = Completions::start(right_answer);
    let script = format!("echo {{checkpoint}} {{endpoint}} >> {}", loaded.display());
    let reload = format!("policy.reload={}", json!(["sh", "-c", script]));
    run(&bench, "reloaded", &served(&[&server.endpoint], &[&reload]), false).unwrap();
    let told = std::fs::read_to_string(&loaded).unwrap();
    let lines: Vec<&str> = told.lines().collect();
    let expected = |checkpoint: &Path| format!("{} {}", checkpoint.display(), server.endpoint);
    let made = bench.place.path().join("reloaded/star/iter-001/checkpoint");
    assert_eq!(lines, [expected(&bench.place.path().join("base")), expected(&made)]);
    let reload = format!("policy.reload={}", json!(["sh", "-c", "echo it is too large >&2; exit 1"]));
    let error = with_causes(&run(&bench, "failed", &served(&[&server.endpoint], &[&reload]), false).err().unwrap());
    assert!(error.contains("sh failed (exit status: 1) and said: it is too large"), "{error}");
}

/// The models that a server has loaded: a directory, and the adapters with their names.
#[derive(Default)]
struct Loaded {
    directory: PathBuf,
    adapters: Vec<(String, PathBuf)>,
}

type Shared = Arc<Mutex<Loaded>>;

/// The answer of a model in a directory.
fn answer_of(directory: &Path, asked: &Asked) -> Value {
    let skill = std::fs::read_to_string(directory.join("skill")).unwrap();
    let right = complete(asked.prompt(), asked.seed(), skill.parse().unwrap());
    completion(asked, &right.text, right.logprob.unwrap())
}

/// `SGLang`, which serves whatever it was last told to load, and takes any name for it.
fn sglang(loaded: &Shared, asked: &Asked) -> Act {
    let mut loaded = loaded.lock().unwrap();
    match asked.path.as_str() {
        "/update_weights_from_disk" => {
            loaded.directory = asked.body["model_path"].as_str().unwrap().into();
            Act::Answer(json!({ "success": true, "message": "Succeeded to update model weights.", "num_paused_requests": 0 }))
        }
        "/get_model_info" => Act::Answer(json!({ "model_path": loaded.directory, "is_generation": true })),
        // After a change of weights it goes by their directory.
        "/v1/models" => Act::Answer(json!({ "data": [{ "id": loaded.directory, "root": loaded.directory }] })),
        path => Act::Status(404, "", format!("no {path}")),
    }
}

fn reloaded_by(recipe: &str, server: &Completions, further: &[&str]) -> Experiment {
    let (kind, reload) = (format!("policy.server={}", recipe.trim_end_matches("_lora")), format!("policy.reload={recipe}"));
    // Its prompts go as text, which the toy model reads.
    served(&[&server.endpoint], &[&[&kind, &reload, "policy.prompts=text", "policy.model=base"], further].concat())
}

#[test]
fn sglang_is_told_each_checkpoint_and_says_that_it_serves_it() {
    let bench = bench();
    let whole = faultless(&bench);
    let loaded = Shared::default();
    let (ours, theirs) = (Arc::clone(&loaded), Arc::clone(&loaded));
    let server = Completions::with_others(
        move |asked| Act::Answer(answer_of(&ours.lock().unwrap().directory, asked)),
        move |asked| sglang(&theirs, asked),
    );
    run(&bench, "sglang", &reloaded_by("sglang", &server, &[]), false).unwrap();
    assert_eq!(results(&bench, "sglang"), whole);
    let told: Vec<Value> = server.others().into_iter().filter(|(path, _)| path.starts_with("/update")).map(|(_, body)| body).collect();
    let place = bench.place.path();
    let expected = [place.join("base"), place.join("sglang/star/iter-001/checkpoint")].map(|directory| json!({ "model_path": directory }));
    assert_eq!(told, expected);
}

#[test]
fn a_server_that_restarts_is_told_again_what_to_serve() {
    let bench = bench();
    let whole = faultless(&bench);
    let loaded = Shared::default();
    let (ours, theirs) = (Arc::clone(&loaded), Arc::clone(&loaded));
    let untaught = bench.place.path().join("base");
    // It goes down twice in the middle of a stage, and comes up with what it was started with.
    let fell = Mutex::new((0, Instant::now()));
    let server = Completions::with_others(
        move |asked| {
            let mut fell = fell.lock().unwrap();
            fell.0 += 1;
            if fell.0 == 60 || fell.0 == 190 {
                fell.1 = Instant::now();
                ours.lock().unwrap().directory.clone_from(&untaught);
            }
            if fell.0 >= 60 && fell.1.elapsed() < Duration::from_millis(300) {
                return Act::Close;
            }
            Act::Answer(answer_of(&ours.lock().unwrap().directory, asked))
        },
        move |asked| sglang(&theirs, asked),
    );
    run(&bench, "restarted", &reloaded_by("sglang", &server, &["policy.in_flight=4"]), false).unwrap();
    assert_eq!(results(&bench, "restarted"), whole);
    let asked = |start: &str| server.others().iter().filter(|(path, _)| path.starts_with(start)).count();
    assert!(asked("/update") >= 3, "it had to load it again: {:?}", server.others());
}

/// vLLM with adapters: a name for each.
fn vllm(loaded: &Shared, asked: &Asked) -> Act {
    let mut loaded = loaded.lock().unwrap();
    let name = asked.body["lora_name"].as_str().unwrap_or_default().to_owned();
    match asked.path.as_str() {
        "/v1/load_lora_adapter" if loaded.adapters.iter().any(|(known, _)| *known == name) => {
            Act::Status(400, "", format!("The lora adapter '{name}' has already been loaded."))
        }
        "/v1/load_lora_adapter" => {
            loaded.adapters.push((name, asked.body["lora_path"].as_str().unwrap().into()));
            Act::Status(200, "", "Success: LoRA adapter added successfully.".into())
        }
        "/v1/unload_lora_adapter" => {
            let before = loaded.adapters.len();
            loaded.adapters.retain(|(known, _)| *known != name);
            Act::Status(if loaded.adapters.len() < before { 200 } else { 404 }, "", String::new())
        }
        "/v1/models" => {
            let adapters = loaded.adapters.iter().map(|(name, path)| json!({ "id": name, "root": path, "parent": "base" }));
            let all: Vec<Value> = std::iter::once(json!({ "id": "base", "root": "/models/base" })).chain(adapters).collect();
            Act::Answer(json!({ "object": "list", "data": all }))
        }
        path => Act::Status(404, "", format!("no {path}")),
    }
}

/// An adapter of a model that the tests have.
fn adapter() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/adapters/llama").canonicalize().unwrap()
}

fn ask(policy: &mut OpenAiPolicy, count: u32) -> Result<Vec<Completion>> {
    sample(policy, &requests(count))
}

#[test]
fn vllm_loads_an_adapter_by_a_name_of_its_own_and_lets_go_of_it() {
    let bench = bench();
    let loaded = Shared::default();
    let theirs = Arc::clone(&loaded);
    let server = Completions::with_others(|asked| Act::Answer(completion(asked, "x", -1.0)), move |asked| vllm(&theirs, asked));
    let experiment = reloaded_by("vllm_lora", &server, &[]);
    let mut policy = policy(&experiment, &bench.place.path().join("server.log")).unwrap();
    let sha256 = policy.load(&adapter()).unwrap();
    let name = format!("starloop-{}", &sha256[..12]);
    assert_eq!(loaded.lock().unwrap().adapters, [(name.clone(), adapter())]);
    ask(&mut policy, 3).unwrap();
    assert_eq!(server.models(), [name.clone()].into());
    // A server that restarts, or that another run has used, makes no difference: the server loads the name again.
    policy.load(&adapter()).unwrap();
    // The base is asked by its own name, and the adapter takes no more memory.
    policy.load(&bench.place.path().join("base")).unwrap();
    assert!(loaded.lock().unwrap().adapters.is_empty());
    ask(&mut policy, 4).unwrap();
    assert_eq!(server.models(), [name, "base".to_owned()].into());
}

#[test]
fn vllm_that_restarts_is_given_the_adapter_again() {
    let bench = bench();
    let loaded = Shared::default();
    let (ours, theirs) = (Arc::clone(&loaded), Arc::clone(&loaded));
    let count = AtomicUsize::new(0);
    let server = Completions::with_others(
        move |asked| {
            let mut loaded = ours.lock().unwrap();
            if count.fetch_add(1, Ordering::SeqCst) == 20 {
                loaded.adapters.clear();
                return Act::Close;
            }
            let is_known = loaded.adapters.iter().any(|(name, _)| asked.body["model"] == name.as_str());
            if is_known { Act::Answer(completion(asked, "x", -1.0)) } else { Act::Status(404, "", "The model does not exist.".into()) }
        },
        move |asked| vllm(&theirs, asked),
    );
    let experiment = reloaded_by("vllm_lora", &server, &["policy.in_flight=1"]);
    let mut policy = policy(&experiment, &bench.place.path().join("server.log")).unwrap();
    policy.load(&adapter()).unwrap();
    assert_eq!(ask(&mut policy, 50).unwrap().len(), 50);
    assert_eq!(server.others().iter().filter(|(path, _)| path == "/v1/load_lora_adapter").count(), 2);
}

/// The error for a server that gives this answer to requests other than for completions, when it should serve `checkpoint`.
fn refusal(recipe: &str, checkpoint: &Path, other: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> String {
    let bench = bench();
    let server = Completions::with_others(|asked| Act::Answer(completion(asked, "x", -1.0)), other);
    let experiment = reloaded_by(recipe, &server, &[]);
    let mut policy = policy(&experiment, &bench.place.path().join("server.log")).unwrap();
    let error = policy.load(checkpoint).err().unwrap();
    assert!(matches!(error, Error::Server { .. }) && error.to_string().contains(&server.endpoint), "{error}");
    assert!(server.models().is_empty(), "nothing is sampled");
    with_causes(&error)
}

#[test]
fn a_server_that_refuses_a_checkpoint_stops_the_run_and_says_why() {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/llama-tiny").canonicalize().unwrap();
    let sglang_says = |status, message: &'static str| {
        refusal("sglang", &base, move |asked| match asked.path.as_str() {
            "/update_weights_from_disk" => {
                Act::Status(status, "", json!({ "success": status == 200 && message.is_empty(), "message": message }).to_string())
            }
            "/get_model_info" => Act::Answer(json!({ "model_path": "/models/an-old-one" })),
            _ => Act::Status(404, "", String::new()),
        })
    };
    let loading = format!("loading {}", base.display());
    // As it answers today, and as it did once.
    for status in [400, 200] {
        let said = sglang_says(status, "Failed to update weights: shapes differ. Rolling back to original weights.");
        assert!(said.contains(&loading) && said.contains("shapes differ"), "{said}");
    }
    let said = sglang_says(200, "");
    assert!(said.contains("that it serves /models/an-old-one"), "{said}");
    let said = sglang_says(500, "out of memory");
    assert!(said.contains("HTTP 500") && said.contains("out of memory"), "{said}");

    let said = refusal("vllm_lora", &adapter(), |asked| match asked.path.as_str() {
        "/v1/load_lora_adapter" => Act::Status(400, "", "LoRA rank 64 is greater than max_lora_rank 16.".into()),
        _ => Act::Status(404, "", String::new()),
    });
    assert!(said.contains("LoRA rank 64") && said.contains("--enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"), "{said}");
    // It says that it has loaded the adapter, and lists only its base.
    let said = refusal("vllm_lora", &adapter(), |asked| match asked.path.as_str() {
        "/v1/models" => Act::Answer(json!({ "data": [{ "id": "base", "root": "/models/base" }] })),
        _ => Act::Status(200, "", "Success".into()),
    });
    assert!(said.contains("serves base, /models/base, and not \"starloop-"), "{said}");
}

#[test]
fn a_server_that_is_busy_or_starting_is_waited_for_before_it_loads() {
    let bench = bench();
    let loaded = Shared::default();
    let theirs = Arc::clone(&loaded);
    let count = AtomicUsize::new(0);
    let server = Completions::with_others(right_answer, move |asked| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Act::Status(503, "", "loading".into()),
        1 => Act::Close,
        _ => sglang(&theirs, asked),
    });
    let mut policy = policy(&reloaded_by("sglang", &server, &[]), &bench.place.path().join("server.log")).unwrap();
    policy.load(&bench.place.path().join("base")).unwrap();
    assert_eq!(loaded.lock().unwrap().directory, bench.place.path().join("base"));
}

/// `transformers serve` without a model: it loads what it is asked for, by its name.
#[test]
fn a_server_that_loads_by_name_is_asked_by_the_directory_and_noticed_when_it_answers_for_another() {
    let bench = bench();
    let whole = faultless(&bench);
    let by_name = |server: &Completions| served(&[&server.endpoint], &["policy.server=transformers", "policy.tries=2"]);
    let untold = |mut body: Value, model: &Value| {
        body["model"] = format!("{}@main", model.as_str().unwrap()).into();
        body["choices"][0].as_object_mut().unwrap().remove("logprobs");
        Act::Answer(body)
    };
    let server = Completions::start(move |asked| match right_answer(asked) {
        Act::Answer(body) => untold(body, &asked.body["model"]),
        other => panic!("{other:?}"),
    });
    run(&bench, "named", &by_name(&server), false).unwrap();
    let without = |files: BTreeMap<String, String>| -> Vec<Value> {
        let lines = files.into_iter().filter(|(name, _)| name.ends_with("attempts.jsonl")).map(|(_, text)| text).collect::<String>();
        let told = |line: &str| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            line.as_object_mut().unwrap().remove("logprob");
            line
        };
        lines.lines().map(told).collect()
    };
    assert_eq!(without(results(&bench, "named")), without(whole));
    // It keeps to the model that it had loaded first.
    let stuck = Completions::start(move |asked| untold(completion(asked, "x", -1.0), &json!("/models/first")));
    let error = with_causes(&run(&bench, "stuck", &by_name(&stuck), false).err().unwrap());
    assert!(error.contains("failed 2 times") && error.contains("of the model \"/models/first@main\""), "{error}");
}
