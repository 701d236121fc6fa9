//! `starloop report`: table and plots of runs, from their files alone.

use crate::console;
use anyhow::Result;
use indicatif::ProgressBar;
use starloop_core::format::bytes;
use starloop_core::report::{HtmlContents, MOST_ATTEMPTS, Report};
use starloop_core::run_dir::write_whole;
use std::path::{Path, PathBuf};

/// Show the table and the plot of finished or running experiments, from their directories alone.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop report runs/arithmetic
  starloop report runs/one runs/two --json
  starloop report runs/arithmetic --iterations --svg figure.svg
  starloop report runs/methods/seed-* --cost cost.svg          runs that differ in their seed alone: accuracy against cost
  starloop report runs/arithmetic --html report.html
  starloop report runs/arithmetic --html report.html --token-logprobs --html-attempts 5000")]
pub struct Arguments {
    /// Run directories
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Also show every iteration of every method
    #[arg(long)]
    iterations: bool,
    /// Write the plot of accuracy over iterations to this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Take the runs for seeds of one experiment: show what every method cost and came to over all of them, and write the plot of accuracy
    /// against cost to this file
    #[arg(long, value_name = "FILE", conflicts_with = "iterations")]
    cost: Option<PathBuf>,
    /// Write one self-contained page to this file: tables, plots, warnings and all rationales to browse, readable in any browser without a
    /// network
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Attempts and answers that the page holds; of more, it holds those of a part of the problems, always the same one
    #[arg(long, value_name = "N", default_value_t = MOST_ATTEMPTS, requires = "html")]
    html_attempts: u64,
    /// Shade each token of the page's rationales by its log-probability: the checkpoints that wrote them are loaded and asked, which takes
    /// about as long as measuring them did
    #[arg(long, requires = "html")]
    token_logprobs: bool,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, quiet: bool) -> Result<()> {
    let report = Report::read(&arguments.runs)?;
    if let Some(path) = &arguments.svg {
        write_plot(&report, path)?;
    }
    if let Some(path) = &arguments.html {
        let contents = HtmlContents { most_attempts: arguments.html_attempts, token_logprobs: arguments.token_logprobs };
        write_page(&report, &contents, path, quiet)?;
    }
    if let Some(path) = &arguments.cost {
        warn(&report);
        write_cost_plot(&report, path)?;
        return if arguments.json { console::print_json(&report.costs()) } else { console::print(&report.cost_table()) };
    }
    if arguments.json {
        warn(&report);
        return console::print(&report.json());
    }
    show(&report, arguments.iterations)?;
    for finding in &report.findings {
        eprintln!("warning: {}, {}: {}", finding.run, finding.method, finding.message);
    }
    Ok(())
}

/// Writes the page whole or not at all, and says so, and what it lacks.
fn write_page(report: &Report, contents: &HtmlContents, path: &Path, quiet: bool) -> Result<()> {
    let bar = if quiet || !contents.token_logprobs { ProgressBar::hidden() } else { ProgressBar::new(0) };
    let page = report.html(contents, &mut |read, total| {
        bar.set_length(total);
        bar.set_position(read);
    })?;
    bar.finish_and_clear();
    for warning in &page.warnings {
        eprintln!("warning: {warning}");
    }
    write_whole(path, page.html.as_bytes())?;
    eprintln!("page: {} ({}, {} attempts and answers)", path.display(), bytes(page.html.len() as u64), page.shown);
    Ok(())
}

/// Prints tables and chart.
pub fn show(report: &Report, iterations: bool) -> Result<()> {
    warn(report);
    if iterations {
        console::print(&report.iteration_tables())?;
    }
    let chart = report.chart(console::width());
    if !chart.is_empty() {
        console::print(&chart)?;
    }
    console::print(report.summary_tables().trim_end())
}

/// Writes the plot as SVG, and says so; says why not where there is nothing to plot.
pub fn write_plot(report: &Report, path: &Path) -> Result<()> {
    write_svg(report.svg()?, path, "no method has been measured twice")
}

/// Writes the plot of accuracy against cost as SVG, and says so; says why not where there is nothing to plot.
pub fn write_cost_plot(report: &Report, path: &Path) -> Result<()> {
    write_svg(report.cost_svg()?, path, "no method has learned anything")
}

fn write_svg(svg: Option<String>, path: &Path, why_not: &str) -> Result<()> {
    match svg {
        Some(svg) => {
            fs_err::write(path, svg)?;
            eprintln!("plot: {}", path.display());
        }
        None => eprintln!("no plot: {why_not}"),
    }
    Ok(())
}

fn warn(report: &Report) {
    for warning in &report.warnings {
        eprintln!("warning: {warning}");
    }
}
