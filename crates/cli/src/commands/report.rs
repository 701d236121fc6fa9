//! `starloop report`: tables, plots and pages of runs.

use super::audit;
use crate::access::{Access, RunPart};
use crate::console;
use anyhow::Result;
use starloop_record::format::bytes;
use starloop_report::Report;
use starloop_report::report::MOST_ATTEMPTS;
use std::path::{Path, PathBuf};

/// Show the table and the plot of finished or running experiments, from their directories.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop report runs/arithmetic
  starloop report runs/one runs/two --json
  starloop report runs/arithmetic --iterations --svg figure.svg
  starloop report runs/methods --cost cost.svg                 all seeds in the directory: accuracy against cost
  starloop report runs/arithmetic --html report.html
  starloop report runs/arithmetic --html report.html --html-attempts 5000

With `[record] token_logprobs = true` in the run's config, the page shades rationales token by token.")]
pub struct Arguments {
    /// Run directories, or directories that hold them, such as all seeds of an experiment
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Also show every iteration of every method
    #[arg(long)]
    iterations: bool,
    /// Write the plot of accuracy over iterations to this file. Of this option, --cost and --html, - is standard output instead of the table
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Treat the runs as seeds of one experiment: show the mean accuracy and cost of every method, and write the plot of accuracy against cost
    /// to this file
    #[arg(long, value_name = "FILE", conflicts_with = "iterations")]
    cost: Option<PathBuf>,
    /// Write one self-contained page to this file: tables, plots, warnings and all rationales to browse. It needs no network
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// The most attempts and answers on the page. If the runs have more, the page holds those of a part of the problems, always the same part
    #[arg(long, value_name = "N", default_value_t = MOST_ATTEMPTS, requires = "html")]
    html_attempts: u64,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// Returns true if a file goes to standard output, so that no table does.
    fn stdout_is_taken(&self) -> bool {
        [&self.svg, &self.cost, &self.html].into_iter().flatten().any(|path| console::is_stdout(path))
    }
}

pub fn run(arguments: &Arguments, access: Access) -> Result<()> {
    let runs: Vec<_> = arguments.runs.iter().flat_map(|path| run_directories(path)).collect();
    runs.iter().try_for_each(|run| access.check_run(run, RunPart::Files))?;
    let report = Report::read(&runs)?;
    if let Some(path) = &arguments.svg {
        write_plot(&report, path)?;
    }
    if let Some(path) = &arguments.html {
        write_page(&report, arguments.html_attempts, path)?;
    }
    if let Some(path) = &arguments.cost {
        warn(&report);
        write_cost_plot(&report, path)?;
        if arguments.stdout_is_taken() {
            return Ok(());
        }
        return if arguments.json { console::print_json(&report.costs()) } else { console::print(&report.cost_table()) };
    }
    if arguments.stdout_is_taken() {
        return Ok(());
    }
    if arguments.json {
        warn(&report);
        return console::print_json_text(&report.json());
    }
    show(&report, arguments.iterations)?;
    audit::show_audited(&report)?;
    for finding in &report.findings {
        console::say(&format!("warning: {}, {}: {}", finding.run, finding.method, finding.message));
    }
    Ok(())
}

/// The directory itself, or the run directories in it if it is none. Seeds are in the order of their numbers.
fn run_directories(path: &Path) -> Vec<PathBuf> {
    let is_run = |path: &Path| path.join("run.json").is_file();
    let inside = || std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| is_run(path));
    let mut found: Vec<PathBuf> = if is_run(path) { Vec::new() } else { inside().collect() };
    found.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    if found.is_empty() { vec![path.to_owned()] } else { found }
}

/// Writes the page completely or not at all. Prints its path and its warnings.
fn write_page(report: &Report, most_attempts: u64, path: &Path) -> Result<()> {
    let page = report.html(most_attempts)?;
    for warning in &page.warnings {
        console::say(&format!("warning: {warning}"));
    }
    console::write_file(path, page.html.as_bytes())?;
    if !console::is_stdout(path) {
        console::remark(&format!("page: {} ({}, {} attempts and answers)", path.display(), bytes(page.html.len() as u64), page.shown));
    }
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
    console::print(report.summary_tables(console::width()).trim_end())
}

/// Writes the plot as SVG and prints its path, or prints why there is none.
pub fn write_plot(report: &Report, path: &Path) -> Result<()> {
    write_svg(report.svg(), path, "no method was measured twice")
}

/// Writes the plot of accuracy against cost as SVG and prints its path, or prints why there is none.
pub fn write_cost_plot(report: &Report, path: &Path) -> Result<()> {
    write_svg(report.cost_svg(), path, "no method has learned anything")
}

fn write_svg(svg: Option<String>, path: &Path, why_not: &str) -> Result<()> {
    match svg {
        Some(svg) => {
            console::write_file(path, svg.as_bytes())?;
            if !console::is_stdout(path) {
                console::remark(&format!("plot: {}", path.display()));
            }
        }
        None => console::say(&format!("warning: no plot: {why_not}")),
    }
    Ok(())
}

fn warn(report: &Report) {
    for warning in &report.warnings {
        console::say(&format!("warning: {warning}"));
    }
}
