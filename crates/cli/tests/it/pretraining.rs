//! `pretrain`: one recipe, one base model.

use crate::program::{SMALL_PRETRAINING, snapshot, starloop, text};
use starloop_core::trainer::pretrain::PretrainConfig;

#[test]
fn a_recipe_is_printed_whole_and_reads_back() {
    let printed = starloop("pretrain arithmetic --dry-run --seed 3 --set training.steps=77", &[]).done();
    let recipe = PretrainConfig::parse("printed", &printed, &[]).unwrap();
    assert_eq!((recipe.seed, recipe.training.steps), (3, 77));
    assert_eq!(recipe.to_toml().trim_end(), printed.trim_end());
}

#[test]
fn a_model_of_the_same_recipe_is_kept_and_one_of_another_refused() {
    let place = tempfile::tempdir().unwrap();
    let run = |line: &str, more: &[&str]| {
        let mut command = crate::program::command(line, more);
        crate::program::Outcome::from(command.current_dir(place.path()).output().unwrap())
    };
    let first = run(SMALL_PRETRAINING, &["--set", "training.steps=3", "--json"]).json();
    let made = place.path().join(format!("bases/arithmetic-{}", &first["recipe_sha256"].as_str().unwrap()[..12]));
    let before = (snapshot(&made), std::fs::metadata(&made).unwrap().modified().unwrap());
    assert_eq!(run(SMALL_PRETRAINING, &["--set", "training.steps=3", "--json"]).json(), first);
    let other = run(SMALL_PRETRAINING, &["--set", "training.steps=3", "--seed", "2", "--out", text(&made)]);
    other.failed(1, &[text(&made), "another recipe", "choose another place"]);
    run(SMALL_PRETRAINING, &["--out", text(place.path())]).failed(1, &[text(place.path()), "holds no base model", "choose another place"]);
    assert!((snapshot(&made), std::fs::metadata(&made).unwrap().modified().unwrap()) == before);
    let other = run(SMALL_PRETRAINING, &["--set", "training.steps=3", "--seed", "2", "--json"]).json();
    assert_ne!(other["weights_sha256"], first["weights_sha256"]);
    assert_eq!(std::fs::read_dir(place.path().join("bases")).unwrap().count(), 2);
}
