//! Checks of values that have the right type and are out of range.

use super::{Config, EvaluationConfig, Invalid, MethodSettings, SamplingConfig, TrainingConfig};
use crate::types::Split;

type Checked = Result<(), Invalid>;

fn require(holds: bool, path: &str, key: &str, message: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Invalid { key: format!("{path}.{key}"), message: message() }) }
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
    require(config.model.chat || config.model.chat_variables.is_empty(), "model", "chat_variables", || {
        "the chat template reads them, and prompts are put by it only with model.chat = true".to_owned()
    })?;
    config.policy.check(config.model.chat)?;
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
    evaluation(&format!("{path}.evaluation"), &settings.evaluation)
}

fn sampling(path: &str, config: &SamplingConfig) -> Checked {
    let SamplingConfig { temperature, top_p, max_new_tokens, samples_per_problem, .. } = *config;
    require(temperature.is_finite() && temperature >= 0.0, path, "temperature", || format!("must be 0 or more, found {temperature}"))?;
    require(top_p > 0.0 && top_p <= 1.0, path, "top_p", || format!("must be in 0..1, 0 excluded, found {top_p}"))?;
    require(max_new_tokens > 0, path, "max_new_tokens", || "must be at least 1".to_owned())?;
    require(samples_per_problem > 0, path, "samples_per_problem", || "must be at least 1".to_owned())?;
    require(samples_per_problem == 1 || temperature > 0.0, path, "samples_per_problem", || {
        format!("{samples_per_problem} greedy samples of one problem are all the same; set {path}.temperature above 0")
    })
}

pub(crate) fn training(path: &str, config: &TrainingConfig) -> Checked {
    let positive =
        |key: &str, value: f64| require(value.is_finite() && value > 0.0, path, key, || format!("must be a number above 0, found {value}"));
    let share = |key: &str, value: f64| require((0.0..=1.0).contains(&value), path, key, || format!("must be in 0..1, found {value}"));
    positive("learning_rate", config.learning_rate)?;
    positive("epsilon", config.epsilon)?;
    positive("max_grad_norm", config.max_grad_norm)?;
    for beta in config.betas {
        require((0.0..1.0).contains(&beta), path, "betas", || format!("must be in 0..1, 1 excluded, found {beta}"))?;
    }
    require(config.weight_decay.is_finite() && config.weight_decay >= 0.0, path, "weight_decay", || {
        format!("must be 0 or more, found {}", config.weight_decay)
    })?;
    share("decay_start", config.decay_start)?;
    share("final_fraction", config.final_fraction)?;
    require(config.steps > 0, path, "steps", || "must be at least 1".to_owned())?;
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
        let path = &format!("{path}.lora");
        require(lora.rank > 0, path, "rank", || "must be at least 1".to_owned())?;
        require(lora.alpha.is_finite() && lora.alpha > 0.0, path, "alpha", || format!("must be a number above 0, found {}", lora.alpha))?;
        require((0.0..1.0).contains(&lora.dropout), path, "dropout", || format!("must be in 0..1, 1 excluded, found {}", lora.dropout))?;
        require(!lora.target_modules.is_empty(), path, "target_modules", || "names no module".to_owned())?;
    }
    require(config.batch_size > 0, path, "batch_size", || "must be at least 1".to_owned())?;
    require(config.micro_batch_tokens > 0, path, "micro_batch_tokens", || "must be at least 1".to_owned())?;
    require(config.sequence_length > 1, path, "sequence_length", || "must be at least 2".to_owned())
}

fn evaluation(path: &str, config: &EvaluationConfig) -> Checked {
    require(config.every > 0, path, "every", || "must be at least 1".to_owned())?;
    require(config.split != Split::Train, path, "split", || "accuracy is measured on held-out problems: \"dev\" or \"test\"".to_owned())?;
    let (split, last) = (config.split, config.final_split);
    require(last.is_none_or(|last| (split, last) == (Split::Dev, Split::Test)), path, "final_split", || {
        format!("only \"test\" can give a final figure, and only where {path}.split = \"dev\" makes the choices")
    })
}
