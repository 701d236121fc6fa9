//! Few-shot prompting: the base model with worked examples in its prompt, nothing learned (the paper's first baseline).

use super::{Estimate, Method, estimate_evaluation};
use crate::config::{Invalid, MethodConfig};
use crate::error::Result;
use crate::iterate::Arm;
use crate::task::Task;
use serde::{Deserialize, Serialize};

/// `kind = "few_shot"`. The number of worked examples is `sampling.few_shot`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FewShot {}

impl Method for FewShot {
    fn check(&self, _: &MethodConfig) -> Result<(), Invalid> {
        Ok(())
    }

    fn estimate(&self, config: &MethodConfig, task: &dyn Task) -> Estimate {
        estimate_evaluation(config, task, 0)
    }

    fn run(&self, arm: &mut Arm<'_>) -> Result<()> {
        arm.measure_base().map(drop)
    }
}
