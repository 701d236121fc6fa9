//! A task and a method from outside starloop, registered without a fork: `cargo run -p starloop-example-extension -- RUN_DIRECTORY`.

mod doubling;
mod shortest;

use starloop_core::config::Config;
use starloop_core::error::Result;
use starloop_core::event::{Event, Observer};
use starloop_core::experiment::Experiment;
use starloop_core::registry::{MethodKind, Registry, TaskKind};
use std::path::Path;

struct Print;

impl Observer for Print {
    fn observe(&mut self, event: &Event) {
        if let Event::IterationFinished { method, metrics } = event {
            eprintln!("{method}, iteration {}: {:.1}% right", metrics.iteration, 100.0 * metrics.accuracy.mean);
        }
    }
}

fn main() -> Result<()> {
    run(Path::new(&std::env::args().nth(1).unwrap_or_else(|| "runs/doubling".to_owned())))
}

fn run(directory: &Path) -> Result<()> {
    let registry = Registry::default()
        .with_task(TaskKind::new::<doubling::Doubling>("doubling", "twice a number"))
        .with_method(MethodKind::new::<shortest::Shortest>("shortest"));
    let config = Config::parse("experiment.toml", include_str!("../experiment.toml"), &[])?;
    Experiment::new(config, &registry)?.run(directory, true, &mut Print)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_own_task_and_method_run_and_are_recorded_by_name() {
        let place = std::env::temp_dir().join(format!("starloop-extension-{}", std::process::id()));
        super::run(&place).expect("the example runs");
        let run = starloop_record::RunDir::open_read_only(&place).expect("a run");
        let info = run.info().expect("run.json");
        assert_eq!((info.task.kind.as_str(), info.task.label.as_str()), ("doubling", "twice a number"));
        assert!(info.task.paper.is_empty() && info.methods[0].label == "shortest rationale");
        let metrics = run.metrics("shortest").expect("figures");
        // The base doubles numbers of two digits already. One right rationale of each problem is learned, and nothing is lost by it.
        let selection = metrics[1].selection;
        assert!(selection.problems_unhinted > 50 && selection.kept_unhinted == selection.problems_unhinted, "{selection:?}");
        assert!(metrics[1].accuracy.mean > 0.9, "{metrics:?}");
        std::fs::remove_dir_all(place).expect("removed");
    }
}
