//! `starloop`: teach a language model to reason from its own right answers.
#![warn(clippy::print_stderr)]

mod access;
mod commands;
mod console;
mod model;
mod output;
mod overrides;
mod pager;
mod progress;
mod untrusted;

use access::Access;
use bytesize::ByteSize;
use clap::{Parser, Subcommand};
use commands::{
    bench, compare, completions, doctor, eval, export, get, init, inspect, plan, pretrain, report, reproduce, run, sample, score, train,
    verify, watch,
};
use starloop_core::registry::Registry;
use std::num::NonZeroUsize;
use std::process::ExitCode;

/// Teach a language model to reason from its own right answers (STaR, Zelikman et al. 2022).
///
/// Results go to standard output, progress and messages to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, after_help = EXAMPLES)]
struct Arguments {
    /// Worker threads; all cores if not given. Results do not depend on it
    #[arg(long, global = true, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Memory that this process may use, such as 8GiB; what is computed at once is chosen to fit, or refused. Without it, by the config alone
    #[arg(long, global = true, value_name = "SIZE")]
    memory: Option<ByteSize>,
    /// Show only warnings and errors on standard error
    #[arg(long, short, global = true)]
    quiet: bool,
    #[command(flatten)]
    access: Access,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  starloop run arithmetic                      the paper's arithmetic experiment, from the shipped base to table and plot
  starloop run arithmetic --dry-run            what it would do, and an estimate of tokens and time
  starloop init problems.jsonl                 a config for your own problems
  starloop watch runs/arithmetic               the run as it goes on, from another terminal
  starloop report runs/arithmetic              its table and plot again, from files alone
  starloop sample --model DIR --prompt TEXT    a completion of any supported checkpoint";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run an experiment: sample, verify, rationalize, fine-tune, evaluate, repeat
    Run(run::Arguments),
    /// Tell what a run will cost before it starts
    Plan(plan::Arguments),
    /// Run an experiment of the paper and print its table beside the paper's
    Reproduce(reproduce::Arguments),
    /// Write a config for your own problems
    Init(init::Arguments),
    /// Show the table and the plot of finished or running experiments
    Report(report::Arguments),
    /// Watch a run while it goes on
    Watch(watch::Arguments),
    /// Read what a model was asked and answered, and what became of it
    Inspect(inspect::Arguments),
    /// Put two runs side by side, with a paired test
    Compare(compare::Arguments),
    /// Write what a run found in the forms of other tools
    Export(export::Arguments),
    /// Fetch a model or a data set
    Get(get::Arguments),
    /// Look at a checkpoint, or write it in another form
    Model(commands::model::Arguments),
    /// Train a base model from scratch by a recipe
    Pretrain(pretrain::Arguments),
    /// Complete a prompt
    Sample(sample::Arguments),
    /// Print the log-probability of each token of a text
    Score(score::Arguments),
    /// Fine-tune a checkpoint on prompt and completion pairs
    Train(train::Arguments),
    /// Measure a checkpoint's accuracy on a task
    Eval(eval::Arguments),
    /// Grade completions against known answers
    Verify(verify::Arguments),
    /// Show what this machine offers, and what will be slow or refused here
    Doctor(doctor::Arguments),
    /// Print completions for a shell
    Completions(completions::Arguments),
    /// Measure training and sampling speed on a random model
    #[command(hide = true)]
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    console::start(arguments.quiet);
    if !matches!(arguments.command, Command::Inspect(_) | Command::Watch(_)) {
        console::explain_interruption();
    }
    if let Some(memory) = arguments.memory {
        starloop_lm::memory::set_budget(memory.as_u64() as usize);
    }
    let (registry, access) = (Registry::default(), arguments.access);
    let outcome = threads(arguments.threads).and_then(|()| match &arguments.command {
        Command::Run(a) => run::run(a, &registry, access, arguments.quiet),
        Command::Plan(a) => plan::run(a, &registry),
        Command::Reproduce(a) => reproduce::run(a, &registry, access, arguments.quiet),
        Command::Init(a) => init::run(a),
        Command::Report(a) => report::run(a, access),
        Command::Watch(a) => watch::run(a, access),
        Command::Inspect(a) => inspect::run(a, access),
        Command::Compare(a) => compare::run(a, access),
        Command::Export(a) => export::run(a, access),
        Command::Get(a) => get::run(a, arguments.quiet),
        Command::Model(a) => commands::model::run(a),
        Command::Pretrain(a) => pretrain::run(a, arguments.quiet),
        Command::Sample(a) => sample::run(a),
        Command::Score(a) => score::run(a),
        Command::Train(a) => train::run(a, arguments.quiet),
        Command::Eval(a) => eval::run(a, &registry, access, arguments.quiet),
        Command::Verify(a) => verify::run(a, &registry, access),
        Command::Doctor(a) => doctor::run(a),
        Command::Completions(a) => completions::run::<Arguments>(a),
        Command::Bench(a) => bench::run(a),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => console::fail(&error),
    }
}

/// Sets the number of worker threads of everything that follows.
fn threads(count: Option<NonZeroUsize>) -> anyhow::Result<()> {
    if let Some(count) = count {
        rayon::ThreadPoolBuilder::new().num_threads(count.get()).build_global()?;
    }
    Ok(())
}
