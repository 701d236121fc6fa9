//! The prompts of an experiment before it runs: the text that the model reads, its tokens, and their number beside the model's context.

use crate::config::PolicyConfig;
use crate::error::{EngineContext, Error, Result};
use crate::experiment::base_model::BaseModel;
use crate::experiment::{Experiment, ResolvedMethod};
use crate::task::{Task, TooLong, prompt};
use crate::types::{Mode, Problem, ProblemId, Split};
use serde::Serialize;
use starloop_lm::model::PromptEncoder;
use starloop_record::Approach;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

/// A prompt as a model reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownPrompt {
    /// The text, with the chat template if there is one. The tokenizer can add a beginning token.
    pub text: String,
    /// Its tokens, special ones included.
    pub tokens: Vec<ShownToken>,
}

/// A token of a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownToken {
    /// Its number in the vocabulary.
    pub id: u32,
    /// Its text; of a special token, its name.
    pub text: String,
}

impl ShownPrompt {
    /// The prompt as this encoder gives it to its model.
    ///
    /// # Errors
    /// The chat template refuses the prompt.
    pub fn new(encoder: &PromptEncoder<'_>, prompt: &str) -> Result<Self> {
        let during = "showing a prompt";
        let ids = encoder.encode_lossy(prompt).during(during)?;
        let token = |(place, &id): (usize, &u32)| Ok(ShownToken { id, text: encoder.tokenizer().piece(&ids[..place], id).during(during)? });
        let tokens = ids.iter().enumerate().map(token).collect::<Result<_>>()?;
        Ok(ShownPrompt { text: encoder.text(prompt).during(during)?, tokens })
    }
}

/// A problem whose prompt and longest completion do not fit into the context of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Overlong {
    problem: ProblemId,
    /// Its file and line, if the task knows them.
    source: Option<String>,
    prompt_tokens: usize,
    few_shot: usize,
    mode: Mode,
    new_tokens: usize,
}

impl ResolvedMethod {
    /// Returns true if the method attempts problems with a hint.
    pub fn hints(&self) -> bool {
        let rationalizes = self.table.get("rationalize").and_then(toml::Value::as_bool).unwrap_or(false);
        rationalizes || matches!(self.method.approach(), Approach::StarRationalized | Approach::PartialHints)
    }
}

impl Experiment {
    /// The encoder of the model in `directory`, with the form of prompts that the config names.
    ///
    /// # Errors
    /// The directory has no tokenizer, or no chat template although the config asks for it.
    pub fn prompt_encoder(&self, directory: &Path) -> Result<PromptEncoder<'static>> {
        PromptEncoder::load(directory, self.config().model.chat()).during("reading the base model's tokenizer")
    }

    /// Checks that all prompts of the methods fit into the context of `base`, together with `sampling.max_new_tokens`. If the task says so, problems
    /// that do not fit are left out. The prompts of servers are not checked, because a server knows its context.
    ///
    /// # Errors
    /// A prompt does not fit, or no problem is left.
    pub(crate) fn fit(&self, task: &mut dyn Task, base: &BaseModel) -> Result<()> {
        if self.config().policy != PolicyConfig::Embedded {
            return Ok(());
        }
        let place = tempfile::tempdir()?;
        let (directory, context) = base.for_prompts(&place.path().join("base"))?;
        let encoder = self.prompt_encoder(&directory)?;
        let mut found = BTreeMap::new();
        for method in self.methods_to_run() {
            find_overlong(method, task, &encoder, context, &mut found)?;
        }
        let Some(first) = found.values().next() else { return Ok(()) };
        if self.task_settings().too_long() == TooLong::Error {
            return Err(self.does_not_fit(first, found.len(), context));
        }
        task.leave_out(&found.keys().cloned().collect());
        let is_empty = |split| task.evaluation_problems(split, 0).is_empty();
        let measured = self.methods_to_run().map(|method| method.settings.evaluation.split);
        if task.training_problems(1).is_empty() || measured.into_iter().any(is_empty) {
            let message =
                format!("{}; without these problems there is nothing to learn from or to measure", described(first, found.len(), context));
            return Err(self.invalid("task.too_long".to_owned(), message));
        }
        Ok(())
    }

    fn does_not_fit(&self, first: &Overlong, count: usize, context: usize) -> Error {
        let message = format!(
            "{}; shorten the problem, set fewer worked examples (sampling.few_shot) or a smaller sampling.max_new_tokens, or leave out such problems \
             with task.too_long = \"skip\" (problems in files)",
            described(first, count, context)
        );
        self.invalid("sampling.max_new_tokens".to_owned(), message)
    }
}

/// Adds the problems whose prompts do not fit to `found`.
fn find_overlong(
    method: &ResolvedMethod,
    task: &dyn Task,
    encoder: &PromptEncoder<'_>,
    context: usize,
    found: &mut BTreeMap<ProblemId, Overlong>,
) -> Result<()> {
    let sampling = &method.settings.sampling;
    let estimate = method.estimate(task);
    let own = encoder.encode_lossy("").during("counting tokens")?.len();
    let mut seen = HashSet::new();
    let mut check = |problems: Vec<Problem>, mode: Mode, few_shot: usize| -> Result<()> {
        for problem in problems {
            if !seen.insert((problem.id.clone(), mode == Mode::Hinted, few_shot)) {
                continue;
            }
            let prompt = prompt::assemble(task, &problem, mode, method.method.style(), few_shot);
            let room = context.saturating_sub(sampling.max_new_tokens);
            // A text has at most as many tokens as bytes.
            if prompt.len() + own <= room {
                continue;
            }
            let prompt_tokens = encoder.encode_lossy(&prompt).during("counting tokens")?.len();
            if prompt_tokens > room {
                let (source, new_tokens) = (task.source(&problem), sampling.max_new_tokens);
                let id = problem.id.clone();
                found.entry(id).or_insert(Overlong { problem: problem.id, source, prompt_tokens, few_shot, mode, new_tokens });
            }
        }
        Ok(())
    };
    let evaluation = &method.settings.evaluation;
    check(evaluation.problems(task, evaluation.split, 0), Mode::Unhinted, sampling.few_shot)?;
    if let Some(split) = evaluation.final_split {
        check(
            task.evaluation_problems(split, 0),
            Mode::Unhinted,
            evaluation.few_shot.unwrap_or_else(|| sampling.few_shot_in(estimate.iterations + 1)),
        )?;
    }
    if estimate.attempts > 0 {
        for iteration in 1..=estimate.iterations {
            let few_shot = sampling.few_shot_in(iteration);
            check(task.training_problems(iteration), Mode::Unhinted, few_shot)?;
            if method.hints() {
                check(task.training_problems(iteration), Mode::Hinted, few_shot)?;
            }
        }
    }
    Ok(())
}

/// The first problem that does not fit, and how many others there are.
fn described(first: &Overlong, count: usize, context: usize) -> String {
    let Overlong { problem, source, prompt_tokens, few_shot, mode, new_tokens } = first;
    let place = source.as_ref().map_or_else(String::new, |source| format!(" ({source})"));
    let hint = if *mode == Mode::Hinted { " and the hint" } else { "" };
    let others = if count > 1 { format!(", and {} other problems are too long too", count - 1) } else { String::new() };
    format!(
        "the prompt of problem {problem}{place} has {prompt_tokens} tokens with {few_shot} worked examples{hint}; with {new_tokens} new tokens, \
         that is more than the {context} of the model's context{others}"
    )
}

/// The problems of a split or of an iteration, for a look at their prompts.
pub fn problems(task: &dyn Task, split: Split) -> Vec<Problem> {
    match split {
        Split::Train => task.training_problems(1),
        Split::Dev | Split::Test => task.evaluation_problems(split, 0),
    }
}
