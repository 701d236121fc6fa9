//! `starloop plan`: an estimate of a run's cost, on this machine and on accelerators.

use crate::access::Access;
use crate::console;
use crate::overrides::Overrides;
use anyhow::Result;
use starloop_core::experiment::Experiment;
use starloop_core::experiment::plan::{
    self, ACCELERATORS, Accelerator, Assumptions, EngineMemory, Measure, Measured, MethodPlan, Plan, PlanRequest, Speed, Way,
};
use starloop_core::registry::Registry;
use starloop_record::format::{bytes, count, duration};

/// Estimate the cost of a run before it starts: prompts, tokens, operations, memory and hours, on this machine and on accelerators.
///
/// Needs no weights, no data and no accelerator. All counts are upper limits: every problem rationalized, every packed sequence full.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop plan gsm8k                                          GPT-J 6B on GSM8K, on 8 devices of each kind and on this machine
  starloop plan gsm8k --devices 64 --problems 1000000 --set run='[\"star\"]' --set methods.star.iterations=3
  starloop plan my.toml --shape bases/NAME/config.json --accelerator A100 --assume training_share=0.3
  starloop plan gsm8k --json --no-measurement

--assume accepts the names that the plan prints.")]
pub struct Arguments {
    /// A preset's name or a TOML file
    config: String,
    /// The model's shape: a config.json, a directory that holds one, or a known name [default: the config's base]
    #[arg(long, value_name = "SHAPE")]
    shape: Option<String>,
    /// Number of problems that an iteration attempts, instead of the config's
    #[arg(long, value_name = "N")]
    problems: Option<usize>,
    /// Number of accelerators that work together
    #[arg(long, value_name = "N", default_value_t = DEVICES, value_parser = clap::value_parser!(u32).range(1..))]
    devices: u32,
    /// Plan for this accelerator only: H100, H200 or A100
    #[arg(long, value_name = "NAME", value_parser = accelerator)]
    accelerator: Option<Accelerator>,
    /// Set an assumption
    #[arg(long, value_name = "NAME=VALUE")]
    assume: Vec<String>,
    /// Do not measure the speed of this machine (the measurement takes some seconds)
    #[arg(long)]
    no_measurement: bool,
    #[command(flatten)]
    overrides: Overrides,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// The default number of accelerators.
const DEVICES: u32 = 8;

fn accelerator(name: &str) -> Result<Accelerator, String> {
    let names = || ACCELERATORS.map(|accelerator| accelerator.name).join(", ");
    Accelerator::find(name).copied().ok_or_else(|| format!("unknown accelerator; expected {}", names()))
}

pub fn run(arguments: &Arguments, registry: &Registry, access: Access) -> Result<()> {
    let experiment = access.experiment(&arguments.config, &arguments.overrides.list(), registry)?;
    let accelerators = arguments.accelerator.map_or_else(|| ACCELERATORS.to_vec(), |only| vec![only]);
    let request = PlanRequest {
        shape: arguments.shape.as_deref(),
        problems: arguments.problems,
        accelerators: &accelerators,
        devices: arguments.devices,
        assumptions: Assumptions::from_overrides(&arguments.assume)?,
        measure: if arguments.no_measurement { Measure::Nothing } else { Measure::Everything },
    };
    let plan = plan::plan(&experiment, &request)?;
    if arguments.json {
        return console::print_json(&serde_json::json!({ "plan": plan }));
    }
    head(&plan)?;
    for method in &plan.methods {
        show(method, &plan)?;
    }
    console::print("\nassumptions (change them with --assume):")?;
    for (name, value) in plan.assumptions.named() {
        console::print(&format!("  {name} = {value}"))?;
    }
    let sheet = |a: &Accelerator| {
        format!("{} {} Tflop/s in bf16, {} GB at {} GB/s, links of {} GB/s", a.name, a.tera_flops, a.memory_gb, a.bandwidth_gb, a.link_gb)
    };
    console::print(&format!("data sheets: {}", accelerators.iter().map(sheet).collect::<Vec<_>>().join("; ")))?;
    console::print(
        "Counts are upper limits: all iterations, every problem rationalized, every packed sequence full. Serving uses 16 bits.\nTraining uses 32 \
         bits, sharded over all devices, and computes in bf16. Sampling and training run one after another on the same devices.",
    )
}

fn head(plan: &Plan) -> Result<()> {
    let model = &plan.model;
    let trained = if model.trained == model.parameters { String::new() } else { format!(", {} of them trained", model.trained) };
    console::print(&format!(
        "model     {} parameters{trained}; {}\n\
         problems  {}\n\
         tokens    counted by {}\n\
         memory    here: {}",
        model.parameters,
        model.source,
        plan.problems,
        plan.tokens_counted_by,
        memory(&plan.memory),
    ))?;
    plan.speed.map_or(Ok(()), |speed| console::print(&format!("measured  {}", measured(&speed))))
}

/// `sampling 120.0 MB, training 2.3 GB; computed in parts that fit 700.0 MB (--memory)`
pub fn memory(memory: &EngineMemory) -> String {
    let EngineMemory { sampling, training, limit } = memory;
    let needs = format!("sampling {}, training {}", bytes(sampling.total() as u64), bytes(training.total() as u64));
    match limit {
        Some(limit) if *limit < sampling.total().max(training.total()) => {
            format!("{needs}; computed in parts that fit {} (--memory)", bytes(*limit as u64))
        }
        _ => needs,
    }
}

/// `the base, 2 threads: 5120 tokens/s sampled, 810 tokens/s trained`
pub fn measured(speed: &Speed) -> String {
    let (what, unit, scale) = match speed.of {
        Measured::Base => ("the base", "tokens/s", 1.0),
        Measured::StandIn => ("a random llama of width 1024", "Gflop/s", 1e9),
    };
    let parts = [(speed.sampling, "sampled"), (speed.training, "trained")];
    let parts = parts.iter().filter_map(|(speed, done)| Some(format!("{} {unit} {done}", count((*speed)? / scale))));
    format!("{what}, {} threads: {}", speed.threads, parts.collect::<Vec<_>>().join(", "))
}

fn show(method: &MethodPlan, plan: &Plan) -> Result<()> {
    let MethodPlan { work, lengths, .. } = method;
    console::print(&format!(
        "\n{}: {} iterations, {} prompts ({:.0} + {:.0} tokens and a completion of {:.0}), {} tokens read, {} sampled;\n\
         {} steps, {} tokens trained; {:.2e} + {:.2e} flop",
        method.method,
        work.iterations,
        work.prompts,
        lengths.worked_examples,
        lengths.problem,
        lengths.completion,
        count(work.prompt_tokens),
        count(work.completion_tokens),
        work.steps,
        count(work.trained_tokens as f64),
        method.sampling_flops,
        method.training_flops,
    ))?;
    if let Some(hours) = method.embedded_hours {
        console::print(&format!("  here        {}", duration(3600.0 * hours)))?;
    }
    for way in &method.ways {
        console::print(&line(way, plan.devices, work.steps > 0))?;
    }
    Ok(())
}

/// Plans a config that is about to run. The parts that run on this machine are measured.
///
/// # Errors
/// The base model or the task's data is missing, or the measured parts do not fit into the memory that this process may use.
pub fn before_run(experiment: &Experiment) -> Result<Plan> {
    let request = PlanRequest {
        shape: None,
        problems: None,
        accelerators: &ACCELERATORS,
        devices: DEVICES,
        assumptions: Assumptions::default(),
        measure: Measure::AsConfigured,
    };
    Ok(plan::before_run(experiment, &request)?)
}

/// The estimates for accelerators: a line for each method and accelerator.
pub fn elsewhere(plan: &Plan) -> impl Iterator<Item = String> {
    plan.methods.iter().flat_map(|method| {
        let ways = method.ways.iter().map(|way| line(way, plan.devices, method.work.steps > 0));
        std::iter::once(format!("{}:", method.method)).chain(ways)
    })
}

/// `8 x H100     12 h 06 min: sampling 8 h 06 min (8 copies, 102 sequences at once, 50.4k tokens/s), training 3 h 06 min on 8 (13.0 GB each),
/// starts 54 min`
fn line(way: &Way, devices: u32, trains: bool) -> String {
    let head = format!("  {devices} x {:<8}", way.accelerator);
    let Some(serving) = way.serving else { return format!("{head}cannot hold the model in 16 bits; use more devices") };
    let together = match serving.devices_per_replica {
        1 => String::new(),
        several => format!(" on {several} devices each"),
    };
    let mut text = format!(
        "{head}{}: sampling {} ({} copies{together}, {:.0} sequences at once, {} tokens/s)",
        duration(3600.0 * way.hours()),
        duration(3600.0 * way.sampling_hours),
        serving.replicas,
        serving.sequences,
        count(serving.tokens_per_second)
    );
    if trains {
        let fits = if way.training.fits { "" } else { ", DOES NOT FIT" };
        let memory = bytes((way.training.state_bytes + way.training.activation_bytes) as u64);
        let training = duration(3600.0 * way.training_hours);
        let waits = if way.training.waits_for_links { ", limited by the links" } else { "" };
        text = format!("{text}, training {training} on {} ({memory} each{fits}{waits})", way.training.devices);
    }
    text + &format!(", starts {}", duration(3600.0 * way.starting_hours))
}
