//! The program `starloop`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(starloop::run(std::env::args_os()))
}
