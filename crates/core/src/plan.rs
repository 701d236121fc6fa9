//! What a run will cost before it starts, here and on accelerators: prompts, tokens, floating-point operations, memory, hours.
//!
//! Nothing but the config and the model's config.json is needed. Work is counted at most: every problem rationalized, every iteration run,
//! every packed sequence full. Speed is a data sheet times shares that are assumptions, each a number with a name which the plan prints and a
//! user can set; for this machine it is measured. A plan is a bound and a comparison, no promise: [`simulate`] says what slow and failing
//! machines add.

mod assumptions;
mod hardware;
mod here;
mod model;
mod problems;
mod shapes;
pub mod simulate;

pub use assumptions::Assumptions;
pub use hardware::{ACCELERATORS, Accelerator, Serving, Training};
pub use here::{Embedded, Measured, Speed};
pub use model::Model;
pub use problems::{Lengths, Work};
pub use shapes::known as known_shapes;

use crate::error::Result;
use crate::experiment::{Experiment, ResolvedMethod};
use problems::Problems;
use serde::Serialize;
use shapes::Shape;
use simulate::{Simulated, Trials};

/// What a plan is asked for.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The model's shape: a known name, a config.json or a directory; by default the config's base.
    pub shape: Option<&'a str>,
    /// Problems that an iteration attempts, instead of the config's.
    pub problems: Option<usize>,
    /// The devices.
    pub accelerators: &'a [Accelerator],
    /// How many of them.
    pub devices: u32,
    /// What is assumed.
    pub assumptions: Assumptions,
    /// Measure this machine, for the embedded engine's hours.
    pub measure: bool,
    /// Simulate slow and failing machines.
    pub trials: Option<Trials>,
}

/// What a run will cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// The model.
    pub model: Model,
    /// Where problems and texts come from.
    pub problems: String,
    /// How tokens were counted.
    pub tokens_counted_by: String,
    /// What is assumed.
    pub assumptions: Assumptions,
    /// Devices of each kind in the ways below.
    pub devices: u32,
    /// Each method's, in order.
    pub methods: Vec<MethodPlan>,
    /// The embedded engine's memory, and this machine's measured speed.
    pub embedded: Embedded,
}

/// The cost of one method.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MethodPlan {
    /// The method's name in the config.
    pub method: String,
    /// Tokens of its texts.
    pub lengths: Lengths,
    /// What it asks and learns.
    pub work: Work,
    /// Floating-point operations of sampling, the worked examples being read once for each prompt.
    pub sampling_flops: f64,
    /// Floating-point operations of training.
    pub training_flops: f64,
    /// Hours of the embedded engine on this machine, where it was measured.
    pub embedded_hours: Option<f64>,
    /// The ways to do it elsewhere.
    pub ways: Vec<Way>,
}

/// A method on accelerators of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Way {
    /// The device.
    pub accelerator: &'static str,
    /// How the model is served; nothing where the devices cannot hold it.
    pub serving: Option<Serving>,
    /// How it is trained.
    pub training: Training,
    /// Hours of sampling and measuring.
    pub sampling_hours: f64,
    /// Hours of training.
    pub training_hours: f64,
    /// Hours of starting servers and trainers and of loading weights.
    pub starting_hours: f64,
    /// What slow and failing machines make of an iteration, where it was simulated.
    pub simulated: Option<Simulated>,
}

impl Way {
    /// Hours of it all, where everything goes well.
    pub fn hours(&self) -> f64 {
        self.sampling_hours + self.training_hours + self.starting_hours
    }
}

/// Plans a config.
///
/// # Errors
/// The model's shape cannot be found, or the task can be had neither with its data nor without.
pub fn plan(experiment: &Experiment, request: &Request<'_>) -> Result<Plan> {
    let config = experiment.config();
    let shape = shapes::find(config, request.shape)?;
    let problems = Problems::of(experiment, shape.directory.as_deref(), request.problems, &request.assumptions)?;
    let model = Model::new(&shape.source, &shape.spec, &config.training)?;
    let embedded = here::embedded(experiment, &shape, request.measure)?;
    let methods: Result<Vec<MethodPlan>> =
        experiment.methods_to_run().map(|method| plan_method(method, &shape, &problems, &embedded, request)).collect();
    Ok(Plan {
        model,
        problems: problems.source.clone(),
        tokens_counted_by: problems.counted_by(),
        assumptions: request.assumptions.clone(),
        devices: request.devices,
        methods: methods?,
        embedded,
    })
}

fn plan_method(
    method: &ResolvedMethod,
    shape: &Shape,
    problems: &Problems,
    embedded: &Embedded,
    request: &Request<'_>,
) -> Result<MethodPlan> {
    let model = Model::new(&shape.source, &shape.spec, &method.settings.training)?;
    let lengths = problems.lengths(method)?;
    let work = problems.work(method, &lengths);
    let sampling_flops = work.prompt_tokens * model.prefill_flops(work.mean_prompt)
        + work.completion_tokens * model.forward_flops(work.mean_prompt + work.mean_completion / 2.0);
    let training_flops = work.trained_tokens as f64 * model.training_flops(work.mean_example);
    let embedded_hours = embedded.speed.map(|speed| speed.hours(sampling_flops, training_flops, &work));
    let way = |accelerator: &Accelerator| way(accelerator, &model, &work, method, request);
    let ways = request.accelerators.iter().map(way).collect();
    Ok(MethodPlan { method: method.name.clone(), lengths, work, sampling_flops, training_flops, embedded_hours, ways })
}

fn way(accelerator: &Accelerator, model: &Model, work: &Work, method: &ResolvedMethod, request: &Request<'_>) -> Way {
    let Request { devices, assumptions, .. } = request;
    let serving = accelerator.serve(*devices, model, work, assumptions);
    let training = accelerator.train(*devices, model, work, &method.settings.training, assumptions);
    // Servers keep the worked examples' keys and values from one prompt to the next.
    let read = if assumptions.prefix_cache { work.own_prompt_tokens } else { work.prompt_tokens };
    let seconds = serving
        .map_or(f64::INFINITY, |serving| work.completion_tokens / serving.tokens_per_second + read / serving.prompt_tokens_per_second);
    let training_seconds = work.trained_tokens as f64 / training.tokens_per_second;
    // The base is served once, and each iteration's model again; where nothing is trained, nothing else starts.
    let starts = 1 + if work.steps > 0 { 2 * u64::from(work.iterations) } else { 0 };
    let simulated = request.trials.as_ref().zip(serving).filter(|_| work.iterations > 0).map(|(trials, serving)| {
        let stage =
            simulate::Stage::of(work, &serving, read, training_seconds, training.devices, method.settings.training.checkpoint_every);
        simulate::simulate(&stage, trials)
    });
    Way {
        accelerator: accelerator.name,
        serving,
        training,
        sampling_hours: seconds / 3600.0,
        training_hours: training_seconds / 3600.0,
        starting_hours: starts as f64 * assumptions.start_seconds / 3600.0,
        simulated,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
