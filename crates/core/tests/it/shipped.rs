//! The base models that come with the program are what their recipes make.

use starloop_core::trainer::pretrain::PretrainConfig;
use starloop_core::trainer::pretrain::{PretrainLog, REPLAYED_STEPS, Recipe, replay, verify_weights};
use std::path::PathBuf;

const SHIPPED: [&str; 2] = ["arithmetic", "arithmetic-long"];

fn directory(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models").join(name)
}

#[test]
fn the_weights_are_those_of_the_log() {
    for name in SHIPPED {
        let log = PretrainLog::read(&directory(name)).unwrap();
        let mut weights = std::fs::read(directory(name).join("model.safetensors")).unwrap();
        assert!(weights.len() < 2_000_000);
        verify_weights(&weights, &log).unwrap();
        *weights.last_mut().unwrap() ^= 1;
        let error = verify_weights(&weights, &log).err().unwrap().to_string();
        assert!(error.contains(&log.weights_sha256), "{error}");
    }
}

#[test]
fn the_recipe_of_the_log_is_the_shipped_one() {
    for name in SHIPPED {
        let log = PretrainLog::read(&directory(name)).unwrap();
        let recipe = Recipe::read(PretrainConfig::load(name, &[]).unwrap()).unwrap();
        assert_eq!(log.recipe, recipe.config);
        assert_eq!(log.recipe_sha256, recipe.sha256());
        assert_eq!(std::fs::read_to_string(directory(name).join("recipe.toml")).unwrap(), recipe.config.to_toml());
    }
}

#[test]
fn the_first_steps_replay_bit_for_bit() {
    for name in SHIPPED {
        let log = PretrainLog::read(&directory(name)).unwrap();
        assert_eq!(replay(&Recipe::read(log.recipe).unwrap(), REPLAYED_STEPS).unwrap(), log.first_losses, "{name}");
    }
}
