//! `starloop get`: downloads of models and data.

use crate::console;
use crate::untrusted::line;
use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use starloop_core::external::fetch::DownloadProgress;
use starloop_core::external::fetch::dataset::{ADDRESS_VARIABLE, DATASETS, PublishedDataset};
use starloop_core::external::fetch::hub::Hub;
use starloop_core::external::hub_cache::HubName;
use std::path::{Path, PathBuf};

/// Download a model or a data set. To continue an interrupted download, repeat the command.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop get model ORG/NAME                           config, tokenizer and weights from the Hugging Face hub
  starloop get model ORG/NAME --revision v1 --out DIR   a tag, branch or commit, to another place
  starloop get data gsm8k                               the authors' files, into data/gsm8k
  starloop get data ORG/NAME                            a data set from the hub, into data/NAME

HF_TOKEN gives access to gated models. HF_ENDPOINT, HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE work as in the hub's own programs.
STARLOOP_DATA_URL sets a mirror of the data: ADDRESS/NAME/FILE.")]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Download a checkpoint from the Hugging Face hub
    #[command(after_help = "\
Examples:
  starloop get model ORG/NAME
  starloop get model ORG/NAME --revision v1 --out DIR")]
    Model {
        /// The model's name on the hub
        #[arg(value_name = "ORG/NAME", value_parser = model_name)]
        name: String,
        /// A branch, tag or commit
        #[arg(long, default_value = "main", value_parser = revision)]
        revision: String,
        /// The directory to write [default: bases/NAME]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Print directory, commit and files as JSON
        #[arg(long)]
        json: bool,
    },
    /// Download the files of a task, as their authors published them, or a data set of the hub
    #[command(after_help = "\
Examples:
  starloop get data gsm8k
  starloop get data commonsense_qa --out DIR
  starloop get data ORG/NAME --config main

A task then reads the data set by its name: train = \"ORG/NAME\".")]
    Data {
        /// A task of the paper, or ORG/NAME[@REVISION] of a data set on the hub
        #[arg(value_parser = data_name)]
        name: DataName,
        /// Download only this configuration of a data set, which is a folder
        #[arg(long, value_name = "NAME")]
        config: Option<String>,
        /// The directory to write [default: data/NAME]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Print directory and files as JSON
        #[arg(long)]
        json: bool,
    },
}

pub fn run(arguments: &Arguments, quiet: bool) -> Result<()> {
    match &arguments.what {
        What::Model { name, revision, out, json } => {
            let out = out.clone().unwrap_or_else(|| Path::new("bases").join(name.rsplit('/').next().unwrap_or(name)));
            let hub = Hub::from_environment(variable);
            let model = hub.fetch_model(name, revision, &out, &mut downloads(quiet))?;
            if *json {
                return console::print_json(&json!({"directory": out, "commit": model.commit, "files": model.files}));
            }
            console::print(&format!("{}: {} files of commit {}", out.display(), model.files.len(), model.commit))
        }
        What::Data { name, config, out, json } => {
            let place = |name: &str| out.clone().unwrap_or_else(|| Path::new("data").join(name));
            let (out, files) = match name {
                DataName::OfTask(dataset) => {
                    let out = place(dataset.name);
                    dataset.fetch(&out, variable(ADDRESS_VARIABLE).as_deref(), &mut downloads(quiet))?;
                    (out, dataset.file_names().map(str::to_owned).collect::<Vec<_>>())
                }
                DataName::OfHub(name) => {
                    let out = place(name.name.rsplit('/').next().unwrap_or(&name.name));
                    let hub = Hub::from_environment(variable);
                    let files = hub.fetch_dataset(name, config.as_deref(), &out, &mut downloads(quiet))?.files;
                    (out, files)
                }
            };
            if *json {
                return console::print_json(&json!({"directory": out, "files": files}));
            }
            console::print(&format!("{}: {}", out.display(), files.join(", ")))
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Draws a bar for each file.
pub fn downloads(quiet: bool) -> impl FnMut(DownloadProgress<'_>) {
    let template = "{prefix:40} {bar:24} {bytes:>10}/{total_bytes}  {bytes_per_sec}  {eta} left";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ");
    let (mut bar, mut shown) = (ProgressBar::hidden(), String::new());
    move |progress| {
        if quiet {
            return;
        }
        if shown != progress.file {
            progress.file.clone_into(&mut shown);
            let target = ProgressDrawTarget::stderr();
            bar = ProgressBar::with_draw_target(Some(progress.size), target).with_style(style.clone()).with_prefix(line(&shown));
        }
        bar.set_position(progress.done);
        if progress.done == progress.size {
            bar.finish();
        }
    }
}

/// The name of published data.
#[derive(Debug, Clone)]
enum DataName {
    /// The authors' files of a task.
    OfTask(&'static PublishedDataset),
    /// A data set of the hub.
    OfHub(HubName),
}

fn data_name(text: &str) -> Result<DataName, String> {
    let known = || DATASETS.iter().map(|dataset| dataset.name).collect::<Vec<_>>().join(", ");
    let of_hub = || HubName::parse(text).map(DataName::OfHub);
    let name = PublishedDataset::find(text).map(DataName::OfTask).or_else(of_hub);
    name.ok_or_else(|| format!("expected one of {}, or ORG/NAME of a data set on the hub", known()))
}

/// Reads `ORG/NAME`, or `NAME` alone, as some old models of the hub have it.
fn model_name(text: &str) -> Result<String, String> {
    let plain = |part: &str| {
        !part.is_empty() && !part.starts_with('.') && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    match text.split('/').collect::<Vec<_>>().as_slice() {
        parts @ ([_] | [_, _]) if parts.iter().all(|part| plain(part)) => Ok(text.to_owned()),
        _ => Err("expected ORG/NAME as on the hub, of letters, digits, '-', '_' and '.'".into()),
    }
}

fn revision(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let safe = !text.is_empty() && text.chars().all(plain) && !text.split('/').any(|part| part.is_empty() || part.starts_with('.'));
    if safe { Ok(text.to_owned()) } else { Err("expected a branch, tag or commit".into()) }
}
