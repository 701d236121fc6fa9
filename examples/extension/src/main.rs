//! A task, a method and a policy from outside starloop, registered without a fork. In this directory: `cargo run -- RUN_DIRECTORY`.
//! With `--stop-after-first`, the run is cancelled after its first iteration. Started again, it goes on from there.

mod doubling;
mod likeliest;
mod shortest;

use starloop_core::config::Config;
use starloop_core::error::{Error, Result};
use starloop_core::event::{Event, Observer};
use starloop_core::experiment::Experiment;
use starloop_core::registry::{MethodKind, PolicyKind, Registry, TaskKind};
use std::ops::ControlFlow;
use std::path::Path;

/// Prints the figures of each iteration, and cancels the run after `iterations` of them.
struct Progress {
    iterations: u32,
}

impl Observer for Progress {
    fn observe(&mut self, event: &Event) -> ControlFlow<()> {
        let Event::IterationFinished { method, metrics } = event else { return ControlFlow::Continue(()) };
        eprintln!("{method}, iteration {}: {:.1}% right", metrics.iteration, 100.0 * metrics.accuracy.mean);
        self.iterations -= 1;
        if self.iterations == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn main() -> Result<()> {
    let (options, places): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let place = places.first().map_or("runs/doubling", String::as_str);
    let iterations = if options.iter().any(|option| option == "--stop-after-first") { 1 } else { u32::MAX };
    match run(Path::new(place), iterations, &[]) {
        Err(Error::Cancelled) => {
            eprintln!("cancelled; start again to go on");
            Ok(())
        }
        done => done,
    }
}

fn run(directory: &Path, iterations: u32, overrides: &[String]) -> Result<()> {
    let registry = Registry::default()
        .with_task(TaskKind::new::<doubling::Doubling>("doubling", "twice a number"))
        .with_method(MethodKind::new::<shortest::Shortest>("shortest", "shortest rationale"))
        .with_policy(PolicyKind::new::<likeliest::Likeliest>("likeliest"));
    let config = Config::parse("experiment.toml", include_str!("../experiment.toml"), overrides)?;
    Experiment::new(config, &registry)?.run(directory, true, &mut Progress { iterations })
}

#[cfg(test)]
mod tests;
