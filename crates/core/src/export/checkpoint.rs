//! A checkpoint of a run with a model card, ready to be shared.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::metrics::{Accuracy, IterationMetrics};
use crate::report::{MethodReport, RunReport};
use crate::run_dir::{RunDir, create_directory};
use fs_err as fs;
use minijinja::{Environment, context};
use starloop_lm::checkpoint::Checkpoint;
use starloop_lm::files::peft;
use std::path::{Path, PathBuf};

const CARD: &str = include_str!("checkpoint/card.md.j2");
/// Where the hub looks for it.
const CARD_FILE: &str = "README.md";

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

/// The figures of an iteration of a method whose checkpoint is there; of the best one that is there, if none is named.
///
/// # Errors
/// There is no such checkpoint; the error says which there are.
pub fn chosen<'a>(run: &RunReport, method: &'a MethodReport, iteration: Option<u32>) -> Result<&'a IterationMetrics> {
    let directory = RunDir::open_read_only(&run.path)?;
    let is_there = |number: u32| directory.iteration(&method.name, number).checkpoint().is_dir();
    let found = match iteration {
        Some(number) => method.iterations.iter().map(|i| &i.metrics).find(|metrics| metrics.iteration == number && is_there(number)),
        None => best(method, is_there),
    };
    found.ok_or_else(|| {
        let numbers = method.iterations.iter().map(|i| i.metrics.iteration).filter(|&number| is_there(number));
        let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
        let wanted = iteration.map_or("no checkpoint".to_owned(), |number| format!("no checkpoint of iteration {number}"));
        let message = if numbers.is_empty() {
            format!("{} has {wanted}, nor any other", method.name)
        } else {
            format!(
                "{} has {wanted}; there are those of {} (others were removed if training.keep_checkpoints says so)",
                method.name,
                numbers.join(", ")
            )
        };
        Error::Unexportable { path: run.path.clone(), message }
    })
}

/// Writes the checkpoint of an iteration of a method to `out`, with a model card.
///
/// # Errors
/// `out` exists, the checkpoint is not in the form that is wanted, or it cannot be written.
pub fn checkpoint(run: &RunReport, method: &MethodReport, metrics: &IterationMetrics, form: Form, out: &Path) -> Result<()> {
    let refused = |message: String| Error::Unexportable { path: run.path.clone(), message };
    if out.exists() {
        return Err(refused(format!("{} exists already; name another place with --checkpoint", out.display())));
    }
    let directory = RunDir::open_read_only(&run.path)?;
    let source = directory.iteration(&method.name, metrics.iteration).checkpoint();
    let is_adapter = peft::is_adapter(&source);
    if form == Form::Adapter && !is_adapter {
        return Err(refused(format!("{} was fine-tuned whole, so there is no adapter to be had alone", method.name)));
    }
    let card = card(&directory.config()?, method, metrics, is_adapter && form != Form::Merged)?;
    create_directory(out, |place| {
        if form == Form::Merged && is_adapter {
            let merged = Checkpoint::load_merged(&source).and_then(|checkpoint| checkpoint.save(place));
            merged.map_err(|error| refused(error.to_string()))?;
        } else {
            copy(&source, place)?;
        }
        Ok::<_, Error>(fs::write(place.join(CARD_FILE), &card)?)
    })
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
fn card(config: &Config, method: &MethodReport, metrics: &IterationMetrics, is_adapter: bool) -> Result<String> {
    let percent = |share: f64| format!("{:.1}", 100.0 * share);
    let result = |what: String, metrics: &IterationMetrics| {
        let Accuracy { mean, low, high, total, .. } = metrics.accuracy;
        context! {
            what, share => mean, mean => percent(mean), low => percent(low), high => percent(high), problems => total,
            split => metrics.split.name()
        }
    };
    let measured = method.iterations.iter().map(|i| &i.metrics).filter(|other| other.accuracy.total > 0);
    let mut results: Vec<_> = measured
        .filter(|other| other.iteration <= metrics.iteration)
        .map(|m| result(if m.iteration == 0 { "the base, few-shot".into() } else { format!("after iteration {}", m.iteration) }, m))
        .collect();
    let last = method.final_metrics.as_ref().filter(|last| last.iteration == metrics.iteration);
    results.extend(last.map(|last| result(format!("after iteration {}, final", last.iteration), last)));
    let by_class = &last.unwrap_or(metrics).by_class;
    let classes: Vec<_> = by_class.iter().map(|c| context! { name => &c.class, mean => percent(c.accuracy.mean) }).collect();
    let training = metrics.training.as_ref().map(|t| {
        context! { steps => t.steps, tokens => t.tokens, target_tokens => t.target_tokens, loss => format!("{:.4}", t.final_loss) }
    });
    let base = config.model.hub.as_ref().unwrap_or(&config.model.base);
    let (task, settings) = (config.task.kind(), config.to_toml());
    let selection = &metrics.selection;
    let values = context! {
        // A JSON string is a YAML string, whatever is in it.
        name => quoted(&config.name), dataset => quoted(task), hub => config.model.hub.as_deref().map(quoted),
        title => title_case(method.kind.title()), approach => method.kind.title(), bootstraps => method.kind.bootstraps(), task,
        iteration => metrics.iteration, base => format!("`{}`", base.replace('`', "'")), seed => config.seed, adapter => is_adapter,
        weights => &metrics.checkpoint, version => env!("CARGO_PKG_VERSION"), results, classes, problems => metrics.problems,
        kept => selection.kept_unhinted + selection.kept_hinted, rationalized => selection.kept_hinted, training,
        fence => fence(&settings), config => settings,
    };
    let rendered = Environment::new().render_str(CARD, values);
    rendered.map_err(|error| Error::Corrupt { path: Path::new(CARD_FILE).to_owned(), message: error.to_string() })
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn title_case(title: &str) -> String {
    let mut letters = title.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// A fence that is longer than any that a text holds.
fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_holds_what_has_fences() {
        assert_eq!(fence("a = 1"), "```");
        assert_eq!(fence("a = '````'"), "`````");
    }

    #[test]
    fn a_name_stays_a_name_in_the_front_matter() {
        assert_eq!(quoted("a: \"b\"\n---"), r#""a: \"b\"\n---""#);
    }
}
