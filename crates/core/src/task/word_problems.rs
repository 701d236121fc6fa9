//! Word problems of one or two steps, with known answers and without known rationales.
//!
//! ```text
//! Q: Nora baked 41 rolls for the market. By noon she had sold 27 of them. How many rolls did she have left? (14)
//! A: Nora had 41 rolls and sold 27, so we take away: 41 - 27 = 14.
//! #### 14
//! ```
//!
//! The problems to learn from come from a generator, or from a file of the user. The test problems are SVAMP (Patel et al. 2021), which people
//! wrote. So the test measures if what is learned transfers to real problems. The hint, here ` (14)`, is the final answer.

mod generated;

use super::gsm8k::solution::{self, MARK};
use crate::error::{Error, Result};
use crate::external::data_source::DataSource;
use crate::task::dataset::{Dataset, Entry, Files, Portions, Store};
use crate::task::identity::Identity;
use crate::task::prompts::{self, ANSWER, QUESTION, Solved};
use crate::task::rows::{self, DataRow};
use crate::task::{ConfigError, Task, TaskSettings, WorkedExample, leak, verdict};
use crate::types::{Grade, Mode, Problem, ProblemId, Split, StopReason, Style};
use serde::{Deserialize, Serialize};
use starloop_answers::verdict::Tolerance;
use starloop_answers::{Mark, number, steps};
use starloop_data::{RowPlace, Rows};
use std::path::PathBuf;

/// The name of the task.
const NAME: &str = "word_problems";
/// Worked examples that were written for this program.
const EXAMPLES: &str = include_str!("word_problems/examples.txt");
/// The problems of SVAMP. `word_problems/SVAMP-LICENSE.txt` has their licence.
const SVAMP: &str = include_str!("word_problems/svamp.jsonl");
/// The class of a problem whose row has none.
const NO_CLASS: &str = "all";

/// The problems to learn from and to measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct WordProblemsConfig {
    /// The problems to learn from: rows with `question` and `answer`, and optionally `id` and `class`. By default they are generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train: Option<DataSource>,
    /// The test problems, likewise. By default SVAMP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<DataSource>,
    /// Problems that are generated if there is no file `train`. They are the same for every seed.
    pub generated: usize,
    /// The number of problems held out for decisions. They are the same in every run.
    pub dev_problems: usize,
    /// Problems in each iteration, another selection for each; 0 for all.
    pub problems_per_iteration: usize,
    /// Held-out problems that are measured; 0 for all.
    pub evaluation_problems: usize,
    /// A file of worked examples, `Q: ...`, `A: ...`, without hints. It replaces the built-in ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompts: Option<PathBuf>,
}

impl Default for WordProblemsConfig {
    fn default() -> Self {
        WordProblemsConfig {
            train: None,
            test: None,
            generated: 4000,
            dev_problems: 200,
            problems_per_iteration: 0,
            evaluation_problems: 0,
            prompts: None,
        }
    }
}

impl TaskSettings for WordProblemsConfig {
    fn build(&self, seed: u64) -> Result<Box<dyn Task>, ConfigError> {
        let worked = self.worked()?;
        let files = Files { train: self.train()?, dev: None, test: self.test()? };
        let shown = worked.iter().map(|solved| Identity::of_question(&solved.problem));
        let dataset = Dataset::new(NAME, files, shown, self.portions(), seed)?;
        Ok(Box::new(WordProblems { dataset, worked }))
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files: Vec<PathBuf> = self.prompts.iter().cloned().collect();
        for (key, source) in [("train", &self.train), ("test", &self.test)] {
            files.extend(source.as_ref().map(|source| source.files(rows::split_of(key))).transpose()?.into_iter().flatten());
        }
        Ok(files)
    }

    fn grader(&self) -> Result<Box<dyn Task>, ConfigError> {
        Ok(Box::new(WordProblems { dataset: Dataset::empty(self.portions()), worked: self.worked()? }))
    }
}

impl WordProblemsConfig {
    fn portions(&self) -> Portions {
        let WordProblemsConfig { dev_problems, problems_per_iteration, evaluation_problems, .. } = *self;
        Portions { dev_problems, problems_per_iteration, evaluation_problems }
    }

    fn worked(&self) -> Result<Vec<Solved>, ConfigError> {
        prompts::worked(EXAMPLES, self.prompts.as_deref(), worked_example)
    }

    fn train(&self) -> Result<Store<()>, ConfigError> {
        if let Some(source) = &self.train {
            return Store::read("train", source, entry, |_| ());
        }
        let problems = generated::problems(self.generated).map_err(|reason| ConfigError { key: "generated", reason })?;
        Store::of("train", problems.into_iter().zip(1..).map(|(problem, line)| Entry::new(RowPlace::line(line), problem, ())))
    }

    fn test(&self) -> Result<Store<()>, ConfigError> {
        if let Some(source) = &self.test {
            return Store::read("test", source, entry, |_| ());
        }
        Store::of("test", svamp().map_err(|reason| ConfigError { key: "test", reason })?)
    }
}

/// The task.
struct WordProblems {
    dataset: Dataset<()>,
    worked: Vec<Solved>,
}

impl Task for WordProblems {
    fn name(&self) -> &'static str {
        NAME
    }

    fn classes(&self, _: u32) -> Vec<String> {
        self.dataset.classes()
    }

    fn training_problems(&self, iteration: u32) -> Vec<Problem> {
        self.dataset.training_problems(iteration)
    }

    fn evaluation_problems(&self, split: Split, _: u32) -> Vec<Problem> {
        self.dataset.evaluation_problems(split)
    }

    fn training_count(&self, _: u32) -> usize {
        self.dataset.training_count()
    }

    fn evaluation_count(&self, split: Split, _: u32) -> usize {
        self.dataset.evaluation_count(split)
    }

    fn prompt(&self, problem: &Problem, mode: Mode) -> String {
        let hint = match mode {
            Mode::Unhinted => String::new(),
            Mode::Hinted => format!(" ({})", problem.answer),
        };
        format!("{QUESTION} {}{hint}\n{ANSWER}", problem.question)
    }

    fn worked_examples(&self, _: &Problem, mode: Mode, style: Style, count: usize) -> Vec<WorkedExample> {
        prompts::shown(self, &self.worked, mode, style, count)
    }

    fn separator(&self) -> &str {
        prompts::SEPARATOR
    }

    /// A rationale is one paragraph.
    fn stop_strings(&self) -> Vec<String> {
        vec![prompts::SEPARATOR.to_owned(), format!("\n{QUESTION}")]
    }

    fn verify(&self, problem: &Problem, completion: &str, stop_reason: &StopReason) -> Result<Grade> {
        let answer = number::known(&problem.answer)
            .ok_or_else(|| Error::KnownAnswer { problem: problem.id.to_string(), message: no_number(&problem.answer) })?;
        let ending = verdict::ending(stop_reason);
        Ok(starloop_answers::verdict::number(completion, &answer, &Tolerance::Exact, &Mark::ALL, ending))
    }

    fn direct_completion(&self, problem: &Problem) -> String {
        format!(" {MARK} {}", problem.answer)
    }

    fn leaks_hint(&self, completion: &str) -> bool {
        leak::leaks(solution::rationale(completion))
    }

    /// The equations in order, without blanks. Without equations, the text.
    fn reasoning_path(&self, completion: &str) -> String {
        let rationale = solution::rationale(completion);
        steps::plain_path(rationale).unwrap_or_else(|| leak::words(rationale).collect::<Vec<_>>().join(" "))
    }

    fn has_false_step(&self, _: &Problem, completion: &str) -> Option<bool> {
        steps::false_equation(solution::rationale(completion))
    }

    fn checks_steps(&self) -> bool {
        true
    }

    fn calculations(&self, completion: &str) -> Vec<bool> {
        steps::checked(solution::rationale(completion))
    }
}

fn svamp() -> Result<Vec<Entry<()>>, String> {
    let rows = Rows::from_bytes("svamp.jsonl", SVAMP.as_bytes().to_vec()).map_err(|error| error.to_string())?;
    rows.map(|row| row.map_err(|error| error.to_string()).and_then(|row| entry(&row))).collect()
}

/// A problem of a file: of the user's or of SVAMP.
fn entry(row: &DataRow) -> Result<Entry<()>, String> {
    let plain = |column: &str| row.get(column).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let answer = plain("answer").map_or_else(|| row.require("answer").map(|_| String::new()), Ok)?;
    number::known(&answer).ok_or_else(|| no_number(&answer))?;
    let id = plain("id").unwrap_or_else(|| format!("{:05}", row.number));
    let class = plain("class").unwrap_or_else(|| NO_CLASS.to_owned());
    let problem = Problem { id: ProblemId(id), class, question: row.text("question")?.trim().to_owned(), answer, choices: Vec::new() };
    Ok(Entry::new(row.place.clone(), problem, ()))
}

/// A worked example of a prompt file. Its question must not show the answer.
fn worked_example(question: &str, completion: &str) -> Result<Problem, String> {
    let answer = solution::stated(completion).ok_or_else(|| format!("the solution has no line `{MARK} N` with the final answer"))?;
    number::known(answer).ok_or_else(|| no_number(answer))?;
    if question.ends_with(&format!(" ({answer})")) {
        return Err("the question ends with its answer; name the file without hints, because the task adds them".to_owned());
    }
    if solution::rationale(completion).trim().is_empty() {
        return Err("there are no steps before the answer; name the file with rationales".to_owned());
    }
    let (id, class) = (ProblemId(String::new()), NO_CLASS.to_owned());
    Ok(Problem { id, class, question: question.to_owned(), answer: answer.to_owned(), choices: Vec::new() })
}

fn no_number(answer: &str) -> String {
    let answer = crate::error::masks::shortened(answer);
    format!("the known answer {answer:?} is not one number, such as 72, 1,200 or 3/4")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
