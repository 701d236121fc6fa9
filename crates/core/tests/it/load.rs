//! The client under load, and servers that exist: run on demand, with what each test says that it needs.
//!
//! ```sh
//! cargo test --release -p starloop-core --test it load -- --ignored --nocapture --test-threads 1
//! ```
#![expect(clippy::print_stdout, reason = "figures are what these tests are run for")]

use crate::completions::{Act, completion, serve_alone};
use crate::serving::bench;
use serde_json::json;
use starloop_core::config::{Config, PolicyConfig};
use starloop_core::experiment::Experiment;
use starloop_core::metrics::IterationMetrics;
use starloop_core::policy::openai::OpenAiPolicy;
use starloop_core::policy::{Policy, Progress, PromptRequest, SamplingParams};
use starloop_record::RunDir;
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow::Continue;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PROBLEMS: usize = 10_000;
const SAMPLES: usize = 4;
/// Tokens of a completion.
const LENGTH: usize = 100;

#[test]
#[ignore = "the server that the next one starts"]
fn a_quick_server() {
    let Ok(port) = std::env::var("STARLOOP_TEST_PORT") else { return };
    serve_alone(&TcpListener::bind(format!("127.0.0.1:{port}")).unwrap(), |asked| {
        // The values that an engine would use for them.
        std::thread::sleep(Duration::from_millis(50));
        let mut body = completion(asked, &"so 7 ".repeat(LENGTH / 2), -1.0);
        body["choices"][0]["logprobs"]["token_logprobs"] = json!(vec![-0.012_345_678_9; LENGTH]);
        Act::Answer(body)
    });
}

/// Resident bytes of this process and its processor seconds so far.
fn usage() -> (u64, f64) {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let ticks: Vec<u64> = stat.rsplit_once(") ").unwrap().1.split(' ').skip(11).take(2).map(|ticks| ticks.parse().unwrap()).collect();
    (status.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096, ticks.iter().sum::<u64>() as f64 / 100.0)
}

#[test]
#[ignore = "a minute of load"]
fn forty_thousand_samples_at_256_in_flight_take_flat_memory() {
    let bench = bench();
    let script = format!(
        "STARLOOP_TEST_PORT={{port}} exec {} --exact load::a_quick_server --ignored # {{checkpoint}}",
        std::env::current_exe().unwrap().display()
    );
    let launch = format!("policy.launch={}", json!(["sh", "-c", script]));
    let experiment = crate::doubles::experiment(&["policy.kind=openai", "policy.in_flight=256", "policy.health=/health", &launch]);
    let mut policy = policy(experiment.config(), bench.place.path());
    policy.load(&bench.place.path().join("base")).unwrap();
    let prompt = |i: usize| format!("{}Q: {i}\nA:", "Q: 1\nA: seven times 1, so 7\n\n".repeat(30));
    let seeds = |i: usize| (i * SAMPLES..(i + 1) * SAMPLES).map(|seed| seed as u64).collect();
    let requests: Vec<PromptRequest> = (0..PROBLEMS).map(|i| PromptRequest { prompt: prompt(i), seeds: seeds(i) }).collect();
    let (mut marks, began, (_, cpu)) = (Vec::new(), Instant::now(), usage());
    let (journal, mut file) = (bench.place.path().join("journal"), Vec::new());
    let wanted = (PROBLEMS * SAMPLES) as u64;
    let mut answered: u32 = 0;
    policy
        .sample_each(
            &requests,
            &params(1.0),
            &mut |_, sample| {
                answered += 1;
                file.extend_from_slice(sample.text.as_bytes());
                if file.len() > 1 << 20 {
                    std::fs::write(&journal, &file)?;
                    file.clear();
                }
                Ok(())
            },
            &mut |Progress { finished, .. }| {
                if finished == 1000 || finished % (wanted / 4) == 0 {
                    marks.push((finished, usage().0));
                }
                Continue(())
            },
        )
        .unwrap();
    let (wall, cpu) = (began.elapsed().as_secs_f64(), usage().1 - cpu);
    for (finished, bytes) in &marks {
        println!("{finished:>6} samples: {:.1} MB resident", *bytes as f64 / 1e6);
    }
    println!("{answered} samples in {wall:.1} s, {:.0} a second", f64::from(answered) / wall);
    println!(
        "client: {cpu:.1} s of processor time, {:.0}% of one core, {:.2} ms a sample",
        100.0 * cpu / wall,
        1e3 * cpu / f64::from(answered)
    );
    assert_eq!(u64::from(answered), wanted);
    // Nothing that was answered is held; the allocator may keep some.
    let (first, last) = (marks[0].1, marks[marks.len() - 1].1);
    println!("growth after the first 1000: {:.1} MB", last.saturating_sub(first) as f64 / 1e6);
    assert!(last.saturating_sub(first) < 32 << 20);
}

pub fn params(temperature: f64) -> SamplingParams {
    SamplingParams { temperature, stop: vec!["\nInput:".into()], ..SamplingParams::greedy(96) }
}

pub fn policy(config: &Config, place: &Path) -> OpenAiPolicy {
    let PolicyConfig::OpenAi(serving) = &config.policy else { panic!("{:?}", config.policy) };
    OpenAiPolicy::new(serving, &config.model, place.join("server.log")).unwrap()
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// An example's text, with the Python that `STARLOOP_PYTHON` names, and paths that hold wherever the tests run.
fn text(name: &str) -> String {
    let python = std::env::var("STARLOOP_PYTHON").unwrap_or_else(|_| "python".to_owned());
    let text = std::fs::read_to_string(root().join("examples/serving").join(name)).unwrap();
    let placed = |text: String, folder: &str| text.replace(folder, &format!("{}/{folder}", root().display()));
    placed(placed(text.replace("python ", &format!("{python} ")), "bench/"), "bases/")
}

/// The example's config.
pub fn example(name: &str, further: &[&str]) -> Config {
    let further: Vec<String> = further.iter().map(|&text| text.to_owned()).collect();
    Config::parse(name, &text(name), &further).unwrap()
}

/// Runs an example with its server, and again with the embedded engine.
fn as_good_as_embedded(name: &str, further: &[&str]) {
    let place = tempfile::tempdir().unwrap();
    let figures = |run: &str, experiment: &Experiment| -> Vec<IterationMetrics> {
        let began = Instant::now();
        experiment.run(&place.path().join(run), false, &mut crate::doubles::Watcher::default()).unwrap();
        println!("{run}: {:.0} s", began.elapsed().as_secs_f64());
        RunDir::open_read_only(&place.path().join(run)).unwrap().metrics("star").unwrap()
    };
    let mut text = text(name);
    text.truncate(text.find("[policy]").unwrap());
    let embedded = figures("embedded", &crate::doubles::parse(name, &text, &[]).unwrap());
    let served = figures("served", &crate::doubles::resolve(example(name, further)).unwrap());
    for (embedded, served) in embedded.iter().zip(&served) {
        let [ours, theirs] = [embedded, served].map(|metrics| metrics.accuracy);
        println!(
            "iteration {}: embedded {:.1}% ({:.1}-{:.1}), served {:.1}% ({:.1}-{:.1}), of {}",
            served.iteration,
            100.0 * ours.mean,
            100.0 * ours.low,
            100.0 * ours.high,
            100.0 * theirs.mean,
            100.0 * theirs.low,
            100.0 * theirs.high,
            ours.total
        );
        assert!((ours.low..=ours.high).contains(&theirs.mean), "{ours:?} {theirs:?}");
    }
    assert_eq!(embedded.len(), served.len());
}

#[test]
#[ignore = "needs STARLOOP_PYTHON with transformers[serving]"]
fn the_arithmetic_experiment_on_transformers_serve() {
    as_good_as_embedded("transformers.toml", &[]);
}

/// A program that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs STARLOOP_PYTHON with transformers[serving]"]
fn one_transformers_serve_loads_each_checkpoint_by_its_name() {
    let python = std::env::var("STARLOOP_PYTHON").unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let words = ["-m", "transformers.cli.transformers", "serve", "--device", "cpu", "--host", "127.0.0.1", "--port", &port];
    let mut command = Command::new(python);
    command.args(words).env("OMP_NUM_THREADS", "1").env("HF_HUB_OFFLINE", "1").stdout(Stdio::null()).stderr(Stdio::null());
    let _server = Running(command.spawn().unwrap());
    // It is waited for by nobody else: a server that runs is taken to be there.
    let began = Instant::now();
    while TcpStream::connect(format!("127.0.0.1:{port}")).is_err() {
        assert!(began.elapsed() < Duration::from_secs(300));
        std::thread::sleep(Duration::from_millis(200));
    }
    as_good_as_embedded("transformers.toml", &["policy.launch=[]", &format!("policy.endpoints=['http://127.0.0.1:{port}/v1']")]);
}

#[test]
#[ignore = "needs a `vllm` for processors and the base that its example names"]
fn the_arithmetic_experiment_on_vllm() {
    as_good_as_embedded("vllm.toml", &[]);
}

#[test]
#[ignore = "needs STARLOOP_PYTHON with llama-cpp-python[server]"]
fn the_arithmetic_experiment_on_llama_cpp_python() {
    as_good_as_embedded("llama-cpp-python.toml", &[]);
}
