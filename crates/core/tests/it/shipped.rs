//! The base model that comes with the program is what its recipe makes.

use starloop_core::config::PretrainConfig;
use starloop_core::pretrain::{PretrainLog, REPLAYED_STEPS, replay, verify_weights};
use std::path::PathBuf;

fn shipped() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models/arithmetic")
}

#[test]
fn the_weights_are_those_of_the_log() {
    let log = PretrainLog::read(&shipped()).unwrap();
    let mut weights = std::fs::read(shipped().join("model.safetensors")).unwrap();
    verify_weights(&weights, &log).unwrap();
    *weights.last_mut().unwrap() ^= 1;
    let error = verify_weights(&weights, &log).err().unwrap().to_string();
    assert!(error.contains(&log.weights_sha256), "{error}");
}

#[test]
fn the_recipe_of_the_log_is_the_shipped_one() {
    let log = PretrainLog::read(&shipped()).unwrap();
    let recipe = PretrainConfig::load("arithmetic", &[]).unwrap();
    assert_eq!(log.recipe, recipe);
    assert_eq!(log.recipe_sha256, recipe.sha256());
    assert_eq!(std::fs::read_to_string(shipped().join("recipe.toml")).unwrap(), recipe.to_toml());
}

#[test]
fn the_first_steps_replay_bit_for_bit() {
    let log = PretrainLog::read(&shipped()).unwrap();
    assert_eq!(replay(&log.recipe, REPLAYED_STEPS).unwrap(), log.first_losses);
}
