//! Values that parse and yet cannot be. Checked once, when a config is read.

use super::{Config, EvaluationConfig, Invalid, MethodConfig, PolicyConfig, SamplingConfig, TrainerKind, TrainingConfig};
use crate::error::Error;
use crate::method::Needs;
use crate::task::Split;

type Checked = Result<(), Invalid>;

fn require(holds: bool, path: &str, key: &str, message: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Invalid { key: format!("{path}.{key}"), message: message() }) }
}

pub(super) fn check(config: &Config) -> Checked {
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
    config.policy.check(config.model.chat)?;
    sampling("sampling", &config.sampling)?;
    training("training", &config.training)?;
    config.trainer.check()?;
    evaluation("evaluation", &config.evaluation)?;
    for (name, method_config) in &config.methods {
        if !is_plain(name) {
            return named(&format!("methods.{name}"), "cannot name a directory".to_owned());
        }
        method(&format!("methods.{name}"), method_config)?;
        if config.model.chat && method_config.method.continues_completions() {
            let message = "hints with the beginning of a rationale, which cannot stand in a conversation; set model.chat = false";
            return named(&format!("methods.{name}"), message.to_owned());
        }
    }
    for (name, method_config) in config.methods_to_run() {
        needs(config, name, method_config)?;
    }
    Ok(())
}

/// What only the embedded engine has, before any work is done: an error in the middle of a run would come after hours of sampling.
fn needs(config: &Config, name: &str, method: &MethodConfig) -> Checked {
    let Needs { objective, scores } = method.method.needs();
    let invalid = |key: &str, error: Error| Err(Invalid { key: key.to_owned(), message: format!("methods.{name}: {error}") });
    if let (Some(objective), TrainerKind::Command) = (objective, config.trainer.kind) {
        return invalid("trainer.kind", Error::ObjectiveNotSupported { objective });
    }
    if scores && config.policy != PolicyConfig::Embedded {
        return invalid("policy.kind", Error::ScoringNotSupported);
    }
    Ok(())
}

fn method(path: &str, config: &MethodConfig) -> Checked {
    sampling(&format!("{path}.sampling"), &config.sampling)?;
    training(&format!("{path}.training"), &config.training)?;
    evaluation(&format!("{path}.evaluation"), &config.evaluation)?;
    config.method.check(config).map_err(|invalid| Invalid { key: format!("{path}.{}", invalid.key), ..invalid })
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

pub(super) fn training(path: &str, config: &TrainingConfig) -> Checked {
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
