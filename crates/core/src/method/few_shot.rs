//! Few-shot prompting: the base model with worked examples in its prompt, nothing learned (the paper's first baselines).

use super::{Approach, Estimate, Method, evaluations};
use crate::config::{Invalid, MethodSettings};
use crate::error::Result;
use crate::method_run::MethodRun;
use crate::task::Task;
use crate::types::Style;
use serde::{Deserialize, Serialize};

/// `kind = "few_shot"`. The number of worked examples is `sampling.few_shot`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct FewShot {
    /// The content of the worked examples: `rationale` (the paper's chain of thought) or `direct`, the answers alone.
    pub style: Style,
}

impl Default for FewShot {
    fn default() -> Self {
        FewShot { style: Style::Rationale }
    }
}

impl Method for FewShot {
    fn approach(&self) -> Approach {
        match self.style {
            Style::Rationale => Approach::FewShot,
            Style::Direct => Approach::FewShotDirect,
        }
    }

    fn style(&self) -> Style {
        self.style
    }

    fn check(&self, _: &MethodSettings) -> Result<(), Invalid> {
        Ok(())
    }

    fn estimate(&self, settings: &MethodSettings, task: &dyn Task) -> Estimate {
        Estimate { evaluations: evaluations(settings, task, 0), ..Estimate::default() }
    }

    fn run(&self, run: &mut MethodRun<'_>) -> Result<()> {
        run.measure_base(self.style).map(drop)
    }
}
