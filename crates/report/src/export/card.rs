//! The model card of a checkpoint: its results, how it was trained, and its settings, with the front matter that the hub reads.

use super::chosen::Chosen;
use super::portable::{base_name, hub_name};
use crate::error::{Error, Result};
use crate::report::{MethodReport, RunReport};
use starloop_record::RunDir;
use starloop_record::format::{percent, plural, thousands};
use starloop_record::metrics::IterationMetrics;
use std::fmt::Write as _;

/// The weights that a model card describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weights {
    /// A whole model.
    Whole,
    /// Low-rank adapters, which need their base.
    Adapters,
}

/// The figures of an iteration whose checkpoint is there: the named one, or the best one.
///
/// # Errors
/// There is no such checkpoint. The error names those that are there.
pub fn chosen_iteration<'a>(run: &RunReport, method: &'a MethodReport, iteration: Option<u32>) -> Result<&'a IterationMetrics> {
    let directory = RunDir::open_read_only(&run.path)?;
    let has_checkpoint = |metrics: &&IterationMetrics| directory.iteration(&method.info.name, metrics.iteration).checkpoint().is_dir();
    let there: Vec<&IterationMetrics> = method.iterations.iter().map(|iteration| &iteration.metrics).filter(has_checkpoint).collect();
    let found = match iteration {
        Some(number) => there.iter().find(|metrics| metrics.iteration == number).copied(),
        None => best(&there),
    };
    found.ok_or_else(|| {
        let name = &method.info.name;
        let wanted = iteration.map_or("no checkpoint".to_owned(), |number| format!("no checkpoint of iteration {number}"));
        let numbers: Vec<String> = there.iter().map(|metrics| metrics.iteration.to_string()).collect();
        let message = if numbers.is_empty() {
            format!("{name} has {wanted}, and no other one")
        } else {
            format!("{name} has {wanted}; it has those of {} (training.keep_checkpoints decides which are kept)", numbers.join(", "))
        };
        Error::Unexportable { path: run.path.clone(), message }
    })
}

/// The iteration with the highest accuracy, of equal ones the first; the last iteration if none was measured.
fn best<'a>(candidates: &[&'a IterationMetrics]) -> Option<&'a IterationMetrics> {
    let measured = candidates.iter().copied().filter(|metrics| metrics.accuracy.total > 0);
    measured.reduce(|best, next| if next.accuracy.mean > best.accuracy.mean { next } else { best }).or(candidates.last().copied())
}

/// The text of `README.md` for a checkpoint. It names no directory of this machine.
///
/// # Errors
/// The config of the run cannot be read.
pub fn card(chosen: &Chosen<'_>, weights: Weights) -> Result<String> {
    let Chosen { run, method, metrics, .. } = *chosen;
    let config = chosen.config()?;
    let results = results(method, metrics);
    let fence = fence(&config);
    Ok(format!(
        "{}{}{}{}{}## Settings\n\n{fence}toml\n{}\n{fence}\n",
        front_matter(run, &results, weights),
        introduction(run, method, metrics, weights),
        results_section(chosen, &results),
        training_section(run, metrics),
        audit_and_licence(run),
        config.trim_end()
    ))
}

/// A row of the table of results: its name, and the figures.
type ResultLine<'a> = (String, &'a IterationMetrics);

/// The results up to an iteration, and its final one.
fn results<'a>(method: &'a MethodReport, metrics: &IterationMetrics) -> Vec<ResultLine<'a>> {
    let measured = method.iterations.iter().map(|iteration| &iteration.metrics).filter(|other| other.accuracy.total > 0);
    let name = |iteration| if iteration == 0 { "base model, few-shot".to_owned() } else { format!("after iteration {iteration}") };
    let up_to = measured.filter(|other| other.iteration <= metrics.iteration).map(|other| (name(other.iteration), other));
    let last = method.final_metrics.as_ref().filter(|last| last.iteration == metrics.iteration);
    up_to.chain(last.map(|last| (format!("after iteration {}, final", last.iteration), last))).collect()
}

/// A JSON string is a YAML string, whatever it holds.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn front_matter(run: &RunReport, results: &[ResultLine<'_>], weights: Weights) -> String {
    let library = if weights == Weights::Adapters { "peft" } else { "transformers" };
    let mut text = format!("---\nlibrary_name: {library}\npipeline_tag: text-generation\n");
    if let Some(hub) = hub_name(run) {
        let _ = writeln!(text, "base_model: {}", quoted(&hub));
    }
    text.push_str("tags:\n- self-taught-reasoner\n- starloop\n");
    if let Some((_, last)) = results.last() {
        let (name, task, split, mean) = (quoted(&run.info.name), quoted(&run.info.task.kind), last.split.name(), last.accuracy.mean);
        let _ = write!(
            text,
            "model-index:\n- name: {name}\n  results:\n  - task:\n      type: text-generation\n    dataset:\n      name: {task}\n      \
             type: {task}\n      split: {split}\n    metrics:\n    - type: accuracy\n      value: {mean}\n"
        );
    }
    text + "---\n\n"
}

fn introduction(run: &RunReport, method: &MethodReport, metrics: &IterationMetrics, weights: Weights) -> String {
    let (info, label) = (&run.info, &method.info.label);
    let kind = if weights == Weights::Adapters { "Low-rank adapters for" } else { "A language model fine-tuned from" };
    let base = base_name(run).replace('`', "'");
    let mut text =
        format!("# {} on {}, iteration {}\n\n{kind} `{base}` by {label}.", capitalized(label), info.task.label, metrics.iteration);
    if method.info.approach.bootstraps() {
        text.push_str(
            " The model wrote rationales for problems with known answers, and learned from those that reached the answer (STaR, Zelikman et \
             al. 2022).",
        );
    }
    let _ = writeln!(
        text,
        " Made by {} with seed {}. SHA-256 of the weights before merging or copying: `{}`.\n",
        info.program, info.seed, metrics.checkpoint
    );
    if weights == Weights::Adapters {
        text.push_str(
            "`base_model_name_or_path` in `adapter_config.json` names the base model. If it is a path, change it to the place of your copy.\n\n",
        );
    }
    text
}

fn results_section(chosen: &Chosen<'_>, results: &[ResultLine<'_>]) -> String {
    let metrics = chosen.metrics;
    let Some((_, last)) = results.last() else { return "## Results\n\nAccuracy was not measured.\n\n".to_owned() };
    let mut text = "## Results\n\n| model | accuracy, % | 95% interval | problems |\n|---|--:|--:|--:|\n".to_owned();
    for (name, IterationMetrics { accuracy, split, .. }) in results {
        let [mean, low, high] = [accuracy.mean, accuracy.low, accuracy.high].map(percent);
        let _ = writeln!(text, "| {name} | {mean} | {low} to {high} | {} ({}) |", accuracy.total, split.name());
    }
    let _ =
        write!(text, "\nOne greedy answer to each problem; Wilson intervals. This checkpoint is that of iteration {}.", metrics.iteration);
    if !last.by_class.is_empty() {
        let classes = last.by_class.iter().map(|entry| format!("{} {}", entry.class, percent(entry.accuracy.mean)));
        let _ = write!(text, " By class, in %: {}.", classes.collect::<Vec<_>>().join(", "));
    }
    if let Some(warning) = chosen.no_better_than_the_base() {
        let _ = write!(text, " Warning: {warning}.");
    }
    text + "\n\n"
}

fn audit_and_licence(run: &RunReport) -> String {
    format!(
        "## Audit\n\nNo audit of the rationales is recorded here. Replace this line with the verdict of yours: who read how many rationales, \
         and how many of them have only right steps.\n\n\
         ## Licence\n\nThe weights are derived from `{}`, so the licence of that model applies to them. Check the licence of the data ({}) too. \
         Then add a line `license:` to the head of this file.\n\n",
        base_name(run).replace('`', "'"),
        run.data
    )
}

fn training_section(run: &RunReport, metrics: &IterationMetrics) -> String {
    let mut text = format!("## Data and training\n\nData: {}.\n\n", run.data);
    if metrics.problems > 0 {
        let selection = &metrics.selection;
        let _ = writeln!(
            text,
            "Iteration {} attempted {} and learned from {}, {} of them found with the answer as a hint and learned without it.\n",
            metrics.iteration,
            plural(metrics.problems, "problem"),
            plural(selection.kept_unhinted + selection.kept_hinted, "rationale"),
            thousands(selection.kept_hinted)
        );
    }
    if let Some(training) = &metrics.training {
        let _ = writeln!(
            text,
            "{} on {} tokens, {} of which carried loss; last loss {:.4}.\n",
            plural(training.steps, "optimizer step"),
            thousands(training.tokens),
            thousands(training.target_tokens),
            training.final_loss
        );
    }
    text + "Rationales were judged by their answers only. A rationale with a right answer may have wrong steps, and so may those of this model.\n\n"
}

pub(super) fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// A fence that is longer than any fence in a text.
pub(super) fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Report;
    use crate::sample_run::{begin, learned, metrics};
    use starloop_record::Approach;

    #[test]
    fn a_fence_holds_a_text_that_has_fences() {
        assert_eq!(fence("a = 1"), "```");
        assert_eq!(fence("a = '````'"), "`````");
    }

    #[test]
    fn a_name_stays_a_name_in_the_front_matter() {
        assert_eq!(quoted("a: \"b\"\n---"), r#""a: \"b\"\n---""#);
    }

    #[test]
    fn the_best_checkpoint_that_is_there_has_a_card() {
        let place = tempfile::tempdir().unwrap();
        let run = begin(place.path(), &[("star", Approach::StarRationalized)]);
        run.iteration("star", 0).write_metrics(&metrics(0, &[20])).unwrap();
        for (iteration, right) in [(1, 60), (2, 50), (3, 90)] {
            run.iteration("star", iteration).write_metrics(&learned(iteration, &[right], 800, 600)).unwrap();
        }
        for iteration in [1, 2] {
            std::fs::create_dir_all(run.iteration("star", iteration).checkpoint()).unwrap();
        }
        let report = Report::read(&[place.path().to_owned()]).unwrap();
        let (run, method) = (&report.runs[0], &report.runs[0].methods[0]);
        let error = chosen_iteration(run, method, Some(3)).unwrap_err().to_string();
        assert!(error.contains("no checkpoint of iteration 3; it has those of 1, 2"), "{error}");
        let chosen = Chosen::of(run, None, None).unwrap();
        assert_eq!(chosen.metrics.iteration, 1);
        insta::assert_snapshot!(card(&chosen, Weights::Whole).unwrap(), @r#"
        ---
        library_name: transformers
        pipeline_tag: text-generation
        tags:
        - self-taught-reasoner
        - starloop
        model-index:
        - name: "tiny"
          results:
          - task:
              type: text-generation
            dataset:
              name: "arithmetic"
              type: "arithmetic"
              split: test
            metrics:
            - type: accuracy
              value: 0.6
        ---

        # STaR with rationalization on arithmetic, iteration 1

        A language model fine-tuned from `builtin:tiny` by STaR with rationalization. The model wrote rationales for problems with known answers, and learned from those that reached the answer (STaR, Zelikman et al. 2022). Made by starloop test with seed 7. SHA-256 of the weights before merging or copying: `0000000000000000000000000000000000000000000000000000000000000001`.

        ## Results

        | model | accuracy, % | 95% interval | problems |
        |---|--:|--:|--:|
        | base model, few-shot | 20.0 | 13.3 to 28.9 | 100 (test) |
        | after iteration 1 | 60.0 | 50.2 to 69.1 | 100 (test) |

        One greedy answer to each problem; Wilson intervals. This checkpoint is that of iteration 1. By class, in %: 1 digit 60.0.

        ## Data and training

        Data: arithmetic.

        Iteration 1 attempted 2,000 problems and learned from 1,397 rationales, 600 of them found with the answer as a hint and learned without it.

        80 optimizer steps on 1,500,000 tokens, 900,000 of which carried loss; last loss 0.0123.

        Rationales were judged by their answers only. A rationale with a right answer may have wrong steps, and so may those of this model.

        ## Audit

        No audit of the rationales is recorded here. Replace this line with the verdict of yours: who read how many rationales, and how many of them have only right steps.

        ## Licence

        The weights are derived from `builtin:tiny`, so the licence of that model applies to them. Check the licence of the data (arithmetic) too. Then add a line `license:` to the head of this file.

        ## Settings

        ```toml
        name = "tiny"
        seed = 7

        [methods.star]
        iterations = 3

        [training]
        steps = 10
        ```
        "#);
        let adapters = card(&chosen, Weights::Adapters).unwrap();
        assert!(adapters.contains("library_name: peft") && adapters.contains("base_model_name_or_path"), "{adapters}");
    }
}
