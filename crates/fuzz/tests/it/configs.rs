//! Configs of runs and of pretraining.

use starloop_core::config::Config;
use starloop_core::experiment::Experiment;
use starloop_core::registry::Registry;
use starloop_core::trainer::pretrain::PretrainConfig;
use starloop_fuzz::Target;

fn seeds(directory: &str) -> Vec<Vec<u8>> {
    super::files(directory).iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn config_of_a_run() {
    let registry = Registry::default();
    let words = &["[task]", "kind = ", "methods.star.", "run = ", "[policy]", "'''", "\"\"\"", "1979-05-27T07:32:00Z", "inf"];
    Target::new("config", seeds("crates/core/configs")).words(words).run(super::tmp(), |input| {
        if let Ok(text) = std::str::from_utf8(input) {
            let config = Config::parse("fuzz.toml", text, &[]);
            let _ = config.and_then(|config| Experiment::new(config, &registry)).map(|experiment| estimate(&experiment));
        }
    });
}

/// The estimate of a run whose problems are made by the program.
fn estimate(experiment: &Experiment) {
    let settings = experiment.task_settings();
    if settings.program().is_none()
        && settings.files().is_ok_and(|files| files.is_empty())
        && let Ok(task) = experiment.task()
    {
        let _ = experiment.estimate(task.as_ref());
    }
}

#[test]
fn config_of_a_pretraining() {
    Target::new("pretrain-config", seeds("crates/core/configs/pretrain")).words(&["[model]", "[training]"]).run(super::tmp(), |input| {
        if let Ok(text) = std::str::from_utf8(input) {
            let _ = PretrainConfig::parse("fuzz.toml", text, &[]);
        }
    });
}
