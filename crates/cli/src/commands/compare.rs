//! `starloop compare`: two runs, with a paired test.

use crate::access::{Access, RunPart};
use crate::console;
use crate::untrusted::line;
use anyhow::Result;
use starloop_record::format::{count, duration, percent};
use starloop_record::metrics::Accuracy;
use starloop_report::compare::{ComparedMethods, MethodComparison, RunComparison, compare};
use starloop_report::paired::probability;
use std::path::PathBuf;

/// Compare two runs: settings that differ, accuracy on the same problems with a paired test, and costs.
///
/// McNemar's test uses the problems that only one of the two has right. If p is below 0.05, chance alone is an unlikely cause of the
/// difference on these problems. The test says nothing about other seeds.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop compare runs/one runs/two
  starloop compare runs/arithmetic runs/arithmetic --method star_without --with star
  starloop compare runs/one runs/two --method star --json")]
pub struct Arguments {
    /// The first run directory. To compare two methods of one run, give the directory twice
    #[arg(value_name = "RUN")]
    first: PathBuf,
    /// The second run directory
    #[arg(value_name = "RUN")]
    second: PathBuf,
    /// The method [default: every method that both runs have]
    #[arg(long, value_name = "NAME")]
    method: Option<String>,
    /// The method of the second run, if it has another name
    #[arg(long, value_name = "NAME")]
    with: Option<String>,
    /// Also list the problems that were gained and lost
    #[arg(long)]
    problems: bool,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, access: Access) -> Result<()> {
    [&arguments.first, &arguments.second].iter().try_for_each(|run| access.check_run(run, RunPart::Files))?;
    let methods = ComparedMethods { first: arguments.method.clone(), second: arguments.with.clone() };
    let comparison = compare(&arguments.first, &arguments.second, &methods)?;
    if arguments.json {
        return console::print_json(&comparison);
    }
    let RunComparison { runs: [first, second], settings, methods } = &comparison;
    console::print(&format!("first   {}\nsecond  {}", line(first), line(second)))?;
    if !settings.is_empty() {
        let settings: Vec<_> = settings.iter().map(|setting| line(setting)).collect();
        console::print(&format!("\nSettings that differ, first -> second:\n  {}", settings.join("\n  ")))?;
    }
    methods.iter().try_for_each(|method| show(method, arguments.problems))
}

fn show(method: &MethodComparison, problems: bool) -> Result<()> {
    let MethodComparison { methods: [first, second], iterations, split, accuracy, unpaired, gained, lost, .. } = method;
    let name = if first == second { line(first) } else { format!("{} and {}", line(first), line(second)) };
    console::print(&format!("\n{name}, on {} {} problems", accuracy[0].total, split.name()))?;
    if *unpaired > 0 {
        console::say(&format!(
            "warning: {name}: {unpaired} answers are left out, because only one of the two was measured on their problems"
        ));
    }
    let share = |a: &Accuracy| format!("{}% ({} to {})", percent(a.mean), percent(a.low), percent(a.high));
    row("", ["first", "second"].map(str::to_owned))?;
    row("after iteration", iterations.map(|iteration| iteration.to_string()))?;
    row("accuracy", accuracy.each_ref().map(share))?;
    row("tokens generated", method.tokens.map(|[generated, _]| count(generated as f64)))?;
    row("tokens trained", method.tokens.map(|[_, trained]| count(trained as f64)))?;
    row("time", method.seconds.map(|seconds| seconds.map_or("?".to_owned(), duration)))?;
    console::print(&verdict(method))?;
    for (what, ids) in [("gained", gained), ("lost", lost)] {
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

/// The result of the test in words.
fn verdict(method: &MethodComparison) -> String {
    let MethodComparison { accuracy, gained, lost, p_value, mid_p_value, .. } = method;
    if gained.is_empty() && lost.is_empty() {
        return "  Both have the same problems right.".to_owned();
    }
    let difference = 100.0 * (accuracy[1].mean - accuracy[0].mean);
    let chance = if *p_value < 0.05 { "chance alone is an unlikely cause" } else { "chance alone can be the cause" };
    format!(
        "  The second is {difference:+.1} points: {} problems gained, {} lost; {chance}.\n  McNemar's exact test: p {}, mid-p {}",
        gained.len(),
        lost.len(),
        probability(*p_value),
        probability(*mid_p_value)
    )
}
