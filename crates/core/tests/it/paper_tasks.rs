//! The paper's tasks, from files to training data: two iterations of the loop, with a policy that writes what a table says.
//!
//! Problem `i` is of level `i % 4`. A model of a skill solves the levels up to it, and with the hint one more.

use crate::doubles::{Watcher, completion, completions, experiment};
use serde_json::{Value, json};
use starloop_core::error::Result;
use starloop_core::method_run::RunParts;
use starloop_core::metrics::{IterationMetrics, TrainingMetrics};
use starloop_core::policy::{Completion, Policy, Progress, PromptRequest, SamplingParams};
use starloop_core::task::Task;
use starloop_core::trainer::{Trainer, TrainingJob, TrainingProgress};
use starloop_core::types::{Example, GradedAttempt, Mode, ProblemId, Reading, Split};
use starloop_record::info::Inputs;
use std::ops::ControlFlow;
use std::path::Path;

/// A kind of task, with small files.
struct Case {
    kind: &'static str,
    settings: &'static [&'static str],
    row: fn(usize) -> Value,
    /// The mark of a hint in the question.
    hint: &'static str,
    /// The model's answers to question and problem: if it solves the problem, if it does not, and if it mentions the hint.
    solved: fn(&str, usize) -> String,
    wrong: &'static str,
    leak: &'static str,
}

const GSM8K: Case = Case {
    kind: "gsm8k",
    settings: &["task.check_annotations=true"],
    row: |i| {
        let (question, sum) = (format!("Box {i} holds {i} pens, and 3 are added. How many are in it now?"), i + 3);
        json!({"question": question, "answer": format!("{i}+3 = <<{i}+3={sum}>>{sum} pens.\n#### {sum}")})
    },
    hint: "now? (",
    solved: |_, i| match i % 6 {
        // A false step on the way to the right answer.
        1 => format!(" 1+1 = <<1+1=3>>3, so {}.\n#### {}", i + 3, i + 3),
        _ => format!(" {i}+3 = <<{i}+3={}>>{} pens.\n#### {}.00", i + 3, i + 3, i + 3),
    },
    wrong: " Many.\n#### 1,000",
    leak: " The answer in parentheses must be right.",
};

const LETTERS: [&str; 5] = ["A", "B", "C", "D", "E"];

const COMMONSENSE_QA: Case = Case {
    kind: "commonsense_qa",
    settings: &[],
    row: |i| {
        let choice = |k: usize| json!({"label": LETTERS[k], "text": format!("number {}", i + (k + 5 - i % 5) % 5)});
        let choices: Vec<Value> = (0..5).map(choice).collect();
        let question = json!({"stem": format!("Which of these is {i}?"), "choices": choices});
        json!({"id": format!("q{i}"), "answerKey": LETTERS[i % 5], "question": question})
    },
    hint: " (CORRECT)\n",
    solved: |asked, i| {
        let line = asked.lines().find(|line| line.trim_end_matches(" (CORRECT)").ends_with(&format!(" number {i}"))).unwrap();
        format!(" It is plain to see. Therefore, the answer is number {i} {}.", &line[..3])
    },
    wrong: " I do not know it.",
    leak: " That one is marked as correct.",
};

/// Answers by the table of a case.
struct Scripted<'a> {
    case: &'a Case,
    skill: usize,
    prompts: Vec<String>,
}

impl Policy for Scripted<'_> {
    fn load(&mut self, checkpoint: &Path) -> Result<String> {
        self.skill = std::fs::read_to_string(checkpoint.join("skill"))?.parse().unwrap();
        Ok(format!("sha-of-{}", self.skill))
    }

    fn sample(
        &mut self,
        requests: &[PromptRequest],
        _: &SamplingParams,
        _: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Vec<Completion>> {
        self.prompts.extend(requests.iter().map(|request| request.prompt.clone()));
        Ok(requests.iter().flat_map(|request| completions(request, |prompt, _| self.complete(prompt))).collect())
    }
}

impl Scripted<'_> {
    fn complete(&self, prompt: &str) -> Completion {
        let asked = prompt.rsplit("Q: ").next().unwrap();
        let i: usize = asked.split(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty()).unwrap().parse().unwrap();
        let hinted = asked.contains(self.case.hint);
        let text = match (i % 4 <= self.skill + usize::from(hinted), hinted, i % 5) {
            (true, true, 0) => self.case.leak.to_owned() + &(self.case.solved)(asked, i),
            (true, ..) => (self.case.solved)(asked, i),
            (false, ..) => self.case.wrong.to_owned(),
        };
        completion(text)
    }
}

/// A model learns the levels that it is shown.
struct Learns;

impl Trainer for Learns {
    fn train(&mut self, job: &TrainingJob<'_>, _: &mut dyn FnMut(TrainingProgress) -> ControlFlow<()>) -> Result<TrainingMetrics> {
        let skill = job.data.rows().prompts().map(|(problem, _)| number(problem) % 4).max().unwrap();
        std::fs::create_dir(job.output)?;
        std::fs::write(job.output.join("skill"), skill.to_string())?;
        Ok(TrainingMetrics { steps: job.steps, tokens: 1, target_tokens: 1, final_loss: 1.0, dropped_too_long: 0 })
    }
}

/// The number of a problem, as its row has it.
fn number(id: &ProblemId) -> usize {
    id.0.rsplit(['/', 'q']).next().unwrap().parse().unwrap()
}

/// The results of two iterations of a case.
struct Outcome {
    task: Box<dyn Task>,
    prompts: Vec<String>,
    metrics: Vec<IterationMetrics>,
    attempts: Vec<GradedAttempt>,
    examples: Vec<Example>,
}

fn run(case: &Case) -> Outcome {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let rows = |numbers: std::ops::Range<usize>| numbers.map(|i| (case.row)(i).to_string() + "\n").collect::<String>();
    std::fs::write(at("train.jsonl"), rows(0..60)).unwrap();
    std::fs::write(at("test.jsonl"), rows(60..80)).unwrap();
    std::fs::create_dir(at("base")).unwrap();
    std::fs::write(at("base/skill"), "0").unwrap();
    let (kind, train) = (format!("task.kind={}", case.kind), format!("task.train={}", at("train.jsonl").display()));
    let test = format!("task.test={}", at("test.jsonl").display());
    let common = [kind.as_str(), &train, &test, "task.dev_problems=20", "run=['star']", "methods.star.iterations=2"];
    let experiment = experiment(&[&common[..], case.settings].concat());
    let task = experiment.task_settings().build(experiment.config().seed).unwrap();
    let mut policy = Scripted { case, skill: 0, prompts: Vec::new() };
    let (run_dir, found) = experiment.open(&at("run"), task.as_ref(), Inputs::new(), false).unwrap();
    let mut parts = RunParts { task: task.as_ref(), base: &at("base"), policy: &mut policy, trainer: &mut Learns };
    experiment.run_in(&run_dir, found, &mut parts, &mut Watcher::default()).unwrap();
    let iterations = || (1..=2).map(|iteration| run_dir.iteration("star", iteration));
    let attempts = iterations().flat_map(|iteration| iteration.attempts().unwrap().unwrap()).collect();
    let examples = iterations().flat_map(|iteration| iteration.examples().unwrap().unwrap()).collect();
    Outcome { metrics: run_dir.metrics("star").unwrap(), prompts: policy.prompts, task, attempts, examples }
}

#[test]
fn accuracy_rises_on_the_held_out_problems() {
    for case in [GSM8K, COMMONSENSE_QA] {
        let outcome = run(&case);
        let solvable = |skill: usize| {
            let dev = outcome.task.evaluation_problems(Split::Dev, 0);
            dev.iter().filter(|problem| number(&problem.id) % 4 <= skill).count() as u64
        };
        let accuracy: Vec<u64> = outcome.metrics.iter().map(|metrics| metrics.accuracy.correct).collect();
        assert_eq!(accuracy, [solvable(0), solvable(1), solvable(2)], "{}", case.kind);
        assert!(accuracy[0] < accuracy[1] && accuracy[1] < accuracy[2], "{accuracy:?}");
        assert!(outcome.attempts.iter().any(|graded| graded.reading().is_some_and(Reading::is_stated)));
    }
}

#[test]
fn hints_are_in_hinted_prompts_and_nowhere_else() {
    for case in [GSM8K, COMMONSENSE_QA] {
        let Outcome { task, prompts, attempts, examples, metrics } = run(&case);
        let hinted = attempts.iter().filter(|graded| graded.attempt.mode == Mode::Hinted).count();
        let shown = prompts.iter().filter(|prompt| prompt.contains(case.hint)).count();
        assert!(hinted > 0 && shown == hinted, "{}: {shown} of {hinted}", case.kind);
        let problems = task.training_problems(1);
        let prompt = |example: &Example| {
            let problem = problems.iter().find(|problem| problem.id == example.problem).unwrap();
            task.prompt(problem, Mode::Unhinted)
        };
        assert!(examples.iter().any(|example| example.mode == Mode::Hinted));
        for example in &examples {
            assert_eq!(example.prompt, prompt(example));
            assert!(!example.prompt.contains(case.hint), "{}", example.prompt);
            assert_ne!(task.has_false_step(&task.training_problems(1)[0], &example.completion), Some(true));
            assert!(!example.completion.contains(case.leak) && example.completion.starts_with(' '));
        }
        assert!(metrics[1].selection.dropped_leaked_hint > 0);
        assert_eq!(metrics[1].selection.dropped_false_step > 0, case.kind == "gsm8k");
    }
}

#[test]
fn the_worked_examples_stand_before_the_question_in_both_modes() {
    for case in [GSM8K, COMMONSENSE_QA] {
        let outcome = run(&case);
        // Two of them in iteration 1, none later (see the config of the doubles).
        let counts: Vec<usize> = outcome.prompts.iter().map(|prompt| prompt.matches("Q: ").count()).collect();
        assert_eq!((counts[0], counts.last()), (3, Some(&1)));
        let marks = |prompt: &str| prompt.matches(if case.kind == "gsm8k" { ")\nA:" } else { " (CORRECT)\n" }).count();
        let with_examples = outcome.prompts.iter().filter(|prompt| prompt.matches("Q: ").count() == 3);
        let mut found: Vec<usize> = with_examples.map(|prompt| marks(prompt)).collect();
        found.sort_unstable();
        found.dedup();
        // All are hinted, or none is.
        assert_eq!(found, [0, 3], "{}", case.kind);
    }
}
