//! Long output: through the user's pager on a terminal, unchanged elsewhere.

use std::io::{IsTerminal, Result, Stdout, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

/// The destination of long output. Writing to a pager that the user has left is an error of the kind `BrokenPipe`, as with any closed pipe.
#[derive(Debug)]
pub enum Pager {
    /// The user's pager, and its standard input.
    Running(Child, Option<ChildStdin>),
    /// Standard output.
    Plain(Stdout),
}

impl Pager {
    /// Starts $PAGER, or `less`, if standard output is a terminal. If no pager can be started, output goes to standard output.
    pub fn start() -> Pager {
        let plain = || Pager::Plain(std::io::stdout());
        if !std::io::stdout().is_terminal() {
            return plain();
        }
        // `less -FX` ends at once if the text fits on the screen, and does not clear the screen.
        let command = std::env::var("PAGER").ok().filter(|pager| !pager.trim().is_empty()).unwrap_or_else(|| "less -FX".to_owned());
        let mut words = command.split_whitespace();
        let Some(program) = words.next() else { return plain() };
        match Command::new(program).args(words).stdin(Stdio::piped()).spawn() {
            Ok(mut child) => {
                // Ctrl-C is handled by the pager. This program continues.
                let _ = ctrlc::set_handler(|| {});
                let input = child.stdin.take();
                Pager::Running(child, input)
            }
            Err(_) => plain(),
        }
    }

    /// Closes the pager's input, and waits until the user leaves the pager.
    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        if let Pager::Running(mut child, input) = self {
            drop(input);
            child.wait()?;
        }
        Ok(())
    }
}

impl Write for Pager {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self {
            Pager::Running(_, Some(input)) => input.write(bytes),
            Pager::Running(_, None) => Ok(bytes.len()),
            Pager::Plain(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> Result<()> {
        match self {
            Pager::Running(_, Some(input)) => input.flush(),
            Pager::Running(_, None) => Ok(()),
            Pager::Plain(out) => out.flush(),
        }
    }
}
