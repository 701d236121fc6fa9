//! The task: numbers, whose answer is seven times the question.

use serde::{Deserialize, Serialize};
use starloop_core::error::Result;
use starloop_core::task::{ConfigError, Task, TaskSettings, WorkedExample};
use starloop_core::types::{Grade, Mode, Problem, ProblemId, Split, StopReason, Style, Verdict};

const LEVELS: u32 = 4;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Numbers {
    /// Puts a held-out problem among the training problems.
    pub careless: bool,
    /// Has no rationales.
    pub answers_only: bool,
    /// The accuracy of guessing.
    pub chance: f64,
}

fn problem(split: &str, number: u32) -> Problem {
    Problem {
        id: ProblemId(format!("numbers/{split}/{number}")),
        class: format!("level {}", number / 100),
        question: number.to_string(),
        answer: (number * 7).to_string(),
        choices: vec!["0".into(), (number * 7).to_string()],
    }
}

impl TaskSettings for Numbers {
    fn build(&self, _: u64) -> Result<Box<dyn Task>, ConfigError> {
        Ok(Box::new(self.clone()))
    }

    fn grader(&self) -> Result<Box<dyn Task>, ConfigError> {
        self.build(0)
    }
}

impl Task for Numbers {
    fn name(&self) -> &'static str {
        "numbers"
    }

    fn classes(&self, _: u32) -> Vec<String> {
        (0..LEVELS).map(|level| format!("level {level}")).collect()
    }

    fn training_problems(&self, iteration: u32) -> Vec<Problem> {
        let numbers = (0..LEVELS).flat_map(|level| (0..20).map(move |i| 100 * level + (i * 3 + iteration) % 80));
        let careless = self.careless.then(|| problem("train", 85));
        numbers.map(|number| problem("train", number)).chain(careless).collect()
    }

    fn evaluation_problems(&self, split: Split, _: u32) -> Vec<Problem> {
        let (name, first) = if split == Split::Dev { ("dev", 80) } else { ("test", 90) };
        (0..LEVELS).flat_map(|level| (first..first + 10).map(move |i| problem(name, 100 * level + i))).collect()
    }

    fn prompt(&self, problem: &Problem, mode: Mode) -> String {
        match mode {
            Mode::Unhinted => format!("Q: {}\nA:", problem.question),
            Mode::Hinted => format!("Q: {} (HINT {})\nA:", problem.question, problem.answer),
        }
    }

    fn worked_examples(&self, _: &Problem, mode: Mode, style: Style, count: usize) -> Vec<WorkedExample> {
        let example = |number| {
            let solved = problem("train", number);
            let completion = match style {
                Style::Rationale => rationale(&solved.question),
                Style::Direct => self.direct_completion(&solved),
            };
            WorkedExample { prompt: self.prompt(&solved, mode), completion }
        };
        (1..=count as u32).map(example).collect()
    }

    fn separator(&self) -> &'static str {
        "\n\n"
    }

    fn stop_strings(&self) -> Vec<String> {
        vec!["\n\n".into()]
    }

    fn verify(&self, problem: &Problem, completion: &str, stop_reason: &StopReason) -> Result<Grade> {
        let verdict = match completion.rsplit_once("so ") {
            Some((_, predicted)) if predicted == problem.answer => Verdict::Correct,
            Some((_, predicted)) => Verdict::Wrong { predicted: predicted.into() },
            None if stop_reason.is_cut() => Verdict::Truncated,
            None => Verdict::Unparsed,
        };
        Ok(verdict.into())
    }

    fn reference(&self, problem: &Problem) -> Option<String> {
        (!self.answers_only).then(|| rationale(&problem.question))
    }

    fn direct_completion(&self, problem: &Problem) -> String {
        format!("so {}", problem.answer)
    }

    fn chance(&self) -> f64 {
        self.chance
    }

    fn leaks_hint(&self, completion: &str) -> bool {
        completion.contains("as the hint says")
    }
}

pub(super) fn rationale(question: &str) -> String {
    let number: u32 = question.parse().unwrap();
    format!("seven times {number}, so {}", number * 7)
}
