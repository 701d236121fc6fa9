//! The training set of an iteration as a data set of the Hugging Face hub: a folder with its rows and its card.

use super::card::{capitalized, fence, quoted};
use super::training_set::TrainingSet;
use crate::error::{Error, Result};
use crate::report::{MethodReport, RunReport};
use starloop_record::RunDir;
use starloop_record::atomic;
use starloop_record::format::plural;
use std::fmt::Write as _;
use std::path::Path;

/// Writes the folder `out`, which must not exist: `README.md`, and `data/train-00000-of-00001` as Parquet, or as JSON lines in a program
/// without the feature `parquet`.
///
/// # Errors
/// The folder exists or cannot be written, or the config of the run cannot be read.
pub fn dataset(run: &RunReport, method: &MethodReport, set: &TrainingSet, out: &Path) -> Result<()> {
    if out.exists() {
        let message = "exists already; choose another place or remove it".to_owned();
        return Err(Error::Unexportable { path: out.to_owned(), message });
    }
    let card = dataset_card(run, method, set)?;
    let (extension, rows) = if cfg!(feature = "parquet") { ("parquet", set.parquet()?) } else { ("jsonl", set.json_lines()?.into_bytes()) };
    atomic::create_directory(out, |folder| {
        let data = folder.join("data");
        atomic::make_directory(&data)?;
        atomic::write(&data.join(format!("train-00000-of-00001.{extension}")), &rows)?;
        atomic::write(&folder.join("README.md"), card.as_bytes())?;
        Ok::<_, Error>(())
    })
}

/// The text of the data set's `README.md`.
fn dataset_card(run: &RunReport, method: &MethodReport, set: &TrainingSet) -> Result<String> {
    let config = RunDir::open_read_only(&run.path)?.config()?.to_string();
    let (info, label) = (&run.info, capitalized(&method.info.label));
    let base = info.model.hub.as_ref().unwrap_or(&info.model.base).replace('`', "'");
    let name = format!("{label} on {}, iteration {}", info.task.label, set.iteration);
    let mut text = format!(
        "---\npretty_name: {}\ntask_categories:\n- text-generation\ntags:\n- self-taught-reasoner\n- starloop\n- synthetic\n\
         size_categories:\n- {}\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/train-*\n---\n\n",
        quoted(&name),
        size(set.rows.len())
    );
    let _ = writeln!(
        text,
        "# {name}\n\n{} that {} learned in iteration {}. The base model is `{base}`. Made by {} with seed {}.\n",
        plural(set.rows.len() as u64, "training example"),
        method.info.label,
        set.iteration,
        info.program,
        info.seed
    );
    text.push_str("| column | content |\n|---|---|\n");
    for column in set.columns {
        let _ = writeln!(text, "| `{column}` | {} |", meaning(column));
    }
    if method.info.approach.bootstraps() {
        text.push_str(
            "\nThe model wrote the completions. They were judged by their answers only. A completion with a right answer may have wrong steps.\n",
        );
    }
    let fence = fence(&config);
    let _ = writeln!(
        text,
        "\nThe licences of the problems and of the model apply to this data.\n\n## Settings of the run\n\n{fence}toml\n{}\n{fence}",
        config.trim_end()
    );
    Ok(text)
}

fn meaning(column: &str) -> &'static str {
    match column {
        "prompt" => "the text that the model is shown, without a hint",
        "completion" => "the text that the model learns to write, without an end token",
        "chosen" => "the better completion",
        "rejected" => "the worse completion",
        "problem" => "the id of the problem",
        "mode" => "`unhinted`, or `hinted` if the completion was found with the answer as a hint",
        _ => "",
    }
}

/// The hub's name for a number of rows.
fn size(rows: usize) -> &'static str {
    match rows {
        0..1_000 => "n<1K",
        1_000..10_000 => "1K<n<10K",
        10_000..100_000 => "10K<n<100K",
        100_000..1_000_000 => "100K<n<1M",
        1_000_000..10_000_000 => "1M<n<10M",
        _ => "n>10M",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Report;
    use crate::sample_run::{begin, learned};
    use starloop_record::Approach;

    #[test]
    fn a_folder_has_rows_and_a_card_and_is_written_once() {
        let place = tempfile::tempdir().unwrap();
        let run = begin(&place.path().join("run"), &[("star", Approach::StarRationalized)]);
        run.iteration("star", 1).write_metrics(&learned(1, &[60], 800, 600)).unwrap();
        let report = Report::read(&[place.path().join("run")]).unwrap();
        let (run, method) = (&report.runs[0], &report.runs[0].methods[0]);
        let row = ["1 + 1?", " It is 2.", "a/train/0", "hinted"].map(str::to_owned);
        let set = TrainingSet { iteration: 1, columns: ["prompt", "completion", "problem", "mode"], rows: vec![row] };
        let out = place.path().join("deep/set");
        dataset(run, method, &set, &out).unwrap();
        let card = std::fs::read_to_string(out.join("README.md")).unwrap();
        let begin = "---\npretty_name: \"STaR with rationalization on arithmetic, iteration 1\"\ntask_categories:\n- text-generation\n";
        assert!(card.starts_with(begin), "{card}");
        for part in [
            "- n<1K\n",
            "path: data/train-*\n---\n",
            "1 training example that STaR with rationalization learned",
            "judged by their answers only",
            "| `mode` | `unhinted`, or",
            "```toml\nname",
        ] {
            assert!(card.contains(part), "no {part:?} in {card}");
        }
        let extension = if cfg!(feature = "parquet") { "parquet" } else { "jsonl" };
        assert!(std::fs::metadata(out.join(format!("data/train-00000-of-00001.{extension}"))).unwrap().len() > 50);
        let again = dataset(run, method, &set, &out).unwrap_err().to_string();
        assert!(again.contains("exists already"), "{again}");
    }
}
