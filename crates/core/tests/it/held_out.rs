//! The division into training and held-out problems depends on the data alone, and a checkpoint tells which problems it was trained on.

use crate::doubles::{ToyPolicy, ToyTrainer, Watcher, resolve};
use starloop_core::config::Config;
use starloop_core::config::EvaluationConfig;
use starloop_core::error::{Error, Result};
use starloop_core::evaluation::self_consistency::{self, Sampled};
use starloop_core::experiment::Experiment;
use starloop_core::method_run::RunParts;
use starloop_core::policy::SamplingParams;
use starloop_core::selection::TrainedProblems;
use starloop_core::task::{Identity, Task};
use starloop_core::types::{Problem, Split};
use starloop_record::RunDir;
use starloop_record::info::Inputs;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const PLAIN: &str = "Q: {{ question }}{{ hint }}\nA:";
/// The same with one more newline in front.
const NEWLINE: &str = "\nQ: {{ question }}{{ hint }}\nA:";

/// A file of numbers, which the toy model knows how to multiply by seven, and a base model that solves those below 100.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let row = |number: u32| format!("{{\"question\": \"{number}\", \"answer\": {}, \"source\": \"row {number}\"}}\n", number * 7);
        std::fs::write(place.path().join("numbers.jsonl"), (1..=80).map(row).collect::<String>()).unwrap();
        std::fs::create_dir(place.path().join("base")).unwrap();
        std::fs::write(place.path().join("base/skill"), "0").unwrap();
        Place(place)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn experiment(&self, prompt: &str, overrides: &[&str]) -> Experiment {
        let text = format!(
            "name = 'numbers'\nrun = ['star']\n[model]\nbase = 'unused'\n[task]\nkind = 'jsonl'\ntrain = '{}'\nprompt = {prompt:?}\n\
             hint = ' (HINT {{{{ answer }}}})'\nanswer_type = 'number'\npattern = 'so (\\d+)'\ndirect_completion = 'so {{{{ answer }}}}'\n\
             dev_problems = 20\n[training]\nsteps = 1\n[methods.star]\nkind = 'star'",
            self.path("numbers.jsonl").display()
        );
        let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
        resolve(Config::parse("numbers.toml", &text, &overrides).unwrap()).unwrap()
    }

    /// A run from the base model in the directory `base`.
    fn run(&self, name: &str, experiment: &Experiment, base: &Path) -> Result<RunDir> {
        let task = experiment.task()?;
        let (run_dir, found) = experiment.open(&self.path(name), task.as_ref(), Inputs::new(), false)?;
        let (policy, trainer) = (&mut ToyPolicy::default(), &mut ToyTrainer::default());
        let mut parts = RunParts { task: task.as_ref(), base, policy, trainer };
        experiment.run_in(&run_dir, found, &mut parts, &mut Watcher::default()).map(|()| run_dir)
    }
}

fn identities(task: &dyn Task, problems: &[Problem]) -> BTreeSet<Identity> {
    problems.iter().map(|problem| task.identity(problem)).collect()
}

/// The inputs of attempts and answers: the problems with their samples' seeds, which of them were right, and what was learned.
fn decisions(run: &RunDir) -> BTreeMap<String, Vec<String>> {
    let place = run.iteration("star", 1);
    let attempts = place.attempts().unwrap().unwrap();
    let seeds = attempts.iter().map(|graded| format!("{} {}", graded.attempt.problem, graded.attempt.seed)).collect();
    let answers = place.evaluation().unwrap().unwrap();
    let verdicts = answers.iter().map(|graded| format!("{} {}", graded.attempt.problem, graded.verdict.name())).collect();
    let learned = place.examples().unwrap().unwrap().iter().map(|example| example.problem.to_string()).collect();
    BTreeMap::from([("seeds".to_owned(), seeds), ("verdicts".to_owned(), verdicts), ("learned".to_owned(), learned)])
}

#[test]
fn another_template_gives_the_same_division_seeds_and_decisions() {
    let place = Place::new();
    let [plain, newline] = [PLAIN, NEWLINE].map(|prompt| place.experiment(prompt, &[]));
    let [one, other] = [&plain, &newline].map(|experiment| experiment.task().unwrap());
    for problems in [|task: &dyn Task| task.training_problems(1), |task: &dyn Task| task.evaluation_problems(Split::Dev, 1)] {
        let [one_problems, other_problems] = [problems(one.as_ref()), problems(other.as_ref())];
        assert_ne!(one_problems[0].question, other_problems[0].question, "the prompts differ");
        assert_eq!(identities(one.as_ref(), &one_problems), identities(other.as_ref(), &other_problems));
        let ids = |problems: &[Problem]| problems.iter().map(|problem| problem.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&one_problems), ids(&other_problems));
    }
    let base = place.path("base");
    let [one, other] = [("one", &plain), ("other", &newline)].map(|(name, experiment)| place.run(name, experiment, &base).unwrap());
    assert_eq!(decisions(&one), decisions(&other));
}

#[test]
fn a_checkpoint_records_its_problems_and_is_measured_on_no_other_division() {
    let place = Place::new();
    let experiment = place.experiment(PLAIN, &[]);
    let (task, run) = (experiment.task().unwrap(), place.run("run", &experiment, &place.path("base")).unwrap());
    let checkpoint = run.iteration("star", 1).checkpoint();
    let learned = run.iteration("star", 1).examples().unwrap().unwrap();
    let learned: BTreeSet<_> = learned.iter().map(|example| &example.problem).collect();
    let problems: Vec<Problem> = task.training_problems(1).into_iter().filter(|problem| learned.contains(&problem.id)).collect();
    let wordings = problems.iter().map(Identity::of_question);
    let expected: BTreeSet<String> =
        identities(task.as_ref(), &problems).into_iter().chain(wordings).map(|each| each.to_string()).collect();
    assert!(!expected.is_empty());
    assert_eq!(TrainedProblems::of_checkpoint(&checkpoint).unwrap().identities, expected);

    let same = place.experiment(NEWLINE, &[]);
    place.run("same-division", &same, &checkpoint).unwrap();
    let next = TrainedProblems::of_checkpoint(&place.path("same-division/star/iter-001/checkpoint")).unwrap();
    assert!(next.identities.is_superset(&expected), "what the base was trained on is recorded too");

    let more = place.experiment(NEWLINE, &["task.dev_problems=60"]);
    let error = place.run("more", &more, &checkpoint).err().unwrap();
    let Error::TrainedOnHeldOut { trained, measured, split, .. } = &error else { panic!("{error}") };
    assert!(*trained > 0 && (*measured, *split) == (60, "dev") && error.is_usage(), "{error}");
    let task = more.task().unwrap();
    let sampled = Sampled { evaluation: EvaluationConfig::default(), few_shot: 0, samples: 2, params: SamplingParams::greedy(8), seed: 1 };
    let policy = &mut ToyPolicy::default();
    let error = self_consistency::measure(task.as_ref(), &sampled, policy, &checkpoint, &mut Watcher::default()).err().unwrap();
    assert!(matches!(error, Error::TrainedOnHeldOut { .. }), "{error}");
}

#[test]
fn a_file_without_a_question_column_is_divided_by_all_its_data() {
    let place = Place::new();
    let renamed = std::fs::read_to_string(place.path("numbers.jsonl")).unwrap().replace("question", "problem");
    std::fs::write(place.path("numbers.jsonl"), renamed).unwrap();
    let dev = |prompt: &str, overrides: &[&str]| {
        let task = place.experiment(&prompt.replace("question", "problem"), overrides).task().unwrap();
        identities(task.as_ref(), &task.evaluation_problems(Split::Dev, 0))
    };
    assert_eq!(dev(PLAIN, &[]), dev(NEWLINE, &[]));
    let named = dev(PLAIN, &["task.identity=['problem']"]);
    assert_eq!(named, dev(NEWLINE, &["task.identity=['problem']"]));
    assert_ne!(named, dev(PLAIN, &[]), "the source of a row is not part of the problem");
    let prompt = PLAIN.replace("question", "problem");
    let error = place.experiment(&prompt, &["task.identity=['nothing']"]).task().err().unwrap().to_string();
    assert!(error.contains("there is no \"nothing\"") && error.contains("`identity`"), "{error}");
}

#[test]
fn other_columns_hide_no_problem_that_was_trained_on() {
    let place = Place::new();
    let run = place.run("run", &place.experiment(PLAIN, &[]), &place.path("base")).unwrap();
    let checkpoint = run.iteration("star", 1).checkpoint();
    let trained = TrainedProblems::of_checkpoint(&checkpoint).unwrap();
    let rows = std::fs::read_to_string(place.path("numbers.jsonl")).unwrap();
    for (changed, prompt, overrides) in [
        // All rows have another identity, and 60 of them measure.
        (rows.replace("\"question\"", "\"problem\""), PLAIN.replace("question", "problem"), vec!["task.dev_problems=60"]),
        (
            rows.replace("\"source\"", "\"note\": null, \"source\""),
            PLAIN.to_owned(),
            vec!["task.dev_problems=60", "task.identity=['source']"],
        ),
        (
            rows.replace("\"question\"", "\"problem\""),
            PLAIN.replace("question", "problem"),
            vec!["task.dev_problems=60", "task.id='source'"],
        ),
    ] {
        std::fs::write(place.path("numbers.jsonl"), changed).unwrap();
        let task = place.experiment(&prompt, &overrides).task().unwrap();
        let error = trained.refuse(&checkpoint, task.as_ref(), Split::Dev, 0).unwrap_err();
        assert!(matches!(error, Error::TrainedOnHeldOut { measured: 60, .. }), "{error}");
    }
}

#[test]
fn adapters_were_trained_on_what_their_base_was_trained_on() {
    let place = tempfile::tempdir().unwrap();
    let (base, adapter) = (place.path().join("llama-tiny"), place.path().join("adapters/llama"));
    std::fs::create_dir_all(&base).unwrap();
    std::fs::create_dir_all(&adapter).unwrap();
    let of = |name: &str| TrainedProblems { identities: BTreeSet::from([name.to_owned()]) };
    of("one").write(&base).unwrap();
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/adapters/llama/adapter_config.json");
    std::fs::copy(config, adapter.join("adapter_config.json")).unwrap();
    assert_eq!(TrainedProblems::of_checkpoint(&adapter).unwrap(), of("one"), "adapters from elsewhere");
    of("two").write(&adapter).unwrap();
    assert_eq!(TrainedProblems::of_checkpoint(&adapter).unwrap().identities, BTreeSet::from(["one".to_owned(), "two".to_owned()]));
}
