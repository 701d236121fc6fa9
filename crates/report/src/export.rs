//! Results of runs in the formats of other tools: figures for spreadsheets and TensorBoard, the training set for `datasets` and TRL, a bitmap of
//! the figure, and the model card of a checkpoint.
//!
//! Exports read finished files and change nothing in a run directory.

mod card;
mod chosen;
mod dataset;
mod figures;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(feature = "png")]
mod picture;
mod portable;
mod tensorboard;
mod training_set;

pub use card::{Weights, card, chosen_iteration};
pub use chosen::Chosen;
pub use dataset::dataset;
pub use figures::{csv, json_lines};
pub use portable::{base_name, hub_name};
pub use tensorboard::tensorboard;
pub use training_set::{TrainingSet, training_set};

use crate::error::{Error, Result};
use crate::report::{MethodReport, RunReport};

/// Draws an SVG document of this crate as PNG. The font comes with the program, so the picture is the same on a machine without fonts.
///
/// # Errors
/// The document is not SVG, or the program was built without the feature `png`.
pub fn png(svg: &str) -> Result<Vec<u8>> {
    #[cfg(feature = "png")]
    return picture::png(svg);
    #[cfg(not(feature = "png"))]
    {
        let _ = svg;
        Err(Error::MissingFeature { what: "a PNG file", feature: "png" })
    }
}

/// A method of a run by its name; or the one that the report states first, if it trained; or the last one that trained.
///
/// # Errors
/// There is no such method, or none that trained.
pub fn method<'a>(run: &'a RunReport, name: Option<&str>) -> Result<&'a MethodReport> {
    let trained = |method: &&MethodReport| method.iterations.iter().any(|iteration| iteration.metrics.training.is_some());
    let found = if let Some(name) = name {
        run.methods.iter().find(|method| method.info.name == name)
    } else {
        let main = run.headline.as_ref().map(|headline| &headline.method);
        run.methods.iter().filter(trained).find(|method| Some(&method.info.name) == main).or_else(|| run.methods.iter().rfind(trained))
    };
    found.ok_or_else(|| {
        let names: Vec<_> = run.methods.iter().map(|method| method.info.name.as_str()).collect();
        let message = match name {
            Some(name) => format!("no method {name} with a finished iteration; it has: {}", names.join(", ")),
            None => "no method has trained".to_owned(),
        };
        Error::Unexportable { path: run.path.clone(), message }
    })
}
