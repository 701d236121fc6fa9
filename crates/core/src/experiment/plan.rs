//! The one estimate of what a run will cost, before it starts, on this machine and on accelerators. `starloop plan` and `run --dry-run` show it.
//!
//! | | file | from |
//! |---|---|---|
//! | work: prompts, tokens, steps | `work.rs` | the method and the texts of `problems.rs` |
//! | operations | `model.rs` | the model's shape (`shapes.rs`) |
//! | memory here | `memory.rs` | [`starloop_lm::memory`] |
//! | time here | `speed.rs` | a measurement of some seconds |
//! | memory and time elsewhere | `hardware.rs` | data sheets and `assumptions.rs` |
//!
//! A plan needs the config and the model's config.json only. Work is counted at most: every problem rationalized, every iteration run, every
//! packed sequence full. Speed elsewhere is a data sheet times shares; each share is an assumption with a name, which the plan prints and a
//! user can set. A plan is a bound and a comparison. It does not count slow and failing machines (docs/scaling.md has figures for them).

mod assumptions;
mod hardware;
mod memory;
mod model;
mod problems;
mod shapes;
mod speed;
mod work;

pub use assumptions::Assumptions;
pub use hardware::{ACCELERATORS, Accelerator, Serving, Training};
pub use memory::EngineMemory;
pub use model::ModelCost;
pub use shapes::known as known_shapes;
pub use speed::{Measure, Measured, Speed};
pub use work::{Lengths, Work};

use crate::error::Result;
use crate::experiment::base_model::BaseModel;
use crate::experiment::{Experiment, ResolvedMethod};
use crate::task::Task;
use problems::Problems;
use serde::Serialize;
use shapes::Shape;

/// The wishes of a plan.
#[derive(Debug, Clone)]
pub struct PlanRequest<'a> {
    /// The model's shape: a known name, a config.json or a directory; by default the config's base.
    pub shape: Option<&'a str>,
    /// Problems that an iteration attempts, instead of the config's.
    pub problems: Option<usize>,
    /// The devices.
    pub accelerators: &'a [Accelerator],
    /// How many of them.
    pub devices: u32,
    /// The assumptions.
    pub assumptions: Assumptions,
    /// The measurements on this machine, for the embedded engine's hours.
    pub measure: Measure,
}

/// The cost of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// The model.
    pub model: ModelCost,
    /// The source of problems and texts.
    pub problems: String,
    /// How tokens were counted.
    pub tokens_counted_by: String,
    /// The assumptions.
    pub assumptions: Assumptions,
    /// Devices of each kind in the ways below.
    pub devices: u32,
    /// Each method's, in order.
    pub methods: Vec<MethodPlan>,
    /// The memory of the embedded engine on this machine.
    pub memory: EngineMemory,
    /// This machine's speed, where it was measured.
    pub speed: Option<Speed>,
}

/// The cost of one method.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MethodPlan {
    /// The method's name in the config.
    pub method: String,
    /// Tokens of its texts.
    pub lengths: Lengths,
    /// The numbers of requests and training examples.
    pub work: Work,
    /// Floating-point operations of sampling, the worked examples being read once for each prompt.
    pub sampling_flops: f64,
    /// Floating-point operations of training.
    pub training_flops: f64,
    /// Hours of the embedded engine on this machine, where all parts of the work were measured.
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
}

impl Way {
    fn of(accelerator: &Accelerator, model: &ModelCost, work: &Work, method: &ResolvedMethod, request: &PlanRequest<'_>) -> Self {
        let PlanRequest { devices, assumptions, .. } = request;
        let serving = accelerator.serve(*devices, model, work, assumptions);
        let training = accelerator.train(*devices, model, work, &method.settings.training, assumptions);
        // Servers keep the worked examples' keys and values from one prompt to the next.
        let read = if assumptions.prefix_cache { work.own_prompt_tokens } else { work.prompt_tokens };
        let seconds = serving
            .map_or(f64::INFINITY, |serving| work.completion_tokens / serving.tokens_per_second + read / serving.prompt_tokens_per_second);
        Way {
            accelerator: accelerator.name,
            serving,
            training,
            sampling_hours: seconds / 3600.0,
            training_hours: work.trained_tokens as f64 / training.tokens_per_second / 3600.0,
            starting_hours: (work.server_starts + work.trainer_starts) as f64 * assumptions.start_seconds / 3600.0,
        }
    }

    /// Hours of it all, where everything goes well.
    pub fn hours(&self) -> f64 {
        self.sampling_hours + self.training_hours + self.starting_hours
    }
}

/// Plans a config that is about to run. The base and the task's data have to be there, as for the run.
///
/// # Errors
/// The base model or the data is missing, or the measured parts do not fit into the memory that this process may use.
pub fn before_run(experiment: &Experiment, request: &PlanRequest<'_>) -> Result<Plan> {
    let base = BaseModel::of(&experiment.config().model)?;
    let mut task = experiment.read_task()?;
    experiment.fit(task.as_mut(), &base)?;
    plan_for(experiment, request, Some(task))
}

/// Plans a config.
///
/// # Errors
/// The model's shape cannot be found, or the task can be had neither with its data nor without.
pub fn plan(experiment: &Experiment, request: &PlanRequest<'_>) -> Result<Plan> {
    plan_for(experiment, request, None)
}

/// Plans a config, with its task if the data was read already.
fn plan_for(experiment: &Experiment, request: &PlanRequest<'_>, task: Option<Box<dyn Task>>) -> Result<Plan> {
    let config = experiment.config();
    let shape = shapes::find(config, request.shape)?;
    let problems = Problems::of(experiment, task, shape.directory.as_deref(), request)?;
    let model = ModelCost::new(&shape.source, &shape.spec, &config.training)?;
    let memory = EngineMemory::of(config, &shape.spec)?;
    let speed = speed::speed(experiment, &shape, &problems, &memory, request.measure)?;
    let methods: Result<Vec<MethodPlan>> =
        experiment.methods_to_run().map(|method| plan_method(method, &shape, &problems, speed, request)).collect();
    Ok(Plan {
        model,
        problems: problems.source.clone(),
        tokens_counted_by: problems.counted_by(),
        assumptions: request.assumptions.clone(),
        devices: request.devices,
        methods: methods?,
        memory,
        speed,
    })
}

fn plan_method(
    method: &ResolvedMethod,
    shape: &Shape,
    problems: &Problems,
    speed: Option<Speed>,
    request: &PlanRequest<'_>,
) -> Result<MethodPlan> {
    let model = ModelCost::new(&shape.source, &shape.spec, &method.settings.training)?;
    let lengths = Lengths::of(problems, method)?;
    let work = Work::of(problems, method, &lengths);
    let sampling_flops = work.prompt_tokens * model.prefill_flops(work.mean_prompt)
        + work.completion_tokens * model.forward_flops(work.mean_prompt + work.mean_completion / 2.0);
    let training_flops = work.trained_tokens as f64 * model.training_flops(work.mean_example);
    let embedded_hours = speed.and_then(|speed| speed.hours(sampling_flops, training_flops, &work));
    let way = |accelerator: &Accelerator| Way::of(accelerator, &model, &work, method, request);
    let ways = request.accelerators.iter().map(way).collect();
    Ok(MethodPlan { method: method.name.clone(), lengths, work, sampling_flops, training_flops, embedded_hours, ways })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
