//! `starloop model`: the shape and the memory needs of a checkpoint, and its conversion.

use crate::access::Access;
use crate::commands::export::gguf_type;
use crate::console;
use crate::model::Model;
use crate::usage::UsageError;
use anyhow::Result;
use serde::Serialize;
use starloop_core::experiment::records::{carry_records, save_gguf};
use starloop_lm::checkpoint::{Checkpoint, GgufType, Summary, is_gguf, own_files};
use starloop_lm::files::peft::{base_of, is_adapter};
use starloop_lm::lora::{ALL_LINEAR, LoraConfig};
use starloop_lm::memory::{Job, MemoryNeeds, needs};
use starloop_lm::weights::HalfKind;
use starloop_record::atomic::create_directory;
use starloop_record::format::bytes;
use std::path::{Path, PathBuf};

/// Show a checkpoint's shape and memory needs, or convert it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop model info bases/gpt-j-6b                    family, parameters, and the memory that each job needs
  starloop model info DIR --tokens 8192 --rank 8 --json another batch and rank
  starloop model convert DIR OUT --dtype bf16           a checkpoint (PyTorch's .bin too) as safetensors
  starloop model convert ADAPTER OUT                    an adapter merged into its base
  starloop model convert model.gguf OUT --dtype bf16    a file of llama.cpp as a Hugging Face directory
  starloop model convert DIR model.gguf --dtype q8_0    a checkpoint as a file of llama.cpp")]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Print family, parameters and the memory that sampling and training need
    Info(Info),
    /// Write a checkpoint as safetensors, or as a GGUF file. An adapter is merged into its base
    Convert(Convert),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop model info builtin:arithmetic
  starloop model info DIR --tokens 8192 --rank 8 --json")]
struct Info {
    /// A checkpoint directory in the Hugging Face layout, a GGUF file, builtin:NAME, or ORG/NAME on the hub
    #[arg(value_name = "DIR")]
    model: String,
    /// Tokens that go through the model at once in training (`training.micro_batch_tokens`)
    #[arg(long, value_name = "N", default_value_t = 4096)]
    tokens: usize,
    /// Number of sequences that are sampled at once
    #[arg(long, value_name = "N", default_value_t = 64)]
    sequences: usize,
    /// Number of tokens of each sequence, its prompt included
    #[arg(long, value_name = "N", default_value_t = 1024)]
    length: usize,
    /// The rank of the adapters
    #[arg(long, value_name = "R", default_value_t = 16)]
    rank: usize,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop model convert DIR OUT --dtype bf16
  starloop model convert ADAPTER OUT")]
struct Convert {
    /// A checkpoint directory in the Hugging Face layout, an adapter directory, a GGUF file, builtin:NAME, or ORG/NAME on the hub
    #[arg(value_name = "DIR")]
    model: String,
    /// The directory to write, or the file if the name ends in .gguf. It must not exist
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// The type of the weights. A GGUF file can also have `q8_0` [default: as stored, f16 in a GGUF file]
    #[arg(long, value_name = "TYPE", value_parser = gguf_type())]
    dtype: Option<String>,
}

pub fn run(arguments: &Arguments, access: Access) -> Result<()> {
    match &arguments.what {
        What::Info(info) => print_info(info, access),
        What::Convert(job) => convert(job, access),
    }
}

/// The JSON of `info`.
#[derive(Serialize)]
struct ModelReport {
    family: String,
    parameters: usize,
    dtype: String,
    file_bytes: u64,
    vocabulary: usize,
    hidden: usize,
    layers: usize,
    heads: usize,
    key_value_heads: usize,
    head_dim: usize,
    intermediate: usize,
    context: usize,
    tied_head: bool,
    /// Bytes, job by job.
    memory: Vec<JobNeeds>,
}

#[derive(Serialize)]
struct JobNeeds {
    job: String,
    total: usize,
    #[serde(flatten)]
    needs: MemoryNeeds,
}

fn print_info(info: &Info, access: Access) -> Result<()> {
    let model = Model::find(&info.model, access)?;
    let Summary { config, spec, dtype: (dtype, width), file_bytes } = Summary::read(model.directory())?;
    let lora = LoraConfig { rank: info.rank, alpha: 1.0, dropout: 0.0, target_modules: vec![ALL_LINEAR.to_owned()] };
    let adapted = spec.clone().adapted(&lora)?;
    let sampling = Job::Sampling { sequences: info.sequences, length: info.length.min(spec.context), step_rows: 1024 };
    let training = |recompute| Job::Training { tokens: info.tokens, recompute };
    let job = |job: String, needs: MemoryNeeds| JobNeeds { job, total: needs.total(), needs };
    let memory = vec![
        job(format!("sampling, {} x {} tokens", info.sequences, info.length.min(spec.context)), needs(&spec, sampling, width)),
        job(format!("LoRA of rank {}, {} tokens", info.rank, info.tokens), needs(&adapted, training(false), width)),
        job("  activations recomputed".into(), needs(&adapted, training(true), width)),
        job(format!("full fine-tuning, {} tokens", info.tokens), needs(&spec, training(false), width)),
        job("  activations recomputed".into(), needs(&spec, training(true), width)),
    ];
    let size_of = |key: &str| spec.size(key).unwrap_or_default();
    let report = ModelReport {
        family: config["model_type"].as_str().unwrap_or_default().to_owned(),
        parameters: spec.parameter_count(),
        dtype,
        file_bytes,
        vocabulary: spec.vocabulary,
        hidden: spec.hidden,
        layers: spec.blocks.len(),
        heads: size_of("num_attention_heads"),
        key_value_heads: size_of("num_key_value_heads"),
        head_dim: size_of("head_dim"),
        intermediate: size_of("intermediate_size"),
        context: spec.context,
        tied_head: spec.tied(),
        memory,
    };
    if info.json { console::print_json(&report) } else { print_table(&report) }
}

fn print_table(report: &ModelReport) -> Result<()> {
    let ModelReport { family, parameters, dtype, file_bytes, vocabulary, hidden, layers, heads, key_value_heads, head_dim, .. } = report;
    let head = if report.tied_head { "tied to the embedding" } else { "not tied" };
    console::print(&format!(
        "family      {family}\n\
         parameters  {parameters} in {dtype} ({} on disk)\n\
         layers      {layers}, width {hidden}, feed-forward {}\n\
         attention   {heads} heads of {head_dim}, {key_value_heads} for keys and values\n\
         vocabulary  {vocabulary}, head {head}\n\
         context     {} tokens\n",
        bytes(*file_bytes),
        report.intermediate,
        report.context,
    ))?;
    let columns = |cells: [&str; 6]| {
        let [job, rest @ ..] = cells;
        rest.iter().fold(format!("{job:<34}"), |line, cell| format!("{line}{cell:>13}"))
    };
    console::print(&columns(["memory", "weights", "optimizer", "activations", "cache", "total"]))?;
    for JobNeeds { job, total, needs } in &report.memory {
        let [weights, optimizer, activations, cache, total] = [needs.weights, needs.optimizer, needs.activations, needs.cache, *total]
            .map(|held| if held == 0 { "-".to_owned() } else { bytes(held as u64) });
        console::print(&columns([job, &weights, &optimizer, &activations, &cache, &total]))?;
    }
    Ok(())
}

fn convert(job: &Convert, access: Access) -> Result<()> {
    let model = Model::find(&job.model, access)?;
    refuse_links(model.directory())?;
    if is_gguf(&job.out) {
        return convert_to_gguf(&model, job);
    }
    // A merged update is rounded once, to the new type.
    let merged = || Checkpoint::load_merged_in_full(model.directory());
    let checkpoint = match job.dtype.as_deref() {
        None => Checkpoint::load_merged(model.directory())?,
        Some("f32") => merged()?.widened(),
        Some("bf16") => merged()?.halved(HalfKind::Bf16),
        Some("f16") => merged()?.halved(HalfKind::F16),
        Some(other) => {
            return Err(UsageError::request(format!(
                "--dtype {other}: only a GGUF file can have this type; expected f32, bf16 or f16, or a file name that ends in .gguf"
            )));
        }
    };
    let out = &job.out;
    if out.exists() {
        return Err(UsageError::request(format!("{} exists already; choose another name or remove it", out.display())));
    }
    let sha256 = create_directory(out, |place| {
        let sha256 = checkpoint.save(place)?;
        carry_records(model.directory(), place)?;
        Ok::<_, anyhow::Error>(sha256)
    })?;
    console::print(&format!("{}: {} parameters, weights {sha256}", out.display(), checkpoint.spec.parameter_count()))
}

/// Refuses a checkpoint whose files are links out of its directory: what they lead to would become a part of what is written and shared.
fn refuse_links(model: &Path) -> Result<()> {
    own_files(model)?;
    if is_adapter(model) {
        own_files(&base_of(model)?)?;
    }
    Ok(())
}

fn convert_to_gguf(model: &Model, job: &Convert) -> Result<()> {
    if job.out.exists() {
        return Err(UsageError::request(format!("{} exists already; choose another name or remove it", job.out.display())));
    }
    let wanted = job.dtype.as_deref().unwrap_or("f16");
    let named = GgufType::NAMES.into_iter().find(|(name, _)| *name == wanted);
    let (_, kind) = named.expect("the arguments allow known types only");
    let checkpoint = Checkpoint::load_merged_in_full(model.directory())?;
    let name = job.out.file_stem().unwrap_or_default().to_string_lossy();
    save_gguf(&checkpoint, model.directory(), &job.out, kind, &name)?;
    console::print(&format!("{}: {} parameters, {wanted}", job.out.display(), checkpoint.spec.parameter_count()))
}
