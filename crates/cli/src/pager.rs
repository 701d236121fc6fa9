//! Long output: through the user's pager on a terminal, as it stands elsewhere.

use std::io::{IsTerminal, Result, Stdout, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

/// Where long output goes. What is written to a pager that was left early is an error of the kind `BrokenPipe`, as with any closed pipe.
#[derive(Debug)]
pub enum Pager {
    /// The user's pager, and what it reads.
    Running(Child, Option<ChildStdin>),
    /// Standard output.
    Plain(Stdout),
}

impl Pager {
    /// Starts $PAGER, or `less`, where standard output is a terminal. Where there is no pager, output stands as it is.
    pub fn start() -> Pager {
        let plain = || Pager::Plain(std::io::stdout());
        if !std::io::stdout().is_terminal() {
            return plain();
        }
        // Leaves what fits on the screen there, and does not clear it afterwards.
        let command = std::env::var("PAGER").ok().filter(|pager| !pager.trim().is_empty()).unwrap_or_else(|| "less -FX".to_owned());
        let mut words = command.split_whitespace();
        let Some(program) = words.next() else { return plain() };
        match Command::new(program).args(words).stdin(Stdio::piped()).spawn() {
            Ok(mut child) => {
                // Ctrl-C is for the pager, which reads on.
                let _ = ctrlc::set_handler(|| {});
                let input = child.stdin.take();
                Pager::Running(child, input)
            }
            Err(_) => plain(),
        }
    }

    /// Says that there is no more, and waits until the user has seen enough.
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
