//! `starloop export`: results of runs in the formats of other tools.

use crate::access::{Access, RunPart};
use crate::console;
use crate::usage::UsageError;
use anyhow::{Result, bail};
use clap::builder::PossibleValuesParser;
use starloop_core::experiment::export::{Form, Texts, checkpoint as write_checkpoint, gguf as write_gguf, needs_base};
use starloop_lm::checkpoint::{GgufType, is_checkpoint};
use starloop_record::RunDir;
use starloop_report::Report;
use starloop_report::export::{self, Weights};
use starloop_report::report::RunReport;
use std::path::{Path, PathBuf};

/// Export results of runs in the formats of other tools: a checkpoint with its model card, figures, plots, the training set, TensorBoard events.
///
/// One command can write several formats. Without an option, it writes the checkpoint of the best iteration.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop export runs/arithmetic                                  the best checkpoint, into a directory such as arithmetic-star-5
  starloop export runs/gsm8k --method star --iteration 4 --merged --checkpoint shared/gsm8k
  starloop export runs/one runs/two --csv figures.csv --png accuracy.png
  starloop export runs/arithmetic --csv - | head                   one format to standard output
  starloop export runs/arithmetic --training-set learned.parquet
  starloop export runs/arithmetic --training-set rationales        a folder for the hub: data/ and README.md
  starloop export runs/gsm8k --gguf ollama/gsm8k --gguf-type q8_0  then: ollama create gsm8k -f ollama/gsm8k/Modelfile
  starloop export runs/arithmetic --tensorboard events             then: tensorboard --logdir events")]
pub struct Arguments {
    /// Run directories. A checkpoint or a training set needs exactly one. `--gguf` also takes a checkpoint directory
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// The method of the checkpoint or the training set [default: the last that trained]
    #[arg(long, value_name = "NAME")]
    method: Option<String>,
    /// The iteration of the checkpoint or the training set [default: the best checkpoint, the last training set]
    #[arg(long, value_name = "N")]
    iteration: Option<u32>,
    /// Write the checkpoint with a model card to this new directory
    #[arg(long, value_name = "DIR")]
    checkpoint: Option<PathBuf>,
    /// Merge adapters into their base, in the base's number format. 16 bits round small updates away; `starloop model convert --dtype f32` keeps them
    #[arg(long)]
    merged: bool,
    /// Write the adapters only
    #[arg(long, conflicts_with = "merged")]
    adapter: bool,
    /// Write the checkpoint for llama.cpp and Ollama to this new directory: a GGUF file, with adapters merged, and a Modelfile
    #[arg(long, value_name = "DIR")]
    gguf: Option<PathBuf>,
    /// The type of the matrices in the GGUF file
    #[arg(long, value_name = "TYPE", default_value = "f16", requires = "gguf", value_parser = gguf_type())]
    gguf_type: String,
    /// Write the figures of every iteration as CSV. Of each of these options, - is standard output
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write the figures of every iteration as JSON lines
    #[arg(long, value_name = "FILE")]
    jsonl: Option<PathBuf>,
    /// Write the plot of accuracy over iterations as SVG
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write the same plot as PNG in print quality (needs the feature `png`)
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// Write the training set (completions or pairs) for `datasets` and TRL: .jsonl, .parquet (needs the feature `parquet`), or a new folder
    /// as a data set of the hub, with its card
    #[arg(long, value_name = "FILE")]
    training_set: Option<PathBuf>,
    /// Write event files for TensorBoard into this directory
    #[arg(long, value_name = "DIR")]
    tensorboard: Option<PathBuf>,
}

pub fn run(arguments: &Arguments, access: Access) -> Result<()> {
    if let (Some(out), [checkpoint]) = (&arguments.gguf, arguments.runs.as_slice())
        && is_checkpoint(checkpoint)
    {
        return gguf(arguments, checkpoint, out);
    }
    let files = [&arguments.csv, &arguments.jsonl, &arguments.svg, &arguments.png, &arguments.training_set];
    if files.into_iter().flatten().filter(|path| console::is_stdout(path)).count() > 1 {
        bail!(UsageError::Request(
            "two options name - (standard output), which has room for one format; give the other one a file".to_owned()
        ));
    }
    arguments.runs.iter().try_for_each(|run| access.check_run(run, RunPart::Checkpoints))?;
    let report = Report::read(&arguments.runs)?;
    if let Some(path) = &arguments.csv {
        write(path, export::csv(&report).as_bytes())?;
    }
    if let Some(path) = &arguments.jsonl {
        write(path, export::json_lines(&report)?.as_bytes())?;
    }
    if arguments.svg.is_some() || arguments.png.is_some() {
        let Some(svg) = report.svg() else {
            bail!(UsageError::Request("no method was measured twice, so there is no plot of accuracy over iterations".to_owned()))
        };
        if let Some(path) = &arguments.svg {
            write(path, svg.as_bytes())?;
        }
        if let Some(path) = &arguments.png {
            write(path, &export::png(&svg)?)?;
        }
    }
    if let Some(path) = &arguments.training_set {
        training_set(arguments, only(&report)?, path)?;
    }
    if let Some(out) = &arguments.tensorboard {
        export::tensorboard(&report, out)?.iter().for_each(|path| say(path));
    }
    if let Some(out) = &arguments.gguf {
        let run = only(&report)?;
        let method = export::method(run, arguments.method.as_deref())?;
        let metrics = export::chosen_iteration(run, method, arguments.iteration)?;
        gguf(arguments, &RunDir::open_read_only(&run.path)?.iteration(&method.info.name, metrics.iteration).checkpoint(), out)?;
    }
    if arguments.wants_checkpoint() { checkpoint(arguments, only(&report)?) } else { Ok(()) }
}

impl Arguments {
    fn wants_checkpoint(&self) -> bool {
        let others = [&self.gguf, &self.csv, &self.jsonl, &self.svg, &self.png, &self.training_set, &self.tensorboard];
        self.checkpoint.is_some() || self.merged || self.adapter || others.iter().all(|other| other.is_none())
    }
}

fn only(report: &Report) -> Result<&RunReport> {
    match report.runs.as_slice() {
        [run] => Ok(run),
        _ => bail!(UsageError::Request(format!(
            "{} run directories were given, and a checkpoint or a training set belongs to one run; give one directory",
            report.runs.len()
        ))),
    }
}

fn training_set(arguments: &Arguments, run: &RunReport, path: &Path) -> Result<()> {
    let method = export::method(run, arguments.method.as_deref())?;
    let learned = export::training_set(&RunDir::open_read_only(&run.path)?, method, arguments.iteration)?;
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("jsonl") => write(path, learned.json_lines()?.as_bytes()),
        Some("parquet") => write(path, &learned.parquet()?),
        None if console::is_stdout(path) => write(path, learned.json_lines()?.as_bytes()),
        None => {
            export::dataset(run, method, &learned, path)?;
            say(path);
            Ok(())
        }
        Some(_) => bail!(UsageError::Request(format!(
            "{}: unknown format of the training set; give a file name that ends in .jsonl or .parquet, or the name of a new folder",
            path.display()
        ))),
    }
}

fn checkpoint(arguments: &Arguments, run: &RunReport) -> Result<()> {
    let chosen = export::Chosen::of(run, arguments.method.as_deref(), arguments.iteration)?;
    let (method, metrics) = (chosen.method, chosen.metrics);
    let form = match (arguments.merged, arguments.adapter) {
        (true, _) => Form::Merged,
        (_, true) => Form::Adapter,
        _ => Form::AsTrained,
    };
    let source = chosen.directory()?;
    let weights = if needs_base(&source, form) { Weights::Adapters } else { Weights::Whole };
    let (card, config, hub) = (export::card(&chosen, weights)?, chosen.config()?, export::hub_name(run));
    let texts = Texts { card: &card, config: &config, hub: hub.as_deref() };
    let name = Path::new(&run.name).file_name().unwrap_or_default().to_string_lossy();
    let out = arguments.checkpoint.clone().unwrap_or_else(|| PathBuf::from(format!("{name}-{}-{}", method.info.name, metrics.iteration)));
    if let Some(warning) = chosen.no_better_than_the_base() {
        console::say(&format!("warning: {warning}"));
    }
    let left_out = write_checkpoint(&source, form, &out, texts)?;
    if !left_out.is_empty() {
        console::say(&format!("left out, because they are not files of a checkpoint: {}", left_out.join(", ")));
    }
    let out = out.display();
    console::remark(&format!("wrote {out}: {} after iteration {}, with its model card and config", method.info.name, metrics.iteration));
    console::remark(&format!(
        "before you publish it: complete the sections Audit and Licence of {out}/README.md\n\
         to publish it on the hub: hf upload ORG/NAME {out}    (the program `hf` of the Python package huggingface_hub)"
    ));
    Ok(())
}

/// The type names of GGUF files that `export` and `model convert` take.
pub fn gguf_type() -> PossibleValuesParser {
    PossibleValuesParser::new(GgufType::NAMES.map(|(name, _)| name))
}

fn gguf(arguments: &Arguments, checkpoint: &Path, out: &Path) -> Result<()> {
    let named = GgufType::NAMES.into_iter().find(|(name, _)| *name == arguments.gguf_type);
    let (_, kind) = named.expect("the arguments allow known types only");
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    write_gguf(checkpoint, kind, &name, out)?;
    say(&out.join(format!("{name}.gguf")));
    say(&out.join("Modelfile"));
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    console::write_file(path, bytes)?;
    if !console::is_stdout(path) {
        say(path);
    }
    Ok(())
}

fn say(path: &Path) {
    console::remark(&format!("wrote {}", path.display()));
}
