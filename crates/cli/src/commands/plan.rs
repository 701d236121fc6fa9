//! `starloop plan`: what a run will cost before it starts, here and elsewhere.

use crate::console;
use crate::overrides::Overrides;
use anyhow::Result;
use starloop_core::config::Config;
use starloop_core::experiment::Experiment;
use starloop_core::registry::Registry;
use starloop_core::plan::simulate::{Simulated, Trials};
use starloop_core::plan::{self, ACCELERATORS, Accelerator, Assumptions, Embedded, MethodPlan, Plan, Request, Way};

/// Tell what a run will cost before it starts: prompts, tokens, operations, memory and hours, on this machine and on accelerators.
///
/// Needs no weights, no data and no accelerator. Work is counted at most: every problem rationalized, every packed sequence full.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop plan gsm8k                                          GPT-J 6B on GSM8K, on 8 devices of each kind and on this machine
  starloop plan gsm8k --devices 64 --problems 1000000 --set run='[\"star\"]' --set methods.star.iterations=3
  starloop plan my.toml --shape bases/NAME/config.json --accelerator A100 --assume training_share=0.3
  starloop plan gsm8k --simulate --trial hours_between_failures=200 --trial slow_share=0.1
  starloop plan gsm8k --json --no-measurement

--assume and --trial take the names that the plan prints.")]
pub struct Arguments {
    /// A preset's name or a TOML file
    config: String,
    /// The model's shape: a config.json, a directory with one, or a known name [default: the config's base]
    #[arg(long, value_name = "SHAPE")]
    shape: Option<String>,
    /// Problems that an iteration attempts, instead of the config's
    #[arg(long, value_name = "N")]
    problems: Option<usize>,
    /// Accelerators of a kind that work together
    #[arg(long, value_name = "N", default_value_t = DEVICES, value_parser = clap::value_parser!(u32).range(1..))]
    devices: u32,
    /// Only this kind: H100, H200 or A100
    #[arg(long, value_name = "NAME", value_parser = accelerator)]
    accelerator: Option<Accelerator>,
    /// Set an assumption
    #[arg(long, value_name = "NAME=VALUE")]
    assume: Vec<String>,
    /// Do not measure this machine, which takes some seconds
    #[arg(long)]
    no_measurement: bool,
    /// Simulate slow and failing machines
    #[arg(long)]
    simulate: bool,
    /// Set how often and how badly things go wrong
    #[arg(long, value_name = "NAME=VALUE", requires = "simulate")]
    trial: Vec<String>,
    #[command(flatten)]
    overrides: Overrides,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// Accelerators that are planned for unless another number is asked for.
const DEVICES: u32 = 8;

fn accelerator(name: &str) -> Result<Accelerator, String> {
    let names = || ACCELERATORS.map(|accelerator| accelerator.name).join(", ");
    Accelerator::find(name).copied().ok_or_else(|| format!("there are {}", names()))
}

pub fn run(arguments: &Arguments, registry: &Registry) -> Result<()> {
    let experiment = Experiment::new(Config::load(&arguments.config, &arguments.overrides.list())?, registry)?;
    let accelerators = arguments.accelerator.map_or_else(|| ACCELERATORS.to_vec(), |only| vec![only]);
    let trials = if arguments.simulate { Some(Trials::from_overrides(&arguments.trial)?) } else { None };
    let request = Request {
        shape: arguments.shape.as_deref(),
        problems: arguments.problems,
        accelerators: &accelerators,
        devices: arguments.devices,
        assumptions: Assumptions::from_overrides(&arguments.assume)?,
        measure: !arguments.no_measurement,
        trials: trials.clone(),
    };
    let plan = plan::plan(&experiment, &request)?;
    if arguments.json {
        return console::print_json(&serde_json::json!({ "plan": plan, "trials": trials }));
    }
    head(&plan)?;
    for method in &plan.methods {
        show(method, &plan)?;
    }
    if let Some(trials) = &trials {
        let table = serde_json::to_value(trials)?;
        let named = table.as_object().into_iter().flatten().map(|(name, value)| format!("{name} = {value}"));
        console::print(&format!("\nsimulated with {}", named.collect::<Vec<_>>().join(", ")))?;
    }
    console::print("\nassumed, and set by --assume:")?;
    for (name, value) in plan.assumptions.named() {
        console::print(&format!("  {name} = {value}"))?;
    }
    let sheet = |a: &Accelerator| {
        format!("{} {} Tflop/s in bf16, {} GB at {} GB/s, links of {} GB/s", a.name, a.tera_flops, a.memory_gb, a.bandwidth_gb, a.link_gb)
    };
    console::print(&format!("data sheets: {}", accelerators.iter().map(sheet).collect::<Vec<_>>().join("; ")))?;
    console::print(
        "counted at most: all iterations, every problem rationalized, every packed sequence full; serving in 16 bits; training in 32 bits,\n\
         sharded over all devices, computing in bf16; sampling and training one after another, on the same devices",
    )
}

fn head(plan: &Plan) -> Result<()> {
    let Plan { model, embedded: Embedded { sampling, training, speed }, .. } = plan;
    let trained = if model.trained == model.parameters { String::new() } else { format!(", {} of them trained", model.trained) };
    console::print(&format!(
        "model     {} parameters{trained}; {}\n\
         problems  {}\n\
         tokens    counted by {}\n\
         memory    here: sampling {}, training {}",
        model.parameters,
        model.source,
        plan.problems,
        plan.tokens_counted_by,
        gigabytes(sampling.total() as f64),
        gigabytes(training.total() as f64),
    ))?;
    let Some(speed) = speed else { return Ok(()) };
    let (what, unit, scale) = match speed.of {
        plan::Measured::Base => ("the base", "tokens/s", 1.0),
        plan::Measured::StandIn => ("a random llama of width 1024", "Gflop/s", 1e9),
    };
    let (sampling, training) = (speed.sampling / scale, speed.training / scale);
    console::print(&format!("measured  {what}, {} threads: {sampling:.0} {unit} sampled, {training:.0} {unit} trained", speed.threads))
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
        millions(work.prompt_tokens),
        millions(work.completion_tokens),
        work.steps,
        millions(work.trained_tokens as f64),
        method.sampling_flops,
        method.training_flops,
    ))?;
    if let Some(hours) = method.embedded_hours {
        console::print(&format!("  here        {}", time(hours)))?;
    }
    for way in &method.ways {
        console::print(&line(way, plan.devices, work.steps > 0))?;
        if let Some(simulated) = &way.simulated {
            console::print(&disturbed(simulated, work.iterations))?;
        }
    }
    Ok(())
}

/// What servers and other programs do of a config's work, on accelerators by their data sheets: a line for each method and kind.
///
/// # Errors
/// The model's shape or the task cannot be had.
pub fn elsewhere(experiment: &Experiment) -> Result<Vec<String>> {
    let request = Request {
        shape: None,
        problems: None,
        accelerators: &ACCELERATORS,
        devices: DEVICES,
        assumptions: Assumptions::default(),
        measure: false,
        trials: None,
    };
    let plan = plan::plan(config, &request)?;
    let lines = plan.methods.iter().flat_map(|method| {
        let ways = method.ways.iter().map(|way| line(way, plan.devices, method.work.steps > 0));
        std::iter::once(format!("{}:", method.method)).chain(ways)
    });
    Ok(lines.collect())
}

/// `8 x H100     12 h: sampling 8.1 h (8 copies, 102 sequences at once, 50371 tokens/s), training 3.1 h on 8 (13 GB each), starts 0.9 h`
fn line(way: &Way, devices: u32, trains: bool) -> String {
    let head = format!("  {devices} x {:<8}", way.accelerator);
    let Some(serving) = way.serving else { return format!("{head}cannot hold the model in 16 bits; take more devices") };
    let together = match serving.devices_per_replica {
        1 => String::new(),
        several => format!(" on {several} devices each"),
    };
    let mut text = format!(
        "{head}{}: sampling {} ({} copies{together}, {:.0} sequences at once, {:.0} tokens/s)",
        time(way.hours()),
        time(way.sampling_hours),
        serving.replicas,
        serving.sequences,
        serving.tokens_per_second
    );
    if trains {
        let fits = if way.training.fits { "" } else { ", MORE THAN FITS" };
        let memory = gigabytes(way.training.state_bytes + way.training.activation_bytes);
        let training = time(way.training_hours);
        let waits = if way.training.waits_for_links { ", waiting for each other's weights" } else { "" };
        text = format!("{text}, training {training} on {} ({memory} each{fits}{waits})", way.training.devices);
    }
    text + &format!(", starts {}", time(way.starting_hours))
}

fn disturbed(simulated: &Simulated, iterations: u32) -> String {
    let Simulated { undisturbed_hours, sampling_hours, shared_out_hours, training_hours, unsaved_training_hours, .. } = simulated;
    let all = f64::from(iterations) * (sampling_hours.mean + training_hours.mean);
    format!(
        "                an iteration, simulated: {} undisturbed; sampling {} (9 of 10 within {}; {} if shared out beforehand), training {}\n\
         {:16}(9 of 10 within {}; {} without saved states); {:.1} failures, {:.0} requests asked again; {iterations} iterations {}",
        time(*undisturbed_hours),
        time(sampling_hours.mean),
        time(sampling_hours.ninth_tenth),
        time(shared_out_hours.mean),
        time(training_hours.mean),
        "",
        time(training_hours.ninth_tenth),
        time(unsaved_training_hours.mean),
        simulated.failures,
        simulated.asked_again,
        time(all),
    )
}

fn time(hours: f64) -> String {
    match hours * 3600.0 {
        endless if !endless.is_finite() => "no end".into(),
        short if short < 120.0 => format!("{short:.0} s"),
        some if some < 7200.0 => format!("{:.0} min", some / 60.0),
        _ if hours < 96.0 => format!("{hours:.1} h"),
        _ => format!("{:.1} days", hours / 24.0),
    }
}

fn gigabytes(bytes: f64) -> String {
    if bytes < 1e9 { format!("{:.0} MB", bytes / 1e6) } else { format!("{:.1} GB", bytes / 1e9) }
}

fn millions(count: f64) -> String {
    match count {
        small if small < 1e6 => format!("{small:.0}"),
        some if some < 1e9 => format!("{:.1} M", some / 1e6),
        _ => format!("{:.2} G", count / 1e9),
    }
}
