use anyhow::Result;
#[derive(Debug, clap::Args)]
pub struct Arguments {}
pub fn run(_arguments: &Arguments) -> Result<()> { Ok(()) }
