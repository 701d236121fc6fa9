//! A checkpoint of a run with a model card, ready to be shared.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::metrics::IterationMetrics;
use crate::report::{MethodReport, RunReport};
use crate::run_dir::{RunDir, create_directory};
use fs_err as fs;
use minijinja::{Environment, context};
use starloop_lm::checkpoint::Checkpoint;
use starloop_lm::lora;
use std::path::{Path, PathBuf};

const CARD: &str = include_str!("checkpoint/card.md.j2");

/// How fine-tuned weights are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// As the run has them.
    #[default]
    AsTrained,
    /// Adapters merged into their base.
    Merged,
    /// The adapters alone.
    Adapter,
}

/// Writes the checkpoint of an iteration of a method to `out`, with a model card; of the best iteration that is still there if none is named.
/// Returns the iteration.
///
/// # Errors
/// `out` exists, there is no such checkpoint, it is not in the form that is wanted, or it cannot be written.
pub fn checkpoint(run: &RunReport, method: &MethodReport, iteration: Option<u32>, form: Form, out: &Path) -> Result<u32> {
    let refused = |message: String| Error::Unexportable { path: run.path.clone(), message };
    if out.exists() {
        return Err(refused(format!("{} exists already; name another place with --checkpoint", out.display())));
    }
    let directory = RunDir::open_read_only(&run.path)?;
    let place = |number: u32| directory.iteration(&method.name, number).checkpoint();
    let metrics = match iteration {
        Some(number) => method.iterations.iter().map(|i| &i.metrics).find(|metrics| metrics.iteration == number),
        None => best(method, |number| place(number).is_dir()),
    };
    let there = || method.iterations.iter().map(|i| i.metrics.iteration).filter(|&number| place(number).is_dir());
    let metrics = metrics.filter(|metrics| place(metrics.iteration).is_dir()).ok_or_else(|| {
        let numbers: Vec<String> = there().map(|number| number.to_string()).collect();
        let there = if numbers.is_empty() { "there is none".to_owned() } else { format!("there are those of {}", numbers.join(", ")) };
        refused(format!("{} has no checkpoint of that iteration; {there} (evaluation.keep_checkpoints drops others)", method.name))
    })?;
    let source = place(metrics.iteration);
    let is_adapter = lora::is_adapter(&source);
    if form == Form::Adapter && !is_adapter {
        return Err(refused(format!("{} was fine-tuned whole, so there is no adapter; leave --adapter out", method.name)));
    }
    let card = card(&directory.config()?, run, method, metrics, form, is_adapter)?;
    create_directory(out, |place| {
        if form == Form::Merged && is_adapter {
            let merged = Checkpoint::load_merged(&source).and_then(|checkpoint| checkpoint.save(place));
            merged.map_err(|error| refused(error.to_string()))?;
        } else {
            copy(&source, place)?;
        }
        Ok::<_, Error>(fs::write(place.join("README.md"), &card)?)
    })?;
    Ok(metrics.iteration)
}

/// The iteration with the highest accuracy whose checkpoint is there; of equals the first. Where none was measured, the last.
fn best(method: &MethodReport, there: impl Fn(u32) -> bool) -> Option<&IterationMetrics> {
    let candidates = || method.iterations.iter().map(|iteration| &iteration.metrics).filter(|metrics| there(metrics.iteration));
    let measured = candidates().filter(|metrics| metrics.accuracy.total > 0);
    measured.reduce(|best, next| if next.accuracy.mean > best.accuracy.mean { next } else { best }).or(candidates().last())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let mut files: Vec<PathBuf> = fs::read_dir(from)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    for file in files.iter().filter(|file| file.is_file()) {
        fs::copy(file, to.join(file.file_name().unwrap_or_default()))?;
    }
    Ok(())
}

/// The model card, with the front matter that the hub reads.
fn card(
    config: &Config,
    run: &RunReport,
    method: &MethodReport,
    metrics: &IterationMetrics,
    form: Form,
    is_adapter: bool,
) -> Result<String> {
    let percent = |share: f64| format!("{:.1}", 100.0 * share);
    let rows: Vec<_> = method
        .iterations
        .iter()
        .map(|i| &i.metrics)
        .filter(|metrics| metrics.accuracy.total > 0)
        .map(|m| {
            let a = &m.accuracy;
            context! { iteration => m.iteration, accuracy => percent(a.mean), low => percent(a.low), high => percent(a.high), problems => a.total, split => m.split.name() }
        })
        .collect();
    let training = metrics.training.as_ref();
    let training = training.map(|t| context! { steps => t.steps, tokens => t.tokens, final_loss => t.final_loss });
    let values = context! {
        run => &run.name, method => &method.name, title => method.kind.title(), task => &run.task, iteration => metrics.iteration,
        base => &config.model.base, hub => &config.model.hub, seed => config.seed, adapter => is_adapter && form != Form::Merged,
        split => metrics.split.name(), accuracy => (metrics.accuracy.total > 0).then(|| metrics.accuracy.mean),
        rows => rows, examples => metrics.selection.kept_unhinted + metrics.selection.kept_hinted,
        rationalized => metrics.selection.kept_hinted, training => training, weights => &metrics.checkpoint,
        version => env!("CARGO_PKG_VERSION"), config => config.to_toml(),
    };
    let rendered = Environment::new().render_str(CARD, values);
    rendered.map_err(|error| Error::Corrupt { path: Path::new("README.md").to_owned(), message: error.to_string() })
}
