//! `starloop clean`: removes what a finished run does not need.

use crate::access::{Access, RunPart};
use crate::console;
use crate::usage::UsageError;
use anyhow::Result;
use serde::Serialize;
use starloop_record::RunDir;
use starloop_record::format::bytes;
use starloop_record::info::RunStatus;
use starloop_report::listing::size;
use starloop_report::report::RunReport;
use starloop_report::{Report, export};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Remove what a finished run does not need: checkpoints that are not the best of their method, and leftovers of interrupted work.
///
/// Tables, pages, rationales and the best checkpoints stay. So `report`, `inspect`, `compare`, `export` and `sample` work as before.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop clean runs/arithmetic --dry-run     what would be removed, and what stays
  starloop clean runs/arithmetic
  starloop clean runs/methods/seed-*           several runs")]
pub struct Arguments {
    /// Run directories
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the paths as JSON
    #[arg(long)]
    json: bool,
}

/// The cleaning of a run.
#[derive(Debug, Serialize)]
struct Cleaned {
    /// Its directory.
    run: PathBuf,
    /// True if the files are still there.
    dry_run: bool,
    /// The removed paths, relative to the run.
    removed: Vec<Removed>,
    /// The checkpoints that stay, relative to the run.
    kept: Vec<PathBuf>,
    /// Bytes of the removed files.
    bytes: u64,
    /// Bytes that stay.
    bytes_kept: u64,
}

#[derive(Debug, Serialize)]
struct Removed {
    path: PathBuf,
    bytes: u64,
}

pub fn run(arguments: &Arguments, access: Access) -> Result<()> {
    arguments.runs.iter().try_for_each(|run| access.check_run(run, RunPart::Checkpoints))?;
    let cleaned: Vec<Cleaned> = arguments.runs.iter().map(|run| clean(run, arguments.dry_run)).collect::<Result<_>>()?;
    if arguments.json {
        return console::print_json(&serde_json::json!({ "runs": cleaned }));
    }
    cleaned.iter().try_for_each(show)
}

fn clean(root: &Path, dry_run: bool) -> Result<Cleaned> {
    let run = RunDir::open_to_clean(root)?;
    if run.info()?.status != RunStatus::Finished {
        return Err(UsageError::request(format!(
            "{}: the run is not finished, and its checkpoints are needed to finish it; resume it, or delete the directory",
            root.display()
        )));
    }
    let kept = kept(&Report::read(&[root.to_owned()])?.runs[0], &run);
    let surplus = run.surplus(|checkpoint| kept.contains(checkpoint))?;
    let removed: Vec<Removed> = surplus.into_iter().map(|path| Removed { bytes: size(&root.join(&path)), path }).collect();
    let bytes = removed.iter().map(|removed| removed.bytes).sum();
    let bytes_kept = size(root).saturating_sub(bytes);
    if !dry_run {
        removed.iter().try_for_each(|removed| run.remove(&removed.path))?;
    }
    let relative = |path: PathBuf| path.strip_prefix(root).map_or_else(|_| path.clone(), Path::to_owned);
    Ok(Cleaned { run: root.to_owned(), dry_run, removed, kept: kept.into_iter().map(relative).collect(), bytes, bytes_kept })
}

/// The best checkpoint of each method. Adapters need the base as well, which is not a checkpoint of an iteration.
fn kept(report: &RunReport, run: &RunDir) -> BTreeSet<PathBuf> {
    let mut kept = BTreeSet::new();
    for method in &report.methods {
        let name = &method.info.name;
        let of_final = method.final_metrics.as_ref().map(|metrics| metrics.iteration);
        let best = export::chosen_iteration(report, method, None).ok().map(|metrics| metrics.iteration);
        kept.extend([of_final, best].into_iter().flatten().map(|iteration| run.iteration(name, iteration).checkpoint()));
    }
    kept.retain(|checkpoint| checkpoint.is_dir());
    kept
}

fn show(cleaned: &Cleaned) -> Result<()> {
    let Cleaned { run, dry_run, removed, kept, bytes: freed, bytes_kept } = cleaned;
    let would = if *dry_run { "would remove" } else { "removed" };
    for Removed { path, bytes: freed } in removed {
        console::print(&format!("{would} {} ({})", run.join(path).display(), bytes(*freed)))?;
    }
    for checkpoint in kept {
        console::print(&format!("kept {}", run.join(checkpoint).display()))?;
    }
    let what = "kept all answers, rationales, outcomes, figures and training sets";
    console::print(&format!("{}: {would} {}; {what} ({} stay)", run.display(), bytes(*freed), bytes(*bytes_kept)))
}
