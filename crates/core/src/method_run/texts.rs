//! The problems and prompts of a stage, kept in the run directory for readers.

use crate::error::Result;
use crate::task::Task;
use crate::types::{Mode, Problem, ProblemId, ProblemRecord, PromptRecord};
use starloop_record::RunDir;
use starloop_record::digest::sha256_hex;
use starloop_record::run_dir::Digests;
use std::collections::{BTreeSet, HashSet};

/// The problems and prompts of a stage so far.
#[derive(Debug, Default)]
pub(super) struct Texts {
    problems: Vec<ProblemRecord>,
    prompts: Vec<PromptRecord>,
    /// Problems and digests of prompts that are here already.
    known: (HashSet<ProblemId>, HashSet<String>),
    /// Digests of the weights that sampled.
    weights: BTreeSet<String>,
}

impl Texts {
    /// Adds a problem with its whole prompt. `sha256` is the digest of the prompt.
    pub(super) fn add(&mut self, task: &dyn Task, problem: &Problem, mode: Mode, prompt: &str, sha256: &str) {
        if self.known.0.insert(problem.id.clone()) {
            self.problems.push(ProblemRecord {
                id: problem.id.clone(),
                identity: Some(task.identity(problem).to_string()),
                class: problem.class.clone(),
                text: task.prompt(problem, Mode::Unhinted),
                answer: problem.answer.clone(),
                choices: problem.choices.clone(),
                reference: task.reference(problem),
            });
        }
        if !self.known.1.insert(sha256.to_owned()) {
            return;
        }
        // Worked examples are mostly the same for many problems, so their text is kept once.
        let own = task.prompt(problem, mode);
        let examples = prompt.strip_suffix(&own).unwrap_or_default();
        let after = (!examples.is_empty()).then(|| sha256_hex(examples));
        if let Some(sha256) = &after
            && self.known.1.insert(sha256.clone())
        {
            self.prompts.push(PromptRecord { sha256: sha256.clone(), after: None, text: examples.to_owned() });
        }
        self.prompts.push(PromptRecord { sha256: sha256.to_owned(), after, text: prompt[examples.len()..].to_owned() });
    }

    /// Adds the weights that sampled.
    pub(super) fn asked(&mut self, checkpoint: &str) {
        self.weights.insert(checkpoint.to_owned());
    }

    /// Writes everything to the run directory. Returns the digests for the record of the stage.
    pub(super) fn keep(self, run_dir: &RunDir) -> Result<Digests> {
        let mut read = run_dir.keep_problems(&self.problems)?;
        read.extend(run_dir.keep_prompts(&self.prompts)?);
        read.extend(self.weights.into_iter().enumerate().map(|(place, sha256)| (format!("weights {place}"), sha256)));
        Ok(read)
    }
}
