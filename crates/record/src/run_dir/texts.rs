//! `problems/` and `prompts/`: the texts that attempts name, so that a reader needs no task. Each file has the digest of its content as its
//! name, so iterations and methods that ask the same problems share one file.

use super::files::{each_line, lines};
use super::iteration::IterationDir;
use super::{Digests, FileStage, PROBLEMS, PROMPTS, RunDir};
use crate::atomic;
use crate::digest::sha256_hex;
use crate::error::{Error, Result};
use crate::types::{ProblemId, ProblemRecord, PromptRecord};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::path::Path;

impl RunDir {
    /// Keeps problems for readers. Returns the file's name and digest, for the record of the stage that used them.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep_problems(&self, problems: &[ProblemRecord]) -> Result<Digests> {
        self.keep(PROBLEMS, problems)
    }

    /// Keeps prompts for readers, likewise.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep_prompts(&self, prompts: &[PromptRecord]) -> Result<Digests> {
        self.keep(PROMPTS, prompts)
    }

    fn keep<T: Serialize>(&self, directory: &str, records: &[T]) -> Result<Digests> {
        let bytes = lines(Path::new(directory), records)?;
        let sha256 = sha256_hex(&bytes);
        let name = format!("{directory}/{sha256}.jsonl");
        let path = self.root.join(&name);
        if !path.exists() {
            atomic::write(&path, &bytes)?;
        }
        Ok(Digests::from([(name, sha256)]))
    }
}

impl IterationDir {
    /// The problems that the iteration attempted or was measured on.
    ///
    /// # Errors
    /// A file is missing or damaged.
    pub fn problems(&self) -> Result<HashMap<ProblemId, ProblemRecord>> {
        let mut problems = HashMap::new();
        self.each_kept(PROBLEMS, |problem: ProblemRecord| {
            problems.insert(problem.id.clone(), problem);
            Ok(())
        })?;
        Ok(problems)
    }

    /// The whole prompts that the attempts and answers of the iteration name, by their SHA-256.
    ///
    /// # Errors
    /// A file is missing or damaged.
    pub fn prompts(&self) -> Result<HashMap<String, String>> {
        let mut prompts: HashMap<String, String> = HashMap::new();
        self.each_kept(PROMPTS, |PromptRecord { sha256, after, text }| {
            let before = after.and_then(|after| prompts.get(&after)).map_or("", String::as_str);
            let prompt = format!("{before}{text}");
            prompts.insert(sha256, prompt);
            Ok(())
        })?;
        Ok(prompts)
    }

    fn each_kept<T: DeserializeOwned>(&self, directory: &str, mut each: impl FnMut(T) -> Result<()>) -> Result<()> {
        for stage in [FileStage::Collect, FileStage::Evaluate] {
            let read = self.stage(stage)?.map(|record| record.read).unwrap_or_default();
            for (name, expected) in read.iter().filter(|(name, _)| name.starts_with(directory)) {
                // The name comes from a file of the run, and the run can come from someone else.
                let path = atomic::below(self.run_root(), Path::new(name))?;
                let altered = |found: String| {
                    let (path, stage, expected) = (path.clone(), stage.name().to_owned(), expected.clone());
                    Error::Altered { delete: path.clone(), path, stage, found, expected }
                };
                let (found, ended) = each_line(&path, &mut each)?.ok_or_else(|| altered("missing".to_owned()))?;
                if found != *expected {
                    return Err(altered(found));
                }
                ended?;
            }
        }
        Ok(())
    }
}
