//! Checks of values that have the right type and are out of range.

use super::{Config, EvaluationConfig, Invalid, MethodSettings, SamplingConfig, TrainingConfig};
use crate::types::Split;
use starloop_lm::train::PackedEpochs;

type Checked = Result<(), Invalid>;

fn require(holds: bool, path: &str, key: &str, message: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Invalid { key: format!("{path}.{key}"), message: message() }) }
}

/// The most optimizer steps of a fine-tuning. With it and the other limits here, no product of settings overflows.
pub(crate) const MOST_STEPS: u64 = 1_000_000_000;

fn at_most(path: &str, key: &str, value: u64, most: u64) -> Checked {
    require(value <= most, path, key, || format!("must be at most {most}, found {value}"))
}

/// Checks everything that needs no task and no method.
pub(crate) fn config(config: &Config) -> Checked {
    let named = |key: &str, message: String| Err(Invalid { key: key.to_owned(), message });
    // The name becomes a directory.
    let is_plain = |name: &str| !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']);
    if !is_plain(&config.name) {
        return named("name", format!("{:?} cannot name a directory", config.name));
    }
    if i64::try_from(config.seed).is_err() {
        return named("seed", format!("{} is more than 2^63 - 1", config.seed));
    }
    for (place, seed) in config.seeds.iter().enumerate() {
        if i64::try_from(*seed).is_err() || config.seeds[..place].contains(seed) {
            return named("seeds", format!("{seed} is named twice, or more than 2^63 - 1"));
        }
    }
    if config.run.is_empty() {
        return named("run", "names no method, so there is nothing to do".to_owned());
    }
    for (place, name) in config.run.iter().enumerate() {
        if !config.methods.contains_key(name) {
            let known: Vec<String> = config.methods.keys().cloned().collect();
            return named("run", format!("there is no [methods.{name}]; there are: {}", known.join(", ")));
        }
        if config.run[..place].contains(name) {
            return named("run", format!("{name:?} is named twice"));
        }
    }
    // `main` may be left over when `--set run=[...]` runs a part of the methods, but it must be a method of the config.
    if let Some(main) = config.main.as_ref().filter(|main| !config.methods.contains_key(*main)) {
        let known: Vec<String> = config.methods.keys().cloned().collect();
        return named("main", format!("there is no [methods.{main}]; there are: {}", known.join(", ")));
    }
    require(config.model.chat || config.model.chat_variables.is_empty(), "model", "chat_variables", || {
        "the chat template reads them, and prompts are put by it only with model.chat = true".to_owned()
    })?;
    config.policy.check(config.model.chat)?;
    for (path, held) in [
        ("model", toml::Table::try_from(&config.model).map(drop)),
        ("trainer", toml::Table::try_from(&config.trainer).map(drop)),
        ("record", toml::Table::try_from(config.record).map(drop)),
    ] {
        held.map_err(|error| Invalid { key: path.to_owned(), message: error.to_string() })?;
    }
    sampling("sampling", &config.sampling)?;
    training("training", &config.training)?;
    config.trainer.check()?;
    evaluation("evaluation", &config.evaluation)?;
    match config.methods.keys().find(|name| !is_plain(name)) {
        Some(name) => named(&format!("methods.{name}"), "cannot name a directory".to_owned()),
        None => Ok(()),
    }
}

/// Checks the settings that hold for one method; `path` is that of the method.
pub(crate) fn settings(path: &str, settings: &MethodSettings) -> Checked {
    sampling(&format!("{path}.sampling"), &settings.sampling)?;
    training(&format!("{path}.training"), &settings.training)?;
    let most = settings.selection.most_hint_reliance;
    require(most.is_none_or(f64::is_finite), &format!("{path}.selection"), "most_hint_reliance", || "must be a finite number".to_owned())?;
    evaluation(&format!("{path}.evaluation"), &settings.evaluation)
}

fn sampling(path: &str, config: &SamplingConfig) -> Checked {
    let SamplingConfig { temperature, samples_per_problem, .. } = *config;
    config.params(Vec::new()).check().map_err(|invalid| Invalid::in_section(path, invalid))?;
    at_most(path, "max_new_tokens", config.max_new_tokens as u64, 1 << 24)?;
    at_most(path, "samples_per_problem", u64::from(samples_per_problem), 1 << 20)?;
    require(samples_per_problem > 0, path, "samples_per_problem", || "must be at least 1".to_owned())?;
    require(samples_per_problem == 1 || temperature > 0.0, path, "samples_per_problem", || {
        format!("{samples_per_problem} greedy samples of one problem are all the same; set {path}.temperature above 0")
    })
}

pub(crate) fn training(path: &str, config: &TrainingConfig) -> Checked {
    config.hyperparameters(config.steps, 0).check().map_err(|invalid| Invalid::in_section(path, invalid))?;
    // Infinity would mean no clipping, and JSON cannot hold it.
    require(config.max_grad_norm.is_finite(), path, "max_grad_norm", || "must be a finite number".to_owned())?;
    at_most(path, "steps", config.steps, MOST_STEPS)?;
    at_most(path, "max_steps", config.max_steps.unwrap_or(0), MOST_STEPS)?;
    at_most(path, "step_increment", config.step_increment, MOST_STEPS)?;
    at_most(path, "batch_size", config.batch_size as u64, 1 << 20)?;
    at_most(path, "sequence_length", config.sequence_length as u64, 1 << 24)?;
    at_most(path, "micro_batch_tokens", config.micro_batch_tokens as u64, 1 << 32)?;
    require(config.max_steps.is_none_or(|most| most >= config.steps), path, "steps", || {
        format!("{} is more than {path}.max_steps", config.steps)
    })?;
    require(config.step_growth.is_finite() && config.step_growth >= 1.0, path, "step_growth", || {
        format!("must be 1 or more, found {}", config.step_growth)
    })?;
    #[expect(clippy::float_cmp, reason = "1 is the default, written exactly")]
    let grows_by_factor = config.step_growth != 1.0;
    require(!grows_by_factor || config.step_increment == 0, path, "step_increment", || {
        format!("steps grow by a factor ({path}.step_growth) or by an increment, not by both")
    })?;
    if let Some(lora) = &config.lora {
        lora.check().map_err(|invalid| Invalid::in_section(&format!("{path}.lora"), invalid))?;
    }
    PackedEpochs::check_sizes(config.batch_size, config.sequence_length).map_err(|invalid| Invalid::in_section(path, invalid))
}

fn evaluation(path: &str, config: &EvaluationConfig) -> Checked {
    require(config.every > 0, path, "every", || "must be at least 1".to_owned())?;
    require(config.split != Split::Train, path, "split", || "accuracy is measured on held-out problems: \"dev\" or \"test\"".to_owned())?;
    let (split, last) = (config.split, config.final_split);
    require(last.is_none_or(|last| (split, last) == (Split::Dev, Split::Test)), path, "final_split", || {
        format!("only \"test\" can give a final figure, and only where {path}.split = \"dev\" makes the choices")
    })
}
