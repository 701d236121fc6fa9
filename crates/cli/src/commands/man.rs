//! `starloop man`: manual pages.

use anyhow::{Context, Result};
use clap::CommandFactory;
use std::path::PathBuf;

/// Write a manual page of each command
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop man ~/.local/share/man/man1
  man starloop-run")]
pub struct Arguments {
    /// The directory of the pages. It is made if it does not exist
    dir: PathBuf,
}

/// `C` is the program's own command line.
pub fn run<C: CommandFactory>(arguments: &Arguments) -> Result<()> {
    fs_err::create_dir_all(&arguments.dir)?;
    clap_mangen::generate_to(C::command(), &arguments.dir)
        .with_context(|| format!("{}: cannot write the manual pages", arguments.dir.display()))
}
