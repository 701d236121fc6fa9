//! Warnings that tell a user early that a run may be useless.

use super::MethodRun;
use crate::error::Result;
use crate::event::Event;
use crate::metrics::IterationMetrics;
use crate::policy::prompting::Prompting;
use crate::types::{GradedAttempt, Verdict};
use starloop_record::format::percent;

impl MethodRun<'_> {
    /// Reports something that the user should know and that does not stop the run.
    ///
    /// # Errors
    /// [`Error::Cancelled`](crate::error::Error::Cancelled) if the observer cancels the run.
    pub fn warn(&mut self, message: &str) -> Result<()> {
        self.report(&Event::Warning { message: format!("{}: {message}", self.name) })
    }

    /// A base that was fine-tuned with other prompts than those of this run. Returns true if there is something to say.
    pub(super) fn warn_of_another_prompt(&mut self, few_shot: usize) -> Result<bool> {
        let asked = self.prompting(few_shot);
        let Some(trained) = Prompting::of_checkpoint(self.parts.base)? else { return Ok(false) };
        let differences = trained.differences(&asked);
        if differences.is_empty() {
            return Ok(false);
        }
        let base = self.parts.base.display();
        self.warn(&format!(
            "the model {base} is asked otherwise than it was trained, so its accuracy may be low: {}",
            differences.join("; ")
        ))?;
        Ok(true)
    }

    /// A base that solves nothing, or no more than guessing, cannot bootstrap (paper, section 5: GPT-2 failed even on arithmetic).
    pub(super) fn warn_of_a_hopeless_base(&mut self, metrics: &IterationMetrics) -> Result<()> {
        let (accuracy, chance) = (metrics.accuracy, self.parts.task.chance());
        if metrics.accuracy_is_of_the_verifier() || accuracy.correct > 0 && (chance == 0.0 || accuracy.low > chance) {
            return Ok(());
        }
        let few_shot = self.settings.sampling.few_shot;
        let solved = if accuracy.correct == 0 { "none".to_owned() } else { accuracy.correct.to_string() };
        let guessing = if chance > 0.0 { format!("; guessing gives {}%", percent(chance)) } else { String::new() };
        let wrong_reasons = if chance > 0.0 { "right answers may come with wrong reasoning, and " } else { "" };
        self.warn(&format!(
            "the base model solves {solved} of {} problems with {few_shot} worked examples in its prompt: {}% (95% interval {} to \
             {}){guessing}. So {wrong_reasons}there may be nothing to bootstrap from. Try a stronger base model, more worked examples \
             (sampling.few_shot) or easier problems",
            accuracy.total,
            percent(accuracy.mean),
            percent(accuracy.low),
            percent(accuracy.high),
        ))
    }

    /// Attempts and answers on which the user's verifier failed. `graded` are those that `metrics` counts.
    pub(super) fn warn_of_failed_verdicts<'g>(
        &mut self,
        metrics: &IterationMetrics,
        graded: impl IntoIterator<Item = &'g GradedAttempt>,
    ) -> Result<()> {
        let failure = |graded: &'g GradedAttempt| match &graded.verdict {
            Verdict::Failed { reason } => Some((&graded.attempt.problem, reason)),
            _ => None,
        };
        let Some((problem, reason)) = graded.into_iter().find_map(failure) else { return Ok(()) };
        self.warn(&format!(
            "iteration {}: the verifier program failed on {} of {} completions, which count as not right. The first failure, on {problem}: \
             {reason}. Correct the program (task.command) and begin the run again",
            metrics.iteration,
            metrics.failed_verdicts(),
            metrics.verdicts(),
        ))
    }

    /// An iteration that learns from hints alone, or that has no failure to learn from.
    pub(super) fn warn_of_one_sided_attempts(&mut self, metrics: &IterationMetrics) -> Result<()> {
        let IterationMetrics { iteration, unhinted, hinted, .. } = metrics;
        if unhinted.attempts == unhinted.failed {
            return Ok(());
        }
        if unhinted.correct == 0 && hinted.correct > 0 {
            self.warn(&format!(
                "iteration {iteration}: none of {} attempts is right without the hint, {} of {} are with it; what is learned comes from \
                 rationalization alone, and may be no more than copying the answer. Watch whether accuracy rises; if not, try easier \
                 problems or a stronger base model",
                unhinted.attempts, hinted.correct, hinted.attempts
            ))
        } else if unhinted.correct == unhinted.attempts {
            self.warn(&format!(
                "iteration {iteration}: all {} attempts are right, so there is no failure left to learn from. Further iterations repeat \
                 what the model can do; try harder problems, or fewer iterations (methods.{}.iterations)",
                unhinted.attempts, self.name
            ))
        } else {
            Ok(())
        }
    }
}
