//! `starloop plan` and `run --dry-run`, which show the same estimate.

use crate::program::{starloop, text};

#[test]
fn a_plan_needs_neither_weights_nor_data() {
    let plan = |more: &[&str]| starloop("plan gsm8k --no-measurement --set run=[\"star\"]", more);
    let out = plan(&["--json", "--accelerator", "h100"]).json();
    assert_eq!(out["plan"]["model"]["parameters"], 6_050_882_784_u64);
    let way = &out["plan"]["methods"][0]["ways"][0];
    assert!(way["training_hours"].as_f64().is_some_and(|hours| hours > 0.0), "{way}");
    let shown = plan(&["--devices", "4"]).done();
    for words in
        ["6050882784 parameters; the published shape of gpt-j-6b", "4 x H100", "4 x A100", "training_share = 0.35", "80 GB at 3350 GB/s"]
    {
        assert!(shown.contains(words), "no {words:?} in {shown}");
    }
    plan(&["--assume", "training_shar=1"]).failed(2, &["unknown field `training_shar`"]);
    plan(&["--accelerator", "V100"]).failed(2, &["unknown accelerator; expected H100, H200, A100"]);
    plan(&["--shape", "/nowhere/config.json"]).failed(2, &["/nowhere/config.json"]);
}

#[test]
fn a_plan_measures_what_fits_and_fails_for_no_stand_in() {
    let plan = starloop("plan gsm8k --memory 300MB --json --set run=[\"star\"]", &[]).json();
    let speed = &plan["plan"]["speed"];
    assert!(speed["sampling"].as_f64().unwrap() > 0.0 && speed["training"].is_null(), "{speed}");
}

#[test]
fn a_dry_run_shows_the_plan() {
    let settings = ["--set", "run=[\"star\"]"];
    let planned = starloop("plan smoke --json", &settings).json();
    let dry = starloop("run smoke --dry-run --json", &settings).json();
    for part in ["work", "lengths", "sampling_flops", "training_flops", "ways"] {
        assert_eq!(planned["plan"]["methods"][0][part], dry["plan"]["methods"][0][part], "{part}");
    }
    for part in ["model", "memory", "problems"] {
        assert_eq!(planned["plan"][part], dry["plan"][part], "{part}");
    }
}

#[test]
fn a_dry_run_needs_no_more_memory_than_the_run() {
    // A packed sequence of 16384 tokens does not fit. The examples are short, so that a run computes them in parts that fit.
    let settings = [
        "--set",
        "run=[\"star\"]",
        "--set",
        "training.sequence_length=16384",
        "--set",
        "training.micro_batch_tokens=16384",
        "--set",
        "training.batch_size=1",
        "--set",
        "training.steps=1",
        "--set",
        "methods.star.iterations=1",
    ];
    let needs = starloop("run smoke --dry-run --json", &settings).json()["plan"]["memory"]["training"].clone();
    let whole: u64 = ["weights", "optimizer", "activations"].iter().filter_map(|part| needs[*part].as_u64()).sum();
    assert!(whole > 2 * MEMORY, "the limit binds: {needs}");
    let memory = format!("{MEMORY}B");
    let limited = [&settings[..], &["--memory", &memory]].concat();
    let shown = starloop("run smoke --dry-run", &limited).done();
    assert!(shown.contains("computed in parts that fit 160.0 MB (--memory)") && shown.contains("tokens/s trained"), "{shown}");
    let place = tempfile::tempdir().unwrap();
    let run = place.path().join("run");
    starloop("run smoke --quiet", &[&limited[..], &["--run-dir", text(&run)]].concat()).done();
    // The dry run refuses with the same message as the run.
    let too_small = [&settings[..], &["--memory", "60MB"]].concat();
    for line in ["run smoke --dry-run", "run smoke --quiet"] {
        starloop(line, &[&too_small[..], &["--run-dir", text(&place.path().join("small"))]].concat())
            .failed(1, &["needs at least", "but may use 60 MB"]);
    }
}

/// Bytes that are enough for the model and its short examples.
const MEMORY: u64 = 160_000_000;
