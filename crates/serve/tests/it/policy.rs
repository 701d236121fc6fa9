//! This project's own client against this server: `[policy] kind = "openai"` gives the results of the embedded engine.

use crate::client::{Running, repository, small, start_with};
use starloop_core::error::with_causes;
use starloop_core::event::{Event, Observer};
use starloop_core::experiment::Experiment;
use starloop_serve::{ApiKey, Catalog, Settings};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

/// Ignores events.
struct Nobody;

impl Observer for Nobody {
    fn observe(&mut self, _: &Event) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// A run of seconds, with samples, rationalization, few-shot prompts and log-probabilities of tokens.
fn run(place: &Path, name: &str, policy: &[String]) -> BTreeMap<String, String> {
    let mut settings: Vec<String> = [
        "run=['star']",
        "methods.star.iterations=1",
        "task.digits=[1,2]",
        "task.problems_per_iteration=24",
        "task.evaluation_per_class=4",
        "training.steps=4",
        "sampling.max_new_tokens=64",
        "record.token_logprobs=true",
    ]
    .map(str::to_owned)
    .to_vec();
    settings.extend_from_slice(policy);
    let root = place.join(name);
    Experiment::load("smoke", &settings).unwrap().run(&root, false, &mut Nobody).unwrap();
    results(&root)
}

/// The files of the method by name, but for times and for the records that name the config.
fn results(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for place in ["iter-000", "iter-001"] {
        for entry in std::fs::read_dir(root.join("star").join(place)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = format!("{place}/{}", path.file_name().unwrap().to_str().unwrap());
                found.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    assert!(found.keys().any(|name| name.ends_with("train.jsonl")), "{:?}", found.keys());
    found
}

fn served(servers: &[&Running]) -> Vec<String> {
    let endpoints: Vec<String> = servers.iter().map(|server| server.url("/v1")).collect();
    vec!["policy.kind=openai".into(), "policy.server=starloop".into(), format!("policy.endpoints={endpoints:?}")]
}

fn server(root: &Path, settings: Settings) -> Running {
    let mut catalog = Catalog::default();
    catalog.add("base", &repository("crates/core/models/arithmetic")).unwrap();
    catalog.add_root(root).unwrap();
    start_with(catalog, settings)
}

#[test]
fn a_run_on_servers_has_the_results_of_a_run_in_one_process() {
    let place = tempfile::tempdir().unwrap();
    let embedded = run(place.path(), "embedded", &[]);
    let (one, two) = (server(place.path(), small()), server(place.path(), Settings { queue: 4, models_in_memory: 1, ..small() }));
    for (name, servers) in [("one", vec![&one]), ("two", vec![&one, &two])] {
        let found = run(place.path(), name, &served(&servers));
        assert_eq!(embedded.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>());
        for (file, text) in &embedded {
            assert_eq!(text, &found[file], "{name}: {file}");
        }
    }
}

#[test]
fn a_server_that_reads_other_weights_or_wants_a_key_ends_the_run() {
    let place = tempfile::tempdir().unwrap();
    let attempt = |name: &str, server: &Running| {
        let mut settings = vec!["run=['star']".to_owned(), "methods.star.iterations=1".into()];
        settings.extend(served(&[server]));
        let experiment = Experiment::load("smoke", &settings).unwrap();
        with_causes(&experiment.run(&place.path().join(name), false, &mut Nobody).unwrap_err())
    };
    let mut catalog = Catalog::default();
    let base = place.path().join("altered/base");
    catalog.add(base.to_str().unwrap(), &repository("crates/core/models/arithmetic-long")).unwrap();
    let altered = attempt("altered", &start_with(catalog, small()));
    assert!(altered.contains("this server reads another copy of the checkpoint"), "{altered}");
    let keyed = attempt("keyed", &server(place.path(), Settings { api_key: Some(ApiKey::new("secret").unwrap()), ..small() }));
    assert!(keyed.contains("the API key is missing or wrong") && keyed.contains("policy.api_key_env"), "{keyed}");
}
