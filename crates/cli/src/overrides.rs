//! The arguments that change a config from the command line.

/// Changes to a config or recipe.
#[derive(Debug, clap::Args)]
pub struct Overrides {
    /// The seed of all random choices, instead of the config's
    #[arg(long)]
    pub seed: Option<u64>,
    /// Change a key of the config, such as training.steps=100
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl Overrides {
    /// As `key=value`, in the order in which they apply.
    pub fn list(&self) -> Vec<String> {
        self.set.iter().cloned().chain(self.seed.map(|seed| format!("seed={seed}"))).collect()
    }
}
