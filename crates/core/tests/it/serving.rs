//! Sampling on servers, as they should be and as they should not.

use crate::completions::{Act, Asked, Completions, completion, serve_alone};
use crate::doubles::{Bench, ToyTrainer, Watcher, complete, experiment};
use serde_json::{Value, json};
use starloop_core::config::PolicyConfig;
use starloop_core::error::{Error, Result, with_causes};
use starloop_core::experiment::Experiment;
use starloop_core::method_run::RunParts;
use starloop_core::metrics::TrainingMetrics;
use starloop_core::policy::openai::OpenAiPolicy;
use starloop_core::policy::{Completion, Policy, PromptRequest, SamplingParams};
use starloop_core::trainer::{Trainer, TrainingJob, TrainingProgress};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::ops::ControlFlow;
use std::ops::ControlFlow::Continue;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// The part of a checkpoint that a policy reads here.
const FILES: [&str; 4] = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];

fn copy_checkpoint(from: &Path, to: &Path) {
    for name in FILES {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

/// The toy trainer, whose checkpoints have a tokenizer too.
struct Copying<'a>(ToyTrainer<'a>);

impl Trainer for Copying<'_> {
    fn train(&mut self, job: &TrainingJob<'_>, progress: &mut dyn FnMut(TrainingProgress) -> ControlFlow<()>) -> Result<TrainingMetrics> {
        let metrics = self.0.train(job, progress)?;
        copy_checkpoint(job.base, job.output);
        Ok(metrics)
    }
}

pub fn bench() -> Bench {
    let bench = Bench::new();
    copy_checkpoint(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/llama-tiny"), &bench.place.path().join("base"));
    bench
}

/// The toy policy's answer: the model is a directory with its skill in it.
pub fn right_answer(asked: &Asked) -> Act {
    let skill = std::fs::read_to_string(Path::new(asked.body["model"].as_str().unwrap()).join("skill")).unwrap();
    let right = complete(asked.prompt(), asked.seed(), skill.parse().unwrap());
    Act::Answer(completion(asked, &right.text, right.logprob.unwrap()))
}

pub fn served(endpoints: &[&str], further: &[&str]) -> Experiment {
    let endpoints = format!("policy.endpoints={endpoints:?}");
    let mut all = vec!["run=['star']", "methods.star.iterations=1", "policy.kind=openai", &endpoints, "policy.request_seconds=1"];
    all.extend(further);
    experiment(&all)
}

pub fn policy(experiment: &Experiment, log: &Path) -> Result<OpenAiPolicy> {
    let PolicyConfig::OpenAi(serving) = &experiment.config().policy else { panic!("{:?}", experiment.config().policy) };
    OpenAiPolicy::new(serving, &experiment.config().model, log.to_owned())
}

pub fn run(bench: &Bench, name: &str, experiment: &Experiment, resume: bool) -> Result<Watcher> {
    let mut watcher = Watcher::default();
    let (run_dir, found) = bench.take(name, experiment, resume)?;
    let base = bench.place.path().join("base");
    let (policy, trainer) = (&mut policy(experiment, &run_dir.server_log())?, &mut Copying(ToyTrainer::default()));
    experiment.run_in(&run_dir, found, &mut RunParts { task: &bench.task, base: &base, policy, trainer }, &mut watcher)?;
    Ok(watcher)
}

/// The results of a run: all but the experiment, which names the server, and the weights.
pub fn results(bench: &Bench, name: &str) -> BTreeMap<String, String> {
    let root = bench.place.path().join(name).join("star");
    let mut found = BTreeMap::new();
    for place in ["iter-000", "iter-001"] {
        for entry in std::fs::read_dir(root.join(place)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                found.insert(format!("{place}/{}", path.file_name().unwrap().display()), std::fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

/// The results of the experiment with a faultless server.
pub fn faultless(bench: &Bench) -> BTreeMap<String, String> {
    let server = Completions::start(right_answer);
    run(bench, "whole", &served(&[&server.endpoint], &[]), false).unwrap();
    let results = results(bench, "whole");
    assert!(results["iter-001/attempts.jsonl"].lines().count() > 100 && !results.contains_key("iter-001/journal.jsonl"));
    results
}

/// Misbehaves at the first try of a third of all requests, each time differently, and at the second of some.
fn misbehave(asked: &Asked) -> Act {
    let right = |asked: &Asked| match right_answer(asked) {
        Act::Answer(body) => body,
        other => panic!("{other:?}"),
    };
    let fault = asked.seed() % 42;
    if asked.before > usize::from(fault.is_multiple_of(3)) {
        return right_answer(asked);
    }
    match fault {
        0 => Act::Status(429, "Retry-After: 0.2\r\n", "slow down".into()),
        1 => Act::Status(500, "", "cuda is out of memory".into()),
        2 => Act::Hang(Duration::from_secs(3)),
        3 => Act::Drip(right(asked), Duration::from_millis(50)),
        4 => Act::Close,
        5 => Act::Truncate(right(asked)),
        6 => Act::Nonsense,
        7 => Act::Answer(json!({ "object": "text_completion" })),
        8 => Act::Answer(json!({ "choices": [] })),
        9 => Act::Answer(json!({ "model": "another", "choices": right(asked)["choices"] })),
        10 => Act::Status(503, "", "loading".into()),
        11 => Act::Answer(json!({ "choices": [{ "text": "cut", "finish_reason": "abort" }] })),
        12 => Act::Answer(json!({ "choices": [{ "text": "no log-probabilities", "finish_reason": "stop" }] })),
        13 => Act::Status(429, "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n", "slow down".into()),
        14 => Act::Answer(json!({ "error": { "message": "overloaded" } })),
        15 => Act::Answer(with(right(asked), "logprobs", &json!({ "token_logprobs": [705.0, -1.0] }))),
        16 => Act::Answer(json!({ "choices": [right(asked)["choices"][0], right(asked)["choices"][0]] })),
        17 => {
            let mut answer = right(asked);
            answer["usage"]["completion_tokens"] = json!(9_200_000_000_000_000_000_u64);
            Act::Answer(answer)
        }
        18 => Act::Endless("{\"choices\": [", "{\"a\":0},"),
        19 => Act::Endless("{\"more\": [", "{\"a\":0},"),
        20 => Act::Endless("{\"choices\": [{\"text\": \"", "x"),
        22 => Act::Answer(with(right(asked), "logprobs", &json!({ "token_logprobs": [] }))),
        _ => right_answer(asked),
    }
}

/// An answer whose first completion has another value for a key.
fn with(mut answer: Value, key: &str, value: &Value) -> Value {
    answer["choices"][0][key] = value.clone();
    answer
}

/// Starts this program again for one test of this module. The new process runs nothing else, so its memory is the memory of the test. Returns
/// true in the new process.
fn is_alone(test: &str) -> bool {
    if std::env::var_os("STARLOOP_TEST_ALONE").is_some() {
        return true;
    }
    let mut itself = Command::new(std::env::current_exe().unwrap());
    let output = itself.args([&format!("serving::{test}"), "--exact"]).env("STARLOOP_TEST_ALONE", "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    false
}

/// The peak memory of this process in MB. `None` if the system does not report it.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes >> 10)
}

#[test]
fn answers_without_an_end_take_little_memory() {
    if !is_alone("answers_without_an_end_take_little_memory") {
        return;
    }
    let bench = bench();
    let whole = faultless(&bench);
    // Each first answer is one of lists that would take a hundred times their bytes, of unknown keys, and of one long text.
    let server = Completions::start(|asked| match (asked.before, asked.seed() % 3) {
        (0, 0) => Act::Endless("{\"choices\": [", "{\"text\":\"\"},"),
        (0, 1) => Act::Endless("{\"more\": [", "{\"a\":0},"),
        (0, _) => Act::Endless("{\"choices\": [{\"text\": \"", "x"),
        _ => right_answer(asked),
    });
    run(&bench, "endless", &served(&[&server.endpoint], &["policy.in_flight=32", "policy.request_seconds=60"]), false).unwrap();
    assert_eq!(results(&bench, "endless"), whole);
    let peak = peak_memory();
    assert!(peak.is_none_or(|peak| peak < 200), "{peak:?} MB");
}

#[test]
fn an_address_that_completes_no_texts_is_named() {
    let bench = bench();
    let server = Completions::start(|_| Act::Status(404, "", "no such path".into()));
    let error = with_causes(&run(&bench, "chat", &served(&[&server.endpoint], &[]), false).err().unwrap());
    let address = format!("{}/completions: HTTP 404: no such path", server.endpoint);
    assert!(error.contains(&address) && error.contains("policy.endpoints names the address before /completions"), "{error}");
}

#[test]
fn a_password_in_an_address_is_neither_kept_nor_shown() {
    let bench = bench();
    let server = Completions::start(|_| Act::Status(400, "", "no".into()));
    let endpoints: Vec<String> = (0..2).map(|_| server.endpoint.replace("http://", "http://user:hunter2@")).collect();
    let experiment = served(&[&endpoints[0], &endpoints[1]], &[]);
    let error = run(&bench, "secret", &experiment, false).err().unwrap();
    assert!(!with_causes(&error).contains("hunter2") && !format!("{error:?}").contains("hunter2"), "{error:?}");
    let config = std::fs::read_to_string(bench.place.path().join("secret/config.toml")).unwrap();
    assert!(config.contains("http://***@127.0.0.1") && !config.contains("hunter2"), "{config}");
    assert!(!experiment.to_toml().contains("hunter2"));
}

#[test]
fn whatever_a_server_does_the_attempts_are_those_of_a_faultless_run() {
    let bench = bench();
    let whole = faultless(&bench);
    let server = Completions::start(misbehave);
    run(&bench, "faulty", &served(&[&server.endpoint], &["policy.in_flight=24"]), false).unwrap();
    assert_eq!(results(&bench, "faulty"), whole);
    let answers = server.answers();
    assert!(server.asked() > answers.len() + 20, "{} of {}", server.asked(), answers.len());
    assert!(server.most_open() <= 24);
}

#[test]
fn an_answered_request_is_never_put_again() {
    let bench = bench();
    let whole = faultless(&bench);
    // Those whose failures have nothing to do with an answer that was given and lost.
    let server = Completions::start(|asked| match (asked.seed() % 4, asked.before) {
        (0, 0) => Act::Close,
        (1, 0) => Act::Status(500, "", String::new()),
        (2, 0 | 1) => Act::Status(429, "Retry-After: 0\r\n", String::new()),
        _ => right_answer(asked),
    });
    run(&bench, "faulty", &served(&[&server.endpoint], &[]), false).unwrap();
    assert_eq!(results(&bench, "faulty"), whole);
    assert!(server.answers().iter().all(|&times| times == 1));
    let asked = server.answers().len();
    assert!(server.connections() < asked, "connections are used again: {} for {asked}", server.connections());
}

#[test]
fn an_interrupted_stage_goes_on_and_asks_nothing_again() {
    let bench = bench();
    let whole = faultless(&bench);
    for after in [10, 30, 70, 100, 160] {
        let name = format!("interrupted-{after}");
        let count = std::sync::atomic::AtomicUsize::new(0);
        let dying = Completions::start(move |asked| {
            let answered = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            if answered < after { right_answer(asked) } else { Act::Status(400, "", "no more".into()) }
        });
        let error = with_causes(&run(&bench, &name, &served(&[&dying.endpoint], &["policy.in_flight=4"]), false).err().unwrap());
        assert!(error.contains("HTTP 400: no more") && error.starts_with("problem numbers/"), "{error}");
        // The last line was being written when the power went.
        let place = bench.place.path().join(&name).join("star").join(if after < 40 { "iter-000" } else { "iter-001" });
        let journal = place.join("journal.jsonl");
        let mut text = std::fs::read_to_string(&journal).unwrap();
        assert!(!text.is_empty() && text.ends_with('\n'));
        text.push_str("{\"problem\":\"numb");
        std::fs::write(&journal, text).unwrap();
        let healthy = Completions::start(right_answer);
        // The server has moved, which is no other experiment.
        run(&bench, &name, &served(&[&healthy.endpoint], &[]), true).unwrap();
        assert_eq!(results(&bench, &name), whole, "after {after}");
        let all: usize = whole
            .iter()
            .filter(|(name, _)| name.ends_with("attempts.jsonl") || name.ends_with("eval.jsonl"))
            .map(|(_, text)| text.lines().count())
            .sum();
        // Four were open when the first was refused; their answers may have come too late to be written down.
        let again = healthy.asked() + after - all;
        assert!(healthy.asked() + after >= all && again <= 4, "after {after}: {again} again");
    }
}

#[test]
fn a_server_that_restarts_and_one_that_is_dead_cost_time_alone() {
    let bench = bench();
    let whole = faultless(&bench);
    // A free port of the system could be given to the server of another test.
    let dead = "http://127.0.0.1:1/v1";
    let began = Instant::now();
    let restarting = Completions::start(move |asked| {
        let restarts = began.elapsed() > Duration::from_millis(300) && began.elapsed() < Duration::from_millis(1500);
        if restarts {
            Act::Close
        } else {
            std::thread::sleep(Duration::from_millis(10));
            right_answer(asked)
        }
    });
    // The list of models is asked before anything else, and a server that is not there then is waited for.
    let experiment = served(&[&restarting.endpoint], &["policy.in_flight=2"]);
    run(&bench, "restarted", &experiment, false).unwrap();
    assert_eq!(results(&bench, "restarted"), whole);
    let experiment = served(&[dead], &["policy.patience_seconds=1"]);
    let error = with_causes(&run(&bench, "dead", &experiment, false).err().unwrap());
    assert!(error.starts_with(dead) && error.contains("cannot be reached"), "{error}");
}

/// A policy with a checkpoint, and requests for it.
fn loaded(bench: &Bench, experiment: &Experiment) -> OpenAiPolicy {
    let mut policy = policy(experiment, &bench.place.path().join("server.log")).unwrap();
    policy.load(&bench.place.path().join("base")).unwrap();
    policy
}

pub fn requests(count: u32) -> Vec<PromptRequest> {
    (0..count).map(|i| PromptRequest { prompt: format!("Q: {i}\nA:"), seeds: vec![u64::from(i)] }).collect()
}

fn params() -> SamplingParams {
    SamplingParams { temperature: 1.0, stop: vec!["\n\n".into()], ..SamplingParams::greedy(9) }
}

pub fn sample(policy: &mut OpenAiPolicy, requests: &[PromptRequest]) -> Result<Vec<Completion>> {
    policy.sample(requests, &params(), &mut |_| Continue(()))
}

#[test]
fn replicas_share_the_work_of_one_that_dies() {
    let bench = bench();
    let answered = std::sync::atomic::AtomicUsize::new(0);
    let dying =
        Completions::start(
            move |asked| {
                if answered.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 20 { right_answer(asked) } else { Act::Close }
            },
        );
    let healthy = Completions::start(right_answer);
    let mut policy = loaded(&bench, &served(&[&dying.endpoint, &healthy.endpoint], &["policy.in_flight=4"]));
    let samples = sample(&mut policy, &requests(200)).unwrap();
    assert_eq!(samples.len(), 200);
    let told = |sample: &Completion, i: u32| {
        sample.text.contains(&(i * 7).to_string()) || sample.text.contains("guess") || sample.text.contains("idea")
    };
    assert!(samples.iter().zip(0..).all(|(sample, i)| told(sample, i)), "in the order of the requests");
    assert_eq!((dying.answers().iter().sum::<usize>(), healthy.answers().iter().sum::<usize>()), (20, 180));
}

#[test]
fn a_server_that_gives_fewer_than_were_wanted_is_asked_for_the_rest() {
    let bench = bench();
    // Answers do not depend on the seed here, and one of three is left out.
    let server = Completions::start(|asked| {
        let mut body = completion(asked, &format!("to {}", asked.prompt()), -1.0);
        let choices = body["choices"].as_array_mut().unwrap();
        choices.truncate(2);
        Act::Answer(body)
    });
    let mut policy = loaded(&bench, &served(&[&server.endpoint], &["policy.samples_per_request=3"]));
    let request = |i: u64| PromptRequest { prompt: format!("Q: {i}\nA:"), seeds: (7 * i..7 * i + 7).collect() };
    let requests: Vec<PromptRequest> = (0..10).map(request).collect();
    let completions = sample(&mut policy, &requests).unwrap();
    assert_eq!(completions.len(), 70);
    for (completion, place) in completions.iter().zip(0..) {
        assert_eq!(completion.text, format!("to {}", requests[place / 7].prompt));
        assert_eq!((completion.completion_tokens, completion.logprob), (2, Some(-1.0)));
    }
    // Seven samples of a prompt: 3 + 3 + 1, and one more for each three.
    assert_eq!(server.asked(), 10 * 5);
}

#[test]
fn what_will_never_be_answered_stops_the_run_and_says_why() {
    let bench = bench();
    let told = |further: &[&str], act: fn(&Asked) -> Act| {
        let server = Completions::start(act);
        let mut policy = loaded(&bench, &served(&[&server.endpoint], further));
        let error = sample(&mut policy, &requests(5)).err().unwrap();
        assert!(matches!(error, Error::Request { .. } | Error::Server { .. }), "{error}");
        with_causes(&error)
    };
    let said = told(&[], |_| Act::Status(404, "", "no such model".into()));
    assert!(said.contains("HTTP 404: no such model"), "{said}");
    let said = told(&["policy.tries=2"], |asked| Act::Answer(json!({ "model": "other", "choices": right_answer_of(asked) })));
    assert!(said.contains("failed 2 times") && said.contains("the model \"other\""), "{said}");
    let said = told(&["policy.patience_seconds=2"], |_| Act::Close);
    assert!(said.contains("no answer for 2 s") && said.contains("resuming the run continues from them"), "{said}");
}

fn right_answer_of(asked: &Asked) -> serde_json::Value {
    completion(asked, "x", -1.0)["choices"].clone()
}

#[test]
fn a_key_comes_from_the_environment_and_is_shown_to_the_server_alone() {
    let bench = bench();
    // A variable that every machine has, so that no test changes the environment of others.
    let secret = std::env::var("PATH").unwrap();
    let echo = secret.clone();
    let server = Completions::start(move |asked| match asked.seed() % 2 {
        0 if asked.before == 0 => Act::Status(500, "", format!("internal error at {echo}")),
        1 => Act::Status(401, "", format!("the key {echo} is not valid")),
        _ => right_answer(asked),
    });
    let experiment = served(&[&server.endpoint], &["policy.api_key_env=PATH"]);
    let error = with_causes(&run(&bench, "keyed", &experiment, false).err().unwrap());
    assert!(error.contains("HTTP 401: the key [API key] is not valid") && error.contains("policy.api_key_env"), "{error}");
    assert!(server.keys().iter().all(|key| *key == Some(format!("Bearer {secret}"))));
    let mut files = bench.snapshot("keyed");
    files.insert("events".into(), Some(std::fs::read_to_string(bench.place.path().join("keyed/events.jsonl")).unwrap()));
    for (name, text) in files {
        assert!(text.is_none_or(|text| !text.contains(&secret)), "{name}");
    }
    let experiment = served(&[&server.endpoint], &["policy.api_key_env=STARLOOP_NO_SUCH_VARIABLE"]);
    let error = run(&bench, "unkeyed", &experiment, false).err().unwrap();
    assert!(error.to_string().contains("STARLOOP_NO_SUCH_VARIABLE") && error.is_usage(), "{error}");
}

#[test]
fn a_key_that_a_server_repeats_anywhere_is_not_shown() {
    let bench = bench();
    let secret = std::env::var("PATH").unwrap();
    let escaped = secret.chars().fold(String::new(), |escaped, c| escaped + &format!("\\u{:04x}", u32::from(c)));
    let choice = |key: &str, value: Value| {
        let mut choice = json!({ "text": "a", "finish_reason": "stop", "logprobs": { "token_logprobs": [-1.0] } });
        choice[key] = value;
        json!({ "choices": [choice] })
    };
    for (number, act) in [
        Act::Answer(json!({ "error": { "message": format!("bad key {secret}") } })),
        Act::Answer(json!({ "model": secret, "choices": choice("text", json!("a"))["choices"] })),
        Act::Answer(choice("finish_reason", json!(secret))),
        Act::Answer(json!({ "choices": secret })),
        Act::Status(400, "", format!("x{}{secret}", " ".repeat(1185))),
        Act::Status(400, "", format!("{{\"error\": \"{escaped}\"}}")),
    ]
    .into_iter()
    .enumerate()
    {
        let server = Completions::start(move |_| act.clone());
        let experiment = served(&[&server.endpoint], &["policy.api_key_env=PATH", "policy.tries=1"]);
        let name = format!("repeated-{number}");
        let error = with_causes(&run(&bench, &name, &experiment, false).err().unwrap());
        assert!(error.contains("[API key]"), "{number}: {error}");
        let events = std::fs::read_to_string(bench.place.path().join(name).join("events.jsonl")).unwrap();
        for shown in [error, events] {
            assert!(!shown.contains(&secret) && !shown.contains(&secret[..secret.len() - 1]), "{number}: {shown}");
        }
    }
}

/// The words that start this very test program as a server, in a shell that starts another process.
#[cfg(unix)]
fn launch(pids: &Path) -> String {
    let program = std::env::current_exe().unwrap();
    let script = format!(
        "sleep 600 & echo $$ $! >> {}; STARLOOP_TEST_PORT={{port}} exec {} --exact serving::a_server_of_its_own --ignored # {{checkpoint}}",
        pids.display(),
        program.display()
    );
    format!("policy.launch={}", json!(["sh", "-c", script]))
}

#[test]
#[ignore = "the server that others start"]
fn a_server_of_its_own() {
    let Ok(port) = std::env::var("STARLOOP_TEST_PORT") else { return };
    serve_alone(&TcpListener::bind(format!("127.0.0.1:{port}")).unwrap(), right_answer);
}

#[cfg(unix)]
#[test]
fn a_server_is_started_for_each_checkpoint_and_stopped_with_all_that_it_started() {
    let bench = bench();
    let whole = faultless(&bench);
    let pids = bench.place.path().join("pids");
    let launched = |further: &[&str]| {
        let launch = launch(&pids);
        experiment(&[&["run=['star']", "methods.star.iterations=1", "policy.kind=openai", &launch], further].concat())
    };
    let never_healthy = launched(&["policy.start_seconds=2", "policy.health=/nothing"]);
    let error = with_causes(&run(&bench, "unhealthy", &never_healthy, false).err().unwrap());
    assert!(error.contains("is not ready after 2 s") && error.contains("server.log") && error.contains("running 1 test"), "{error}");
    assert_gone(&pids);
    std::fs::remove_file(&pids).unwrap();
    run(&bench, "launched", &launched(&["policy.replicas=2", "policy.health=/health"]), false).unwrap();
    assert_eq!(results(&bench, "launched"), whole);
    let started = std::fs::read_to_string(&pids).unwrap().lines().count();
    assert_eq!(started, 4, "two replicas, for the base and for what it became");
    assert_gone(&pids);
}

#[cfg(unix)]
#[test]
fn a_server_that_ends_is_told_with_its_last_words() {
    let bench = bench();
    let ends = format!("policy.launch={}", json!(["sh", "-c", "echo no such device >&2; exit 3 # {port} {checkpoint}"]));
    let error = with_causes(&run(&bench, "ended", &experiment(&["policy.kind=openai", &ends]), false).err().unwrap());
    assert!(error.contains("ended (exit status: 3)") && error.ends_with("server.log:\nno such device"), "{error}");
    let absent = format!("policy.launch={}", json!(["/nowhere/serve", "{port}", "{checkpoint}"]));
    let error = with_causes(&run(&bench, "absent", &experiment(&["policy.kind=openai", &absent]), false).err().unwrap());
    assert!(error.contains("cannot be started (policy.launch): /nowhere/serve: No such file"), "{error}");
}

/// Waits until every process whose number is in a file has ended. A process that is not reaped has ended.
#[cfg(unix)]
fn assert_gone(pids: &Path) {
    let pids = std::fs::read_to_string(pids).unwrap();
    let is_running = |pid: &&str| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        status.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
    };
    let began = Instant::now();
    while pids.split_whitespace().any(|pid| is_running(&pid)) {
        assert!(began.elapsed() < Duration::from_secs(60), "still running: {pids}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
