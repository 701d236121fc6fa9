//! `starloop compare`: two runs side by side.

use crate::console;
use crate::untrusted::line;
use anyhow::Result;
use starloop_core::compare::{Choice, Comparison, MethodComparison, compare};
use starloop_core::format::{duration, interval};
use starloop_core::metrics::Accuracy;
use std::path::PathBuf;

/// Put two runs side by side: settings that differ, accuracy on the same problems with a paired test, and costs.
///
/// The test is McNemar's: of the problems that only one of the two has right, are as many won as lost? With p below 0.05 chance alone would
/// seldom make such a difference on these problems; it says nothing of another seed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop compare runs/one runs/two
  starloop compare runs/arithmetic runs/arithmetic --method star_without --with star
  starloop compare runs/one runs/two --method star --json")]
pub struct Arguments {
    /// Two run directories; the same one twice, to compare two of its methods
    #[arg(value_name = "RUN")]
    first: PathBuf,
    /// The second
    #[arg(value_name = "RUN")]
    second: PathBuf,
    /// The method; every method that both have, if none is named
    #[arg(long, value_name = "NAME")]
    method: Option<String>,
    /// The method of the second run, if it has another name
    #[arg(long, value_name = "NAME")]
    with: Option<String>,
    /// Also list the problems that were won and lost
    #[arg(long)]
    problems: bool,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let choice = Choice { method: arguments.method.clone(), other: arguments.with.clone() };
    let comparison = compare(&arguments.first, &arguments.second, &choice)?;
    if arguments.json {
        return console::print_json(&comparison);
    }
    let Comparison { runs: [first, second], settings, methods } = &comparison;
    console::print(&format!("first   {}\nsecond  {}", line(first), line(second)))?;
    if !settings.is_empty() {
        let settings: Vec<_> = settings.iter().map(|setting| line(setting)).collect();
        console::print(&format!("\nSettings that differ, first -> second:\n  {}", settings.join("\n  ")))?;
    }
    methods.iter().try_for_each(|method| show(method, arguments.problems))
}

fn show(method: &MethodComparison, problems: bool) -> Result<()> {
    let MethodComparison { methods: [first, second], iterations, split, accuracy, unpaired, won, lost, .. } = method;
    let name = if first == second { line(first) } else { format!("{} and {}", line(first), line(second)) };
    console::print(&format!("\n{name}, on {} {} problems", accuracy[0].total, split.name()))?;
    if *unpaired > 0 {
        eprintln!("warning: {name}: {unpaired} answers are to problems that only one of the two was measured on; they are left out");
    }
    let share = |a: &Accuracy| interval(a.mean, [a.low, a.high]);
    row("", ["first", "second"].map(str::to_owned))?;
    row("after iteration", iterations.map(|iteration| iteration.to_string()))?;
    row("accuracy", accuracy.each_ref().map(share))?;
    row("tokens generated", method.tokens.map(|[generated, _]| generated.to_string()))?;
    row("tokens trained", method.tokens.map(|[_, trained]| trained.to_string()))?;
    row("time", method.seconds.map(|seconds| duration(seconds.unwrap_or(f64::NAN))))?;
    console::print(&verdict(method))?;
    for (what, ids) in [("won", won), ("lost", lost)] {
        if problems && !ids.is_empty() {
            let ids: Vec<_> = ids.iter().map(|id| line(&id.0)).collect();
            console::print(&format!("  {what}: {}", ids.join(" ")))?;
        }
    }
    Ok(())
}

fn row(name: &str, [first, second]: [String; 2]) -> Result<()> {
    console::print(&format!("  {name:<18}{first:>22}{second:>24}"))
}

/// What the test says, in words.
fn verdict(method: &MethodComparison) -> String {
    let MethodComparison { accuracy, won, lost, p_value, mid_p_value, .. } = method;
    if won.is_empty() && lost.is_empty() {
        return "  Both have the same problems right.".to_owned();
    }
    let difference = 100.0 * (accuracy[1].mean - accuracy[0].mean);
    let chance = if *p_value < 0.05 { "chance alone would seldom do that" } else { "chance alone could do that" };
    format!(
        "  The second is {difference:+.1} points: {} problems won, {} lost; {chance}.\n  McNemar's exact test: p {}, mid-p {}",
        won.len(),
        lost.len(),
        probability(*p_value),
        probability(*mid_p_value)
    )
}

fn probability(p: f64) -> String {
    if p < 1e-4 { "< 0.0001".to_owned() } else { format!("= {p:.4}") }
}
