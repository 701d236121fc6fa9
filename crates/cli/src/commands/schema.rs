//! `starloop schema`: the JSON schema of a config.

use anyhow::Result;

/// Print the JSON schema of a config. With it, editors complete keys and check values.
///
/// The schema describes the kinds of tasks, methods and policies that the program ships.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop schema > starloop.schema.json

The first line of a config then names the file, for editors with a TOML language server (taplo, Even Better TOML):
  #:schema ./starloop.schema.json")]
pub struct Arguments {}

pub fn run(_: &Arguments) -> Result<()> {
    crate::console::print(starloop_core::registry::SCHEMA.trim_end())
}
