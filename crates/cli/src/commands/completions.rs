//! `starloop completions`: completions for a shell.

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

/// Print the completions of all commands and options for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop completions bash > ~/.local/share/bash-completion/completions/starloop
  starloop completions zsh > ~/.zfunc/_starloop
  starloop completions fish > ~/.config/fish/completions/starloop.fish
  starloop completions powershell >> $PROFILE")]
pub struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// `C` is the program's own command line.
pub fn run<C: CommandFactory>(arguments: &Arguments) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut C::command(), "starloop", &mut script);
    crate::console::print(String::from_utf8(script)?.trim_end())
}
