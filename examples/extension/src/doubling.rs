//! The task: twice a number, in the format that the shipped base model knows.

use serde::{Deserialize, Serialize};
use starloop_core::error::Result;
use starloop_core::task::{ConfigError, Task, TaskSettings};
use starloop_core::types::{Grade, Mode, Problem, ProblemId, Split, StopReason, Verdict};

/// `[task] kind = "doubling"`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Doubling {
    /// Numbers to learn from, of the 90 with two digits. The others measure accuracy.
    pub training_problems: u32,
}

impl Default for Doubling {
    fn default() -> Self {
        Doubling { training_problems: 60 }
    }
}

impl TaskSettings for Doubling {
    fn build(&self, _seed: u64) -> Result<Box<dyn Task>, ConfigError> {
        Ok(Box::new(self.clone()))
    }

    fn grader(&self) -> Result<Box<dyn Task>, ConfigError> {
        self.build(0)
    }
}

/// The numbers 10 to 99 in a mixed order, so that both parts have small and large ones.
fn problem(place: u32) -> Problem {
    let number = 10 + place * 37 % 90;
    let (question, answer) = (spaced(number) + " + " + &spaced(number), spaced(2 * number));
    Problem { id: ProblemId(format!("doubling/{number}")), class: "all".into(), question, answer, choices: Vec::new() }
}

fn spaced(number: u32) -> String {
    number.to_string().chars().map(String::from).collect::<Vec<_>>().join(" ")
}

impl Task for Doubling {
    fn name(&self) -> &'static str {
        "doubling"
    }

    fn classes(&self, _: u32) -> Vec<String> {
        vec!["all".to_owned()]
    }

    fn training_problems(&self, _: u32) -> Vec<Problem> {
        (0..self.training_problems).map(problem).collect()
    }

    fn evaluation_problems(&self, _: Split, _: u32) -> Vec<Problem> {
        (self.training_problems..90).map(problem).collect()
    }

    fn prompt(&self, problem: &Problem, mode: Mode) -> String {
        let hint = if mode == Mode::Hinted { format!(" {}", problem.answer) } else { String::new() };
        format!("Input:\n{}\nTarget:{hint}\n", problem.question)
    }

    fn separator(&self) -> &'static str {
        "\n"
    }

    fn stop_strings(&self) -> Vec<String> {
        vec!["\nInput:".to_owned()]
    }

    fn verify(&self, problem: &Problem, completion: &str, _: &StopReason) -> Result<Grade> {
        let line = completion.rsplit("</scratch>").next().and_then(|after| after.trim_start().lines().next());
        Ok(match line {
            None => Verdict::Unparsed.into(),
            Some(predicted) if predicted.trim() == problem.answer => Verdict::Correct.into(),
            Some(predicted) => Verdict::Wrong { predicted: predicted.into() }.into(),
        })
    }

    fn direct_completion(&self, problem: &Problem) -> String {
        problem.answer.clone()
    }

    fn leaks_hint(&self, _: &str) -> bool {
        false
    }
}
