//! `starloop pretrain`: a base model from scratch.

use crate::console;
use crate::overrides::Overrides;
use crate::progress::{Console, Log};
use anyhow::Result;
use starloop_core::trainer::pretrain::{PretrainConfig, Recipe, pretrain};
use std::path::{Path, PathBuf};

/// Train a base model from scratch by a recipe. A model that the same recipe has made is not trained again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop pretrain arithmetic                          the shipped base, into bases/arithmetic-<recipe>
  starloop pretrain arithmetic --seed 2 --out bases/two another seed
  starloop pretrain words                               a small model of words, from two data sets in data/
  starloop run arithmetic --set model.base=bases/two    the experiment from it")]
pub struct Arguments {
    /// A shipped recipe's name or a TOML file
    recipe: String,
    /// The checkpoint directory to write [default: bases/NAME-RECIPE_HASH]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
    /// Print the recipe with all its values and stop
    #[arg(long)]
    dry_run: bool,
    /// Print the log as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, log: Log) -> Result<()> {
    let config = PretrainConfig::load(&arguments.recipe, &arguments.overrides.list())?;
    if arguments.dry_run {
        return console::print(config.to_toml().trim_end());
    }
    let recipe = Recipe::read(config)?;
    let default = || Path::new("bases").join(format!("{}-{}", recipe.config.name, &recipe.sha256()[..12]));
    let out = arguments.out.clone().unwrap_or_else(default);
    let log = pretrain(&recipe, &out, &mut Console::new(log))?;
    if arguments.json {
        return console::print_json(&log);
    }
    let loss = log.curve.last().map_or_else(String::new, |(_, loss)| format!(", loss {loss:.4}"));
    console::print(&format!(
        "{}: {} parameters, {} tokens{loss}, weights {}",
        out.display(),
        log.parameters,
        log.tokens,
        log.weights_sha256
    ))
}
