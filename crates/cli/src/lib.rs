//! `starloop`: teach a language model to reason from its own right answers.
//!
//! The program as a library: [`run()`] is the whole command line. The binary calls it, and so does the command of the Python package.
#![warn(clippy::print_stderr)]

pub mod access;
mod commands;
mod console;
pub mod model;
mod output;
mod overrides;
mod pager;
mod progress;
mod untrusted;
pub mod usage;

pub use console::report_uncontained_panics;

use access::Access;
use bytesize::ByteSize;
use clap::{Parser, Subcommand};
use commands::{
    audit, bench, chat, clean, compare, completions, demo, doctor, eval, export, get, init, inspect, man, plan, pretrain, prompt, report,
    reproduce, run, runs, sample, schema, score, serve, sweep, train, verify, watch,
};
use progress::{Log, LogFormat};
use starloop_core::registry::Registry;
use std::ffi::OsString;
use std::num::NonZeroUsize;

/// The heading of the options that all commands have. They stand after those of the command.
const EVERY_COMMAND: &str = "Options of every command";

/// Teach a language model to reason from its own right answers (STaR, Zelikman et al. 2022).
///
/// Results go to standard output, progress and messages to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage (also a config that is
/// wrong or missing), 130 interrupted.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, after_help = EXAMPLES)]
struct Arguments {
    /// Number of worker threads [default: all cores]. Results do not depend on it
    #[arg(long, global = true, value_name = "N", help_heading = EVERY_COMMAND)]
    threads: Option<NonZeroUsize>,
    /// Memory that this process may use, such as 8GiB. Work is divided into parts that fit; work that cannot fit is refused
    #[arg(long, global = true, value_name = "SIZE", value_parser = memory, help_heading = EVERY_COMMAND)]
    memory: Option<ByteSize>,
    /// Show only warnings and errors on standard error
    #[arg(long, short, global = true, help_heading = EVERY_COMMAND)]
    quiet: bool,
    #[command(flatten)]
    access: Access,
    /// The form of progress on standard error: bars on a terminal and lines elsewhere, or one JSON object on a line
    #[arg(long, global = true, value_enum, default_value_t, help_heading = EVERY_COMMAND)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Option<Command>,
}

/// The output of the program without a command.
const WELCOME: &str = "\
starloop teaches a language model to reason from its own right answers (STaR, Zelikman et al. 2022).
The model writes rationales for problems with known answers, learns those that reach the answer, and repeats.
You need a base model and problems. A small base model for arithmetic is part of the program.

Try:
  starloop demo                   half a minute: a table, a plot, and two rationales
  starloop run arithmetic         the paper's arithmetic experiment at small scale, some minutes
  starloop init problems.jsonl    a config for your own problems

starloop --help lists all commands. The documentation is README.md and docs/ of the source repository.";

const EXAMPLES: &str = "\
Examples:
  starloop demo                                half a minute: a table, a plot, and two rationales
  starloop run arithmetic                      the paper's arithmetic experiment, from the shipped base to table and plot
  starloop run arithmetic --dry-run            the resolved config, and an estimate of tokens and time
  starloop init problems.jsonl                 a config for your own problems
  starloop watch runs/arithmetic               the run in progress, from another terminal
  starloop report runs/arithmetic              its table and plot again, from its files
  starloop sample --model DIR --prompt TEXT    a completion of any supported checkpoint";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a small experiment in half a minute, and show what it found
    Demo(demo::Arguments),
    /// Run an experiment: sample, verify, rationalize, fine-tune, evaluate, repeat
    Run(run::Arguments),
    /// Run an experiment at several settings, and compare them
    Sweep(sweep::Arguments),
    /// Estimate the cost of a run before it starts
    Plan(plan::Arguments),
    /// Run an experiment of the paper and print its table beside the paper's
    Reproduce(reproduce::Arguments),
    /// Write a config for your own problems
    Init(init::Arguments),
    /// Show the prompts of a config as the model reads them
    Prompt(prompt::Arguments),
    /// List the runs in a directory, with state, size and best result
    Runs(runs::Arguments),
    /// Remove what a finished run does not need
    Clean(clean::Arguments),
    /// Show the table and the plot of finished or running experiments
    Report(report::Arguments),
    /// Watch a run in progress
    Watch(watch::Arguments),
    /// Read problems, answers, verdicts and outcomes of a run
    Inspect(inspect::Arguments),
    /// Measure what the rationales of a run are worth
    Audit(audit::Arguments),
    /// Compare two runs, with a paired test
    Compare(compare::Arguments),
    /// Export results: checkpoint with model card, figures, plots, training set
    Export(export::Arguments),
    /// Download a model or a data set
    Get(get::Arguments),
    /// Show a checkpoint's shape and memory needs, or convert it
    Model(commands::model::Arguments),
    /// Train a base model from scratch by a recipe
    Pretrain(pretrain::Arguments),
    /// Complete a prompt
    Sample(sample::Arguments),
    /// Talk to a model
    Chat(chat::Arguments),
    /// Print the log-probability of each token of a text
    Score(score::Arguments),
    /// Serve models over OpenAI's interface
    Serve(serve::Arguments),
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
    /// Write manual pages
    Man(man::Arguments),
    /// Print the JSON schema of configs, for editors
    Schema(schema::Arguments),
    /// Measure training and sampling speed on a random model
    #[command(hide = true)]
    Bench(bench::Arguments),
}

/// Runs the command line `arguments`, of which the first is the name of the program. Returns the exit code: 0 done, 1 failed, 2 wrong usage.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    match Arguments::try_parse_from(arguments) {
        Ok(arguments) => carry_out(&arguments),
        Err(error) => {
            if error.use_stderr() {
                // The message repeats arguments, which a shell can have made from the names of files.
                console::say(error.render().to_string().trim_end());
            } else {
                // A reader that closed the pipe early is no failure.
                let _ = error.print();
            }
            u8::try_from(error.exit_code()).unwrap_or(1)
        }
    }
}

fn carry_out(arguments: &Arguments) -> u8 {
    console::start(arguments.quiet);
    let Some(command) = &arguments.command else {
        return console::print(WELCOME).map_or_else(|error| console::fail(&error), |()| 0);
    };
    if !matches!(command, Command::Inspect(_) | Command::Watch(_) | Command::Serve(_) | Command::Chat(_)) {
        console::explain_interruption();
    }
    if let Some(memory) = arguments.memory {
        starloop_lm::memory::set_budget(memory.as_u64() as usize);
    }
    let (registry, access) = (Registry::default(), arguments.access);
    let log = Log { quiet: arguments.quiet, format: arguments.log_format };
    let outcome = threads(arguments.threads).and_then(|()| match command {
        Command::Demo(a) => demo::run(a, &registry, access, log),
        Command::Run(a) => run::run(a, &registry, access, log),
        Command::Sweep(a) => sweep::run(a, &registry, access, log),
        Command::Plan(a) => plan::run(a, &registry, access),
        Command::Reproduce(a) => reproduce::run(a, &registry, access, log),
        Command::Init(a) => init::run(a),
        Command::Prompt(a) => prompt::run(a, &registry, access),
        Command::Runs(a) => runs::run(a, access),
        Command::Clean(a) => clean::run(a, access),
        Command::Report(a) => report::run(a, access),
        Command::Watch(a) => watch::run(a, access),
        Command::Inspect(a) => inspect::run(a, access),
        Command::Audit(a) => audit::run(a, &registry, access, log),
        Command::Compare(a) => compare::run(a, access),
        Command::Export(a) => export::run(a, access),
        Command::Get(a) => get::run(a, arguments.quiet),
        Command::Model(a) => commands::model::run(a, access),
        Command::Pretrain(a) => pretrain::run(a, log),
        Command::Sample(a) => sample::run(a, access),
        Command::Chat(a) => chat::run(a, &registry, access),
        Command::Score(a) => score::run(a, access),
        Command::Serve(a) => serve::run(a, access),
        Command::Train(a) => train::run(a, access, log),
        Command::Eval(a) => eval::run(a, &registry, access, log),
        Command::Verify(a) => verify::run(a, &registry, access),
        Command::Doctor(a) => doctor::run(a, access),
        Command::Completions(a) => completions::run::<Arguments>(a),
        Command::Man(a) => man::run::<Arguments>(a),
        Command::Schema(a) => schema::run(a),
        Command::Bench(a) => bench::run(a, access),
    });
    match outcome {
        Ok(()) => 0,
        Err(error) => console::fail(&error),
    }
}

/// Reads a size in bytes. A number without a unit is refused: nobody means so few bytes.
fn memory(text: &str) -> Result<ByteSize, String> {
    if let Ok(number) = text.trim().parse::<f64>() {
        return Err(format!("{number} what? write {number}MB, {number}GB or {number}GiB"));
    }
    text.parse().map_err(|_| "expected a size such as 500MB or 8GiB".to_owned())
}

/// Sets the number of worker threads of the process.
fn threads(count: Option<NonZeroUsize>) -> anyhow::Result<()> {
    if let Some(count) = count {
        rayon::ThreadPoolBuilder::new().num_threads(count.get()).build_global()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// Every command that runs, by its whole name, with its long help.
    fn helps(mut command: clap::Command, name: &str, all: &mut Vec<(String, String)>) {
        if command.get_subcommands().next().is_none() {
            all.push((name.to_owned(), command.render_long_help().to_string()));
        }
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            helps(inner.clone(), &format!("{name} {}", inner.get_name()), all);
        }
    }

    #[test]
    fn every_command_has_examples_in_its_help() {
        let mut all = Vec::new();
        helps(Arguments::command(), "starloop", &mut all);
        assert!(all.len() > 20, "{} commands", all.len());
        for (name, help) in all {
            let examples = help.split("Examples:").nth(1).unwrap_or_default();
            assert!(examples.contains(&name) || name == "starloop bench", "{name} has no example of itself: {help}");
        }
    }

    #[test]
    fn arguments_are_declared_without_contradiction() {
        Arguments::command().debug_assert();
    }
}
