//! What a run found, in the forms of other tools: figures for spreadsheets and TensorBoard, the training set for `datasets` and TRL, pictures
//! for print, and checkpoints that explain themselves.
//!
//! Like the report, this reads finished files and changes nothing in a run directory.

mod checkpoint;
mod figures;
mod parquet;
mod picture;
mod tensorboard;
mod training_set;

pub use checkpoint::{Form, checkpoint, chosen};
pub use figures::{csv, json_lines};
pub use picture::png;
pub use tensorboard::tensorboard;
pub use training_set::{TrainingSet, training_set};

use crate::error::{Error, Result};
use crate::report::MethodReport;
use crate::report::RunReport;

/// A method of a run by its name; without one, the only one that trained, or the last.
///
/// # Errors
/// There is no such method, or none that trained.
pub fn method<'a>(run: &'a RunReport, name: Option<&str>) -> Result<&'a MethodReport> {
    let trained = |method: &&MethodReport| method.iterations.iter().any(|iteration| iteration.metrics.training.is_some());
    let found = match name {
        Some(name) => run.methods.iter().find(|method| method.name == name),
        None => run.methods.iter().rfind(trained),
    };
    found.ok_or_else(|| {
        let names: Vec<_> = run.methods.iter().map(|method| method.name.as_str()).collect();
        let message = match name {
            Some(name) => format!("has no method {name} with a finished iteration; there are: {}", names.join(", ")),
            None => "has no method that has trained".to_owned(),
        };
        Error::Unexportable { path: run.path.clone(), message }
    })
}
