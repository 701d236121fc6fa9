//! The untrained model's answers beside those of the measured methods.

use super::{MethodReport, RunReport, headline, read};
use crate::error::Result;
use crate::paired::Before;
use starloop_record::RunDir;
use std::collections::BTreeMap;

/// The untrained model's answers for each method of a run, by the method's name.
///
/// # Errors
/// The run has no finished iteration, or a file is damaged.
pub fn before(directory: &RunDir) -> Result<BTreeMap<String, Before>> {
    let run = read::run(directory.root(), &mut Vec::new())?;
    run.methods.iter().map(|method| Ok((method.info.name.clone(), of_method(&run, method, directory)?))).collect()
}

/// The same for one method.
pub(super) fn of_method(run: &RunReport, method: &MethodReport, directory: &RunDir) -> Result<Before> {
    let iteration = method.final_metrics.is_none().then(|| method.shown().iteration);
    Ok(Before { iteration, answers: headline::base_answers(run, method, directory)? })
}
