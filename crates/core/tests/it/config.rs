//! Configs that are right, and what is said of those that are not.

use crate::doubles::{self, CONFIG};
use starloop_core::config::{Config, ModelConfig, TrainingConfig, presets};
use starloop_core::error::{Error, Missing, with_causes};
use starloop_core::experiment::Experiment;
use starloop_core::experiment::base_model::BaseModel;
use starloop_core::method::Star;
use starloop_core::task::arithmetic::ArithmeticConfig;
use starloop_core::trainer::pretrain::PretrainConfig;
use std::time::{Duration, Instant};

fn parse(text: &str, overrides: &[&str]) -> Result<Experiment, String> {
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    doubles::parse("my.toml", text, &overrides).map_err(|error| with_causes(&error))
}

#[test]
fn every_shipped_config_parses_and_its_echo_reads_back_to_the_same() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    let mut files = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        files += 1;
        assert!(presets().iter().any(|(preset, _)| *preset == name), "{name} is no preset");
        let experiment = Experiment::load(&name, &[]).unwrap();
        assert_eq!(experiment.config().name, name);
        let again = doubles::parse("echo", &experiment.to_toml(), &[]).unwrap();
        assert_eq!(experiment.changed_keys(&again), [""; 0]);
        assert_eq!(experiment.to_toml(), again.to_toml());
        match experiment.task() {
            Ok(task) => assert!(experiment.estimate(task.as_ref()).iter().all(|(_, estimate)| estimate.evaluations > 0)),
            // The data of the paper's tasks are not part of the program.
            Err(error) => {
                let Error::NotFound { what: Missing::Data, download, .. } = &error else { panic!("{error}") };
                assert_eq!(download.as_deref(), Some(experiment.task_kind()));
            }
        }
    }
    assert_eq!(files, presets().len());
}

#[test]
fn every_shipped_recipe_parses_and_its_echo_reads_back_to_the_same() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/pretrain");
    for entry in std::fs::read_dir(directory).unwrap() {
        let name = entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
        let recipe = PretrainConfig::load(&name, &[]).unwrap();
        assert_eq!(recipe.name, name);
        assert_eq!(PretrainConfig::parse("echo", &recipe.to_toml(), &[]).unwrap(), recipe);
        let log = serde_json::to_string(&recipe).unwrap();
        assert_eq!(serde_json::from_str::<PretrainConfig>(&log).unwrap(), recipe);
    }
}

#[test]
fn unknown_keys_are_named_with_their_path_and_the_nearest() {
    for (from, to, expected) in [
        ("seed = 7", "sede = 7", "my.toml: unknown key `sede`; did you mean `seed`?"),
        ("steps = 10", "stepps = 10", "my.toml: unknown key `training.stepps`; did you mean `training.steps`?"),
        ("iterations = 3", "iteration = 3", "my.toml: unknown key `methods.star.iteration`; did you mean `methods.star.iterations`?"),
        ("base =", "bass =", "my.toml: unknown key `model.bass`; did you mean `model.base`?"),
        ("[sampling]", "digitz = [1, 2]\n[sampling]", "my.toml: unknown key `task.digitz`; did you mean `task.digits`?"),
        (
            "[sampling]",
            "extension = { from_iteratoin = 2 }\n[sampling]",
            "my.toml: unknown key `task.extension.from_iteratoin`; did you mean `task.extension.from_iteration`?",
        ),
        (
            "iterations = 3",
            "training.learning_rat = 1.0",
            "my.toml: unknown key `methods.star.training.learning_rat`; did you mean `methods.star.training.learning_rate`?",
        ),
    ] {
        let config = CONFIG.replacen("\"numbers\"", "\"arithmetic\"", 1);
        assert!(config.contains(from));
        assert_eq!(parse(&config.replacen(from, to, 1), &[]).err().unwrap(), expected);
    }
}

#[test]
fn a_key_like_no_other_gets_the_list() {
    let error = parse(&CONFIG.replacen("base =", "zzz =", 1), &[]).err().unwrap();
    assert_eq!(error, "my.toml: unknown key `model.zzz`; valid there: base, chat, chat_variables, kv_cache, hub");
}

#[test]
fn wrong_values_are_named() {
    for (override_, expected) in [
        ("training.steps=0", "override training.steps: `training.steps`: must be at least 1, found 0"),
        (
            "main=x",
            "override main: `main`: there is no [methods.x]; there are: adastar, b_star, direct, few_shot, few_shot_direct, grpo, partial, rationales, rest_em, rft, self_training, spin, star, v_star, without",
        ),
        ("training.steps=many", "override training.steps: `training.steps`: invalid type: string \"many\", expected u64"),
        ("sampling.top_p=1.5", "override sampling.top_p: `sampling.top_p`: must be in 0..1, 0 excluded, found 1.5"),
        (
            "sampling.samples_per_problem=4",
            "override sampling.samples_per_problem: `sampling.samples_per_problem`: 4 greedy samples of one problem are all the same; set sampling.temperature above 0",
        ),
        (
            "evaluation.final_split=dev",
            "override evaluation.final_split: `evaluation.final_split`: only \"test\" can give a final figure, and only where evaluation.split = \"dev\" makes the choices",
        ),
        (
            "evaluation.split=train",
            "override evaluation.split: `evaluation.split`: accuracy is measured on held-out problems: \"dev\" or \"test\"",
        ),
        (
            "methods.star.kind=stra",
            "override methods.star.kind: `methods.star.kind`: there is no kind \"stra\"; one of: few_shot, direct, star, self_training, partial_hints, rft, rest_em, adastar, b_star, v_star, spin, grpo; did you mean \"star\"?",
        ),
        (
            "run=['x']",
            "override run: `run`: there is no [methods.x]; there are: adastar, b_star, direct, few_shot, few_shot_direct, grpo, partial, rationales, rest_em, rft, self_training, spin, star, v_star, without",
        ),
        (
            "model.chat=true",
            "my.toml: `methods.partial`: hints with the beginning of a rationale, which a chat template does not support; set model.chat = false",
        ),
        (
            "model.chat_variables={enable_thinking=false}",
            "override model.chat_variables: `model.chat_variables`: the chat template reads them, and prompts are put by it only with model.chat = true",
        ),
        ("seeds=[1,2,1]", "override seeds: `seeds`: 1 is named twice, or more than 2^63 - 1"),
        ("sampling.topp=1", "override sampling.topp: unknown key `sampling.topp`; did you mean `sampling.top_p`?"),
        ("training.batch=3", "override training.batch: unknown key `training.batch`; did you mean `training.batch_size`?"),
        ("seed.x=3", "my.toml: `seed`: is not a table, so `x` cannot be set in it"),
    ] {
        assert_eq!(parse(CONFIG, &[override_]).err().unwrap(), expected);
    }
    assert!(parse(CONFIG, &["nonsense"]).err().unwrap().contains("key=value"));
}

#[test]
fn a_trainer_of_the_users_is_told_where_to_write() {
    assert!(!parse(CONFIG, &[]).unwrap().to_toml().contains("[trainer]"), "what older runs know nothing of is not written");
    for (overrides, expected) in [
        (&["trainer.command=['x']"][..], "`trainer.command`: is run by kind = \"command\" only"),
        (&["trainer.kind=command"], "`trainer.command`: is missing: name the program that fine-tunes"),
        (&["trainer.kind=command", "trainer.command=['x', '{base}']"], "has neither {out} nor {settings}"),
        (
            &["trainer.kind=command", "trainer.command=['x', '{out}', '{dat}']"],
            "{dat} is not a placeholder; there are {base}, {data}, {out}",
        ),
        (&["trainer.kind=command", "trainer.command=['x', '{out}', '{dat}']"], "did you mean {data}?"),
        (&["trainer.kind=comand"], "unknown variant `comand`, expected `embedded` or `command`"),
        (&["trainer.cmd=x"], "unknown key `trainer.cmd`"),
    ] {
        let error = parse(CONFIG, overrides).err().unwrap();
        assert!(error.contains(expected), "{error}");
    }
    let command = "trainer.command=['sh', '-c', 'train ${HOME} {}', '{out}/', '{settings}']";
    let experiment = parse(CONFIG, &["trainer.kind=command", command]).unwrap();
    let again = doubles::parse("echo", &experiment.to_toml(), &[]).unwrap();
    assert_eq!(again.config().trainer, experiment.config().trainer);
}

#[test]
fn choosing_on_the_test_split_is_refused() {
    let error = parse(CONFIG, &["evaluation.split=test", "methods.star.patience=1"]).err().unwrap();
    assert!(error.contains("methods.star.patience") && error.contains("test split"), "{error}");
}

#[test]
fn syntax_errors_keep_their_line() {
    let error = parse("name = \"x\"\nseed = = 1\n", &[]).err().unwrap();
    assert!(error.contains("my.toml") && error.contains("line 2"), "{error}");
}

#[test]
fn missing_configs_are_told_with_the_presets() {
    let error = Config::load("arithmatic", &[]).err().unwrap().to_string();
    assert!(error.contains("did you mean `arithmetic`?"), "{error}");
    let error = Config::load("missing/file.toml", &[]).err().unwrap();
    assert!(matches!(&error, Error::NotFound { name, nearest: None, .. } if name == "missing/file.toml"), "{error}");
}

#[test]
fn a_model_that_is_missing_is_told_with_its_name_on_the_hub() {
    let find = |base: &str, hub: Option<&str>| {
        let config = ModelConfig { base: base.into(), hub: hub.map(str::to_owned), ..ModelConfig::default() };
        BaseModel::of(&config).err().unwrap()
    };
    let error = find("nowhere/tiny", Some("org/tiny"));
    assert!(matches!(&error, Error::NotFound { what: Missing::Model, download: Some(hub), .. } if hub == "org/tiny"), "{error}");
    assert_eq!(error.to_string(), "`model.base = \"nowhere/tiny\"`: no such directory");
    let error = find("builtin:arithmatic", None);
    assert!(error.to_string().ends_with("there are: arithmetic, arithmetic-long; did you mean `arithmetic`?"), "{error}");
}

#[test]
fn overrides_reach_every_section_and_methods_win_over_the_common_one() {
    let experiment = parse(CONFIG, &["training.learning_rate=0.5", "methods.direct.training.steps=99", "name=other name"]).unwrap();
    assert_eq!(experiment.config().name, "other name");
    let training = |name: &str| &experiment.method(name).unwrap().settings.training;
    let rates: Vec<f64> = experiment.config().methods.keys().map(|name| training(name).learning_rate).collect();
    assert!(rates.iter().all(|&rate| (rate - 0.5).abs() < 1e-12));
    assert_eq!((training("direct").steps, training("star").steps), (99, 10));
}

#[test]
fn a_config_that_is_changed_in_code_is_like_one_that_was_written_so() {
    let mut config = Config::parse("my.toml", CONFIG, &["methods.direct.training.steps=99".to_owned()]).unwrap();
    config.training.steps = 17;
    let changed = doubles::resolve(config).unwrap();
    let written = parse(CONFIG, &["training.steps=17", "methods.direct.training.steps=99"]).unwrap();
    assert_eq!(changed.to_toml(), written.to_toml());
    let steps = |name: &str| changed.method(name).unwrap().settings.training.steps;
    assert_eq!((steps("star"), steps("direct")), (17, 99));
}

#[test]
fn a_config_that_is_made_in_code_is_like_one_that_was_written() {
    let mut made = Config { name: "made".into(), training: TrainingConfig { steps: 7, ..Default::default() }, ..Config::default() };
    made.set_task("arithmetic", &ArithmeticConfig { digits: [2, 3], ..Default::default() }).unwrap();
    made.add_method("star", "star", &Star { iterations: 4, ..Default::default() }).unwrap();
    let written = "name = 'made'\nrun = ['star']\n[model]\nbase = 'builtin:arithmetic'\n[task]\nkind = 'arithmetic'\ndigits = [2, 3]\n\
                   [training]\nsteps = 7\n[methods.star]\nkind = 'star'\niterations = 4";
    let made = doubles::resolve(made).unwrap();
    assert_eq!(made.to_toml(), parse(written, &[]).unwrap().to_toml());
    assert_eq!((made.method("star").unwrap().settings.training.steps, made.methods_to_run().count()), (7, 1));
}

#[test]
fn a_config_that_is_made_in_code_is_checked_like_one_that_was_written() {
    let refused = |change: fn(&mut Config)| {
        let mut config = Config::default();
        config.add_method("star", "star", &Star::default()).unwrap();
        change(&mut config);
        doubles::resolve(config).err().unwrap().to_string()
    };
    assert_eq!(refused(|config| config.training.steps = 0), "the config: `training.steps`: must be at least 1, found 0");
    for (change, key) in [
        ((|config| config.training.steps = u64::MAX) as fn(&mut Config), "`training`"),
        (|config| config.sampling.top_k = usize::MAX, "`sampling`"),
        (|config| config.training.learning_rate = f64::NAN, "`training.learning_rate`"),
        (|config| config.sampling.temperature = f64::INFINITY, "`sampling.temperature`"),
        (|config| config.run = Vec::new(), "`run`"),
        (|config| config.task = toml::Table::new(), "`task.kind`"),
    ] {
        let error = refused(change);
        assert!(error.starts_with(&format!("the config: {key}: ")), "{error}");
    }
}

#[test]
fn steps_grow_as_in_the_paper() {
    let experiment = parse(CONFIG, &["training.steps=40", "training.max_steps=7912"]).unwrap();
    let steps: Vec<u64> = [1, 2, 3, 30, 31].map(|iteration| experiment.config().training.steps_in(iteration)).into();
    assert_eq!(steps, [40, 48, 58, 7912, 7912]);
    let experiment = parse(CONFIG, &["training.steps=300", "training.step_growth=1.0", "training.step_increment=20"]).unwrap();
    assert_eq!([1, 2, 16].map(|iteration| experiment.config().training.steps_in(iteration)), [300, 320, 600]);
    let refused = |overrides: &[&str]| parse(CONFIG, overrides).unwrap_err();
    let error = refused(&["training.step_growth=1e308", "methods.star.iterations=3"]);
    assert!(error.contains("`methods.star.training.step_growth`: iteration 3 would have more than 1000000000 steps"), "{error}");
    let error = refused(&["training.step_growth=1.0", "training.step_increment=1000000000", "methods.star.iterations=3"]);
    assert!(error.contains("`methods.star.training.step_increment`: iteration 3"), "{error}");
}

#[test]
fn what_servers_and_other_trainers_cannot_do_is_refused_before_any_work() {
    let served = ["policy.kind=openai", "policy.endpoints=['http://127.0.0.1:9/v1']"];
    let trained = ["trainer.kind=command", "trainer.command=['train', '{settings}']"];
    let refused = |kind: &str, elsewhere: &[&str]| {
        let method = format!("methods.one.kind={kind}");
        let overrides: Vec<String> =
            [&["run=['one']", &method, "methods.one.sampling.samples_per_problem=4", "methods.one.sampling.temperature=1"], elsewhere]
                .concat()
                .iter()
                .map(|&text| text.to_owned())
                .collect();
        Experiment::load("arithmetic", &overrides).err().map(|error| error.to_string())
    };
    for (kind, elsewhere, words) in [
        ("grpo", &trained, "this trainer does not support learning from rewards"),
        ("spin", &trained, "this trainer does not support learning from preferences"),
        ("v_star", &trained, "this trainer does not support learning from preferences"),
        ("v_star", &served, "this policy cannot score text"),
    ] {
        let said = refused(kind, elsewhere).unwrap_or_default();
        assert!(said.contains(words) && said.contains("methods.one"), "{kind}: {said}");
    }
    for kind in ["grpo", "spin"] {
        assert_eq!(refused(kind, &served), None, "{kind} samples on servers");
    }
    for kind in ["star", "adastar", "b_star", "rft", "rest_em"] {
        assert_eq!(refused(kind, &[served, trained].concat()), None, "{kind}");
    }
}

#[test]
fn an_estimate_of_the_most_iterations_takes_no_time() {
    for preset in ["arithmetic", "methods", "word-problems"] {
        let loaded = Experiment::load(preset, &[]).unwrap();
        let names: Vec<String> = loaded.methods_to_run().map(|method| method.name.clone()).collect();
        let iterated = names.iter().filter(|name| Experiment::load(preset, &[format!("methods.{name}.iterations=2")]).is_ok());
        let mut overrides: Vec<String> = iterated.map(|name| format!("methods.{name}.iterations=10000")).collect();
        assert!(!overrides.is_empty());
        let beyond = overrides[0].replace("10000", "10001");
        let error = Experiment::load(preset, &[beyond]).unwrap_err().to_string();
        assert!(error.contains("iterations") && error.contains("must be at most 10000, found 10001"), "{error}");
        let pooled = names.iter().filter(|name| Experiment::load(preset, &[format!("methods.{name}.problems_of_iterations=2")]).is_ok());
        overrides.extend(pooled.map(|name| format!("methods.{name}.problems_of_iterations=10000")));
        overrides.extend(["task.problems_per_iteration=10000", "training.step_growth=1.0"].map(str::to_owned));
        let experiment = Experiment::load(preset, &overrides).unwrap();
        let began = Instant::now();
        let task = experiment.task().unwrap();
        let estimates = experiment.estimate(task.as_ref());
        // It took many minutes when every problem was drawn; other programs may slow this one down.
        assert!(began.elapsed() < Duration::from_secs(60), "{preset}: {:?}", began.elapsed());
        assert!(estimates.iter().any(|(_, estimate)| estimate.iterations == 10_000));
    }
}
