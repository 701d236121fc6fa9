//! `starloop report`: table and plots of runs, from their files alone.

use crate::console;
use anyhow::Result;
use starloop_core::report::Report;
use std::path::{Path, PathBuf};

/// Show the table and the plot of finished or running experiments, from their directories alone.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop report runs/arithmetic
  starloop report runs/one runs/two --json
  starloop report runs/arithmetic --iterations --svg figure.svg")]
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
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let report = Report::read(&arguments.runs)?;
    if let Some(path) = &arguments.svg {
        write_plot(&report, path)?;
    }
    if arguments.json {
        warn(&report);
        return console::print(&report.json());
    }
    show(&report, arguments.iterations)
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
    match report.svg()? {
        Some(svg) => {
            fs_err::write(path, svg)?;
            eprintln!("plot: {}", path.display());
        }
        None => eprintln!("no plot: no method has been measured twice"),
    }
    Ok(())
}

fn warn(report: &Report) {
    for warning in &report.warnings {
        eprintln!("warning: {warning}");
    }
}
