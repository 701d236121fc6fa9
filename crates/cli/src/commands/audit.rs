//! `starloop audit`: what the rationales of a run are worth.

use crate::access::{Access, RunPart};
use crate::console;
use crate::progress::{Console, Log};
use crate::untrusted::line;
use anyhow::Result;
use serde::Serialize;
use starloop_core::config::Config;
use starloop_core::experiment::Experiment;
use starloop_core::metrics::audits::{AuditPlan, Audits};
use starloop_core::registry::Registry;
use starloop_record::RunDir;
use starloop_record::format::{interval, plural};
use starloop_record::metrics::Accuracy;
use starloop_report::Report;
use starloop_report::paired::{GainLedger, Moves, gain_ledger, probability};
use starloop_report::report::audits::{iteration_of, lines};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Measure what the rationales of a run are worth: true steps, hint reliance, wrong hints, early answers, propagated mistakes, gains and losses,
/// and pass@k of the base and of the trained model.
///
/// The model of the last measured iteration samples and scores; nothing is trained. Each result is a file in `METHOD/audit/` of the run, and
/// `audit.json` has all results of the latest command. An
/// audit that is there with the same options is not measured again. `docs/audit.md` describes each audit and its limits.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop audit runs/word-problems
  starloop audit runs/word-problems --method star_true --problems 200 --samples 16
  starloop audit runs/word-problems --from 0 --to 2 --json")]
pub struct Arguments {
    /// The run directory
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Audit only these methods [default: all that learn from their own samples]
    #[arg(long = "method", value_name = "NAME")]
    methods: Vec<String>,
    /// Problems or rationales that each audit looks at, at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    problems: u64,
    /// Samples of each problem, for pass@k
    #[arg(long, value_name = "K", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1024))]
    samples: u32,
    /// The temperature of these samples
    #[arg(long, value_name = "T", default_value_t = 0.7, value_parser = super::eval::above_zero)]
    temperature: f64,
    /// The seed that selects problems and draws samples
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The first iteration of the gain ledger; 0 is the base
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u32,
    /// The second iteration of the gain ledger [default: the last measured one]
    #[arg(long, value_name = "N")]
    to: Option<u32>,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

/// The results of one method.
#[derive(Serialize)]
struct MethodAudits {
    method: String,
    audits: Audits,
    gain_ledger: Option<GainLedger>,
    /// Audits that were not possible, with the reason.
    left_out: BTreeMap<&'static str, String>,
}

pub fn run(arguments: &Arguments, registry: &Registry, access: Access, log: Log) -> Result<()> {
    access.check_run(&arguments.run, RunPart::Checkpoints)?;
    let run = RunDir::open_read_only(&arguments.run)?;
    let config = Config::parse(&arguments.run.join("config.toml").display().to_string(), &run.config()?.to_string(), &[])?;
    let experiment = Experiment::new(config, registry)?;
    access.check_config(&arguments.run, |root| experiment.outside(root))?;
    access.check_programs(&experiment)?;
    let Arguments { problems, samples, temperature, seed, .. } = *arguments;
    let plan = AuditPlan { problems, samples, temperature, seed };
    let mut audited = Vec::new();
    for method in methods(arguments, &experiment) {
        let found = experiment.audit(&run, &method, plan, &mut Console::new(log))?;
        let last = run.metrics(&method)?.iter().rfind(|metrics| metrics.accuracy.total > 0).map_or(0, |metrics| metrics.iteration);
        let gain_ledger = gain_ledger(&run, &method, [arguments.from, arguments.to.unwrap_or(last)])?;
        let left_out = found.left_out.into_iter().map(|(file, reason)| (file.name(), reason)).collect();
        audited.push(MethodAudits { method, audits: found.audits, gain_ledger, left_out });
    }
    run.write_audit(&audited)?;
    if arguments.json {
        return console::print_json(&audited);
    }
    audited.iter().try_for_each(show)
}

/// The methods that were named, or else all that learn from their own samples.
fn methods(arguments: &Arguments, experiment: &Experiment) -> Vec<String> {
    if !arguments.methods.is_empty() {
        return arguments.methods.clone();
    }
    experiment.methods_to_run().filter(|resolved| resolved.method.approach().bootstraps()).map(|resolved| resolved.name.clone()).collect()
}

fn show(audited: &MethodAudits) -> Result<()> {
    let iteration = iteration_of(&audited.audits).map_or(String::new(), |iteration| format!(", the model of iteration {iteration}"));
    console::print(&format!("\n{}{iteration}", line(&audited.method)))?;
    show_lines(&lines(&audited.audits))?;
    if let Some(ledger) = &audited.gain_ledger {
        show_ledger(ledger)?;
    }
    for (name, reason) in &audited.left_out {
        console::say(&format!("{}, {name}: left out, because {}", line(&audited.method), line(reason)));
    }
    Ok(())
}

/// The audits that the runs of a report have.
pub fn show_audited(report: &Report) -> Result<()> {
    for audited in report.audited() {
        let iteration = iteration_of(audited.audits).map_or(String::new(), |iteration| format!(", the model of iteration {iteration}"));
        console::print(&format!("\naudit of {}, {}{iteration}", line(audited.run), line(audited.method)))?;
        show_lines(&lines(audited.audits))?;
    }
    Ok(())
}

fn show_lines(lines: &[(String, String)]) -> Result<()> {
    lines.iter().try_for_each(|(name, value)| console::print(&format!("  {name:<38}  {value}")))
}

fn show_ledger(ledger: &GainLedger) -> Result<()> {
    let GainLedger { iterations: [first, second], accuracy, gained, lost, p_value, .. } = ledger;
    let share = |accuracy: &Accuracy| interval(accuracy.mean, [accuracy.low, accuracy.high]);
    let ends = format!("{} and {}", share(&accuracy[0]), share(&accuracy[1]));
    let moves = |moves: &Moves| format!("{} ({} by form, {} by content)", plural(moves.all(), "problem"), moves.form, moves.content);
    show_lines(&[
        (format!("right in iterations {first} and {second}"), ends),
        ("gained".to_owned(), moves(gained)),
        ("lost".to_owned(), moves(lost)),
        ("McNemar's exact test".to_owned(), format!("p {}", probability(*p_value))),
    ])?;
    for class in &ledger.by_class {
        let counts = format!("{} gained, {} lost, of {}", class.gained.all(), class.lost.all(), class.problems);
        show_lines(&[(format!("  {}", line(&class.class)), counts)])?;
    }
    Ok(())
}
