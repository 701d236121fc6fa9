//! Plans of shapes and tasks without weights and without data, against figures worked out by hand.

use super::*;

fn request(accelerators: &[Accelerator]) -> PlanRequest<'_> {
    PlanRequest { shape: None, problems: None, accelerators, devices: 8, assumptions: Assumptions::default(), measure: Measure::Nothing }
}

fn near(value: f64, expected: f64, share: f64) -> bool {
    (value / expected - 1.0).abs() < share
}

#[test]
fn the_papers_experiment_is_planned_without_weights_and_data() {
    let experiment = Experiment::load("gsm8k", &["run=['star']".to_owned()]).unwrap();
    let plan = plan(&experiment, &request(&ACCELERATORS)).unwrap();
    // As transformers count its GPTJForCausalLM.
    assert_eq!(plan.model.parameters, 6_050_882_784);
    assert_eq!(plan.model.source, "the published shape of gpt-j-6b");
    // Keys and values of 28 layers, 4096 wide, in 2 bytes.
    assert!(near(plan.model.cache_bytes_per_token, f64::from(2 * 28 * 4096 * 2), 1e-9));
    let star = &plan.methods[0];
    // 36 iterations of 6,973 problems asked twice; 500 dev problems each time and for the base, and 1,319 test problems once.
    assert_eq!(star.work.iterations, 36);
    assert_eq!(star.work.prompts, 36 * 6_973 * 2 + 37 * 500 + 1_319);
    let steps: u64 = (1..=36).map(|iteration| experiment.config().training.steps_in(iteration)).sum();
    assert_eq!((star.work.steps, star.work.trained_tokens), (steps, steps * 8 * 1024));
    // 525 letters of a question and its solution at 4 a token, and an end token, longer than the worked examples are.
    let text = star.lengths.problem + star.lengths.completion;
    assert!((125.0..140.0).contains(&text) && star.lengths.worked_examples > 3.0 * text, "{:?}", star.lengths);
    // Two operations a weight, three passes and one for recomputation; the embedding is looked up, attention adds a little.
    let by_hand = 4.0 * 2.0 * (6_050_882_784.0 - 4096.0 * 50_400.0) * star.work.trained_tokens as f64;
    assert!(near(star.training_flops, by_hand, 0.01), "{} {by_hand}", star.training_flops);
    let [h100, h200, a100] = [0, 1, 2].map(|at| &star.ways[at]);
    assert!(near(h100.training_hours, by_hand / (8.0 * 989.4e12 * 0.35) / 3600.0, 0.01));
    assert!(near(a100.training_hours / h100.training_hours, 989.4 / 312.0, 1e-6));
    assert!(!h100.training.waits_for_links);
    assert!(h200.sampling_hours < h100.sampling_hours && h100.sampling_hours < a100.sampling_hours);
    assert_eq!(h100.serving.map(|serving| (serving.devices_per_replica, serving.replicas)), Some((1, 8)));
    // 16 bytes a weight over 8 devices.
    assert!(near(h100.training.state_bytes, 16.0 * 6_050_882_784.0 / 8.0, 1e-9));
    assert!(h100.training.fits && star.embedded_hours.is_none());
}

#[test]
fn what_does_not_fit_is_said_and_what_is_too_large_for_one_device_is_shared() {
    let mut experiment = Experiment::load("gsm8k", &["run=['star']".to_owned()]).unwrap();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("config.json");
    // The shape of Llama 2 70B: 140 GB in 16 bits.
    let shape = r#"{"model_type": "llama", "hidden_size": 8192, "num_attention_heads": 64, "num_key_value_heads": 8, "num_hidden_layers": 80,
        "intermediate_size": 28672, "vocab_size": 32000, "max_position_embeddings": 4096, "tie_word_embeddings": false}"#;
    std::fs::write(&file, shape).unwrap();
    let large = PlanRequest { shape: file.to_str(), ..request(&ACCELERATORS[..1]) };
    let whole = plan(&experiment, &large).unwrap();
    assert_eq!(whole.model.parameters, 68_976_648_192);
    let way = &whole.methods[0].ways[0];
    // Two would hold it, and leave room for a handful of sequences.
    let serving = way.serving.unwrap();
    assert!(serving.devices_per_replica >= 4 && serving.devices_per_replica * serving.replicas == 8, "{serving:?}");
    assert!(!way.training.fits, "1.1 TB do not fit into 8 x 80 GB");
    let one = plan(&experiment, &PlanRequest { devices: 1, ..large.clone() }).unwrap();
    assert!(one.methods[0].ways[0].serving.is_none() && one.methods[0].ways[0].hours().is_infinite());
    experiment = Experiment::load("gsm8k", &["run=['star']".into(), "training.lora.rank=16".into()]).unwrap();
    assert!(plan(&experiment, &large).unwrap().methods[0].ways[0].training.fits, "adapters do");
}

#[test]
fn shipped_models_are_counted_with_their_own_tokenizer() {
    let experiment = Experiment::load("smoke", &[]).unwrap();
    let plan = plan(&experiment, &request(&ACCELERATORS[..1])).unwrap();
    assert_eq!((plan.model.parameters, plan.tokens_counted_by.as_str()), (446_496, "the base's tokenizer"));
    assert_eq!(plan.problems, "the config's data");
    let estimates = experiment.estimate(experiment.task().unwrap().as_ref());
    for (method, (name, estimate)) in plan.methods.iter().zip(estimates) {
        assert_eq!((&method.method, method.work.trained_tokens), (&name, estimate.trained_tokens));
        assert_eq!(method.work.prompts, estimate.attempts + estimate.evaluations);
    }
    let [few_shot, direct, star] = [0, 1, 2].map(|at| &plan.methods[at]);
    // Worked examples stand before the base's prompts and those of the first iteration; answers alone are short.
    assert!(few_shot.work.prompt_tokens > few_shot.work.own_prompt_tokens);
    assert!(star.work.mean_prompt < few_shot.work.mean_prompt);
    assert!(direct.work.mean_completion < 8.0 && star.work.mean_completion > 20.0);
}

#[test]
fn a_million_problems_are_those_that_are_asked_for() {
    let experiment = Experiment::load("gsm8k", &["run=['star']".into(), "methods.star.iterations=3".into()]).unwrap();
    let plan = plan(&experiment, &PlanRequest { problems: Some(1_000_000), devices: 64, ..request(&ACCELERATORS[..1]) }).unwrap();
    assert_eq!(plan.methods[0].work.prompts, 3 * 2_000_000 + 4 * 500 + 1_319);
    assert!(plan.problems.starts_with("1000000 problems an iteration as asked"), "{}", plan.problems);
    let way = &plan.methods[0].ways[0];
    assert_eq!(way.serving.map(|serving| serving.replicas), Some(64));
    assert_eq!(way.training.devices, 8, "no more than a step has packed sequences");
    let overrides = ["run=['star']", "training.batch_size=64"].map(str::to_owned);
    let experiment = Experiment::load("gsm8k", &overrides).unwrap();
    let over_the_network = super::plan(&experiment, &PlanRequest { devices: 64, ..request(&ACCELERATORS[..1]) }).unwrap();
    let way = &over_the_network.methods[0].ways[0];
    // Weights twice and gradients once in 16 bits, at 30 GB/s, for 64 sequences of 1024 tokens.
    let seconds = 3.0 * 2.0 * 6_050_882_784.0 / 30e9;
    assert!(way.training.waits_for_links && near(way.training.tokens_per_second, 65_536.0 / seconds, 1e-6), "{way:?}");
}

#[test]
fn assumptions_are_set_by_name_and_refused_where_they_cannot_be() {
    let set = |text: &str| Assumptions::from_overrides(&[text.to_owned()]).map_err(|error| error.to_string());
    assert!(set("training_share=0.5").is_ok_and(|assumptions| near(assumptions.training_share, 0.5, 1e-9)));
    assert!(set("training_share=1.5").unwrap_err().contains("`training_share`: must be in 0..1, 0 excluded, found 1.5"));
    assert!(set("trainin_share=0.5").unwrap_err().contains("unknown field `trainin_share`"));
    assert_eq!(Assumptions::default().named().len(), 13);
    let experiment = Experiment::load("smoke", &["model.base=bases/nothing".to_owned()]).unwrap();
    let error = plan(&experiment, &request(&[])).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("the plan lacks its config.json; published shapes: gpt-j-6b"), "{error}");
}
