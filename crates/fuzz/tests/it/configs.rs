//! Configs of runs and of pretraining.

use starloop_core::config::Config;
use starloop_core::trainer::pretrain::PretrainConfig;
use starloop_fuzz::Target;

fn seeds(directory: &str) -> Vec<Vec<u8>> {
    super::files(directory).iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn config_of_a_run() {
    let words = &["[task]", "kind = ", "methods.star.", "run = ", "[policy]", "'''", "\"\"\"", "1979-05-27T07:32:00Z", "inf"];
    Target::new("config", seeds("crates/core/configs")).words(words).run(super::tmp(), |input| {
        if let Ok(text) = std::str::from_utf8(input) {
            let _ = Config::parse("fuzz.toml", text, &[]);
        }
    });
}

#[test]
fn config_of_a_pretraining() {
    Target::new("pretrain-config", seeds("crates/core/configs/pretrain")).words(&["[model]", "[training]"]).run(super::tmp(), |input| {
        if let Ok(text) = std::str::from_utf8(input) {
            let _ = PretrainConfig::parse("fuzz.toml", text, &[]);
        }
    });
}
