//! The task through its interface to the loop.

use super::*;
use std::collections::BTreeMap;

fn task(config: ArithmeticConfig, seed: u64) -> ArithmeticTask {
    ArithmeticTask::new(config, seed).expect("a sound config")
}

fn extended() -> ArithmeticConfig {
    let extension = Some(ExtensionConfig { from_iteration: 3, digits: [6, 10] });
    ArithmeticConfig { problems_per_iteration: 300, extension, evaluation_per_class: 20, ..ArithmeticConfig::default() }
}

fn by_class(problems: &[Problem]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for problem in problems {
        *counts.entry(problem.class.as_str()).or_insert(0) += 1;
    }
    counts
}

fn sides(problem: &Problem) -> (u64, u64) {
    parse_question(&problem.question).expect("a generated question").1
}

#[test]
fn counts_are_those_of_the_problems() {
    let few = ArithmeticConfig { digits: [1, 1], problems_per_iteration: 10_000, evaluation_per_class: 500, ..ArithmeticConfig::default() };
    for config in [ArithmeticConfig::default(), extended(), few] {
        let task = task(config, 1);
        for iteration in 1..5 {
            assert_eq!(task.training_count(iteration), task.training_problems(iteration).len());
            for split in [Split::Train, Split::Dev, Split::Test] {
                assert_eq!(task.evaluation_count(split, iteration), task.evaluation_problems(split, iteration).len());
            }
        }
    }
}

#[test]
fn an_answer_alone_has_no_step_to_check() {
    let task = task(ArithmeticConfig::default(), 1);
    let problem = &task.training_problems(1)[0];
    let right = task.reference(problem).expect("every sum has a scratchpad");
    assert_eq!(task.has_false_step(problem, &right), Some(false));
    assert_eq!(task.has_false_step(problem, &right.replacen("C: 0", "C: 1", 1)), Some(true));
    assert_eq!(task.has_false_step(problem, &problem.answer), None);
}

#[test]
fn a_problem_in_full() {
    let problem = problem(Split::Train, 3, (624, 259));
    assert_eq!(problem.id.0, "arithmetic/train/624+259");
    assert_eq!((problem.class.as_str(), problem.question.as_str(), problem.answer.as_str()), ("3 digits", "6 2 4 + 2 5 9", "8 8 3"));
    let task = task(ArithmeticConfig::default(), 0);
    assert_eq!(task.prompt(&problem, Mode::Unhinted), "Input:\n6 2 4 + 2 5 9\nTarget:\n");
    assert_eq!(task.prompt(&problem, Mode::Hinted), "Input:\n6 2 4 + 2 5 9\nTarget: 0 8 8 3\n");
    assert_eq!(task.direct_completion(&problem), "8 8 3");
    let reference = task.reference(&problem).expect("arithmetic has references");
    assert!(reference.ends_with("0 8 8 3\n</scratch>\n8 8 3"));
    assert!(task.verify(&problem, &reference, &StopReason::EndToken).expect("a verdict").verdict.is_correct());
    assert!(task.verify(&problem, &task.direct_completion(&problem), &StopReason::EndToken).expect("a verdict").verdict.is_correct());
    assert!(!task.leaks_hint(&reference));
}

#[test]
fn training_problems_are_fresh_distinct_and_reproducible() {
    let config = ArithmeticConfig::default();
    let first = task(config.clone(), 7).training_problems(1);
    assert_eq!(first.len(), 2_000);
    assert_eq!(first, task(config.clone(), 7).training_problems(1));
    assert_ne!(first, task(config.clone(), 7).training_problems(2));
    assert_ne!(first, task(config, 8).training_problems(1));
    assert_eq!(first.iter().map(|p| &p.id).collect::<HashSet<_>>().len(), first.len());
    let counts = by_class(&first);
    assert_eq!(counts["1 digit"], pairs::capacity(Pool::Problems, 1), "all that there are");
    assert!((2..=5).all(|n| (400..=570).contains(&counts[class(n).as_str()])), "{counts:?}");
}

#[test]
fn too_few_pairs_give_fewer_problems() {
    let config = ArithmeticConfig { digits: [1, 1], ..ArithmeticConfig::default() };
    assert_eq!(task(config, 1).training_problems(1).len(), pairs::capacity(Pool::Problems, 1));
}

#[test]
fn splits_are_disjoint_and_do_not_depend_on_the_seed() {
    let (one, two) = (task(extended(), 1), task(extended(), 2));
    for split in [Split::Dev, Split::Test] {
        let problems = one.evaluation_problems(split, 4);
        assert_eq!(problems, two.evaluation_problems(split, 9));
        assert!(problems.iter().all(|problem| split_of(sides(problem).0, sides(problem).1) == split));
        assert_eq!(problems.iter().map(|p| &p.id).collect::<HashSet<_>>().len(), problems.len());
        let counts = by_class(&problems);
        assert!((2..=10).all(|n| counts[class(n).as_str()] == 20), "{counts:?}");
        assert!((5..=10).contains(&counts["1 digit"]), "{counts:?}");
    }
    for problem in (1..=4).flat_map(|iteration| one.training_problems(iteration)) {
        assert_eq!(split_of(sides(&problem).0, sides(&problem).1), Split::Train, "{}", problem.id);
        assert!(problem.id.0.starts_with("arithmetic/train/"));
    }
}

#[test]
fn the_extension_joins_at_its_iteration() {
    let task = task(extended(), 1);
    assert_eq!(task.classes(0), ["1 digit", "2 digits", "3 digits", "4 digits", "5 digits"]);
    assert_eq!(task.classes(2).len(), 5);
    assert_eq!(task.classes(3).last().map(String::as_str), Some("10 digits"));
    assert!(!by_class(&task.training_problems(2)).contains_key("6 digits"));
    assert!(by_class(&task.training_problems(3))["10 digits"] > 15);
    assert_eq!(by_class(&task.evaluation_problems(Split::Dev, 2)).len(), 5);
    assert_eq!(by_class(&task.evaluation_problems(Split::Dev, 3)).len(), 10);
}

#[test]
fn worked_examples_are_shared_by_a_class_and_never_a_problem() {
    let task = task(extended(), 5);
    let problems = task.training_problems(3);
    let questions: HashSet<_> = problems.iter().map(|problem| task.prompt(problem, Mode::Unhinted)).collect();
    let mut of_class: BTreeMap<&str, Vec<WorkedExample>> = BTreeMap::new();
    for problem in &problems[..60] {
        let examples = task.worked_examples(problem, Mode::Unhinted, Style::Rationale, 3);
        assert_eq!(examples.len(), 3);
        assert!(examples.iter().all(|example| !questions.contains(&example.prompt)));
        let digits = problem.question.split(" + ").next();
        assert!(examples.iter().all(|e| e.prompt.lines().nth(1).and_then(|q| q.split(" + ").next()).map(str::len) == digits.map(str::len)));
        assert_eq!(of_class.entry(&problem.class).or_insert_with(|| examples.clone()), &examples);
    }
    let ten = task.worked_examples(&problem(Split::Dev, 1, (3, 4)), Mode::Unhinted, Style::Rationale, 10);
    assert_eq!(ten.len(), pairs::capacity(Pool::WorkedExamples, 1), "one digit has few");
    assert!(task.worked_examples(&problems[0], Mode::Unhinted, Style::Rationale, 0).is_empty());
}

#[test]
fn only_the_hinted_mode_shows_the_answer() {
    let task = task(extended(), 5);
    for problem in task.training_problems(3).iter().chain(&task.evaluation_problems(Split::Dev, 3)) {
        let plain = task.prompt(problem, Mode::Unhinted);
        assert_eq!(plain, format!("Input:\n{}\nTarget:\n", problem.question));
        let hinted = task.prompt(problem, Mode::Hinted);
        let last_line = task.reference(problem).and_then(|text| text.lines().rev().nth(2).map(str::to_owned)).expect("a scratchpad");
        assert_eq!(hinted, plain.replace("Target:", &format!("Target: {last_line}")));
    }
    let problem = problem(Split::Train, 3, (624, 259));
    assert!(
        task.worked_examples(&problem, Mode::Unhinted, Style::Rationale, 5).iter().all(|example| example.prompt.ends_with("\nTarget:\n"))
    );
    assert!(task.worked_examples(&problem, Mode::Hinted, Style::Rationale, 5).iter().all(|example| !example.prompt.contains("Target:\n")));
}

#[test]
fn a_completion_that_went_on_is_cut_by_the_stop_string() {
    let task = task(ArithmeticConfig::default(), 0);
    let gold = task.reference(&problem(Split::Train, 3, (624, 259))).expect("a scratchpad");
    let went_on = format!("{gold}{}{}", task.separator(), task.prompt(&problem(Split::Train, 1, (1, 2)), Mode::Unhinted));
    let [stop] = task.stop_strings().try_into().expect("one stop string");
    assert_eq!(went_on.split(&stop).next(), Some(gold.as_str()));
    let sum = problem(Split::Train, 3, (624, 259));
    assert!(task.verify(&sum, &went_on, &StopReason::EndToken).expect("a verdict").verdict.is_correct());
}

#[test]
fn questions_of_another_kind_are_data_not_a_panic() {
    for question in
        ["", "+", "1 2 + 3", "a + b", "1 + 2 + 3", "1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 + 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9"]
    {
        assert_eq!(parse_question(question), None, "{question:?}");
    }
    let task = task(ArithmeticConfig::default(), 0);
    let odd = Problem { question: "what?".to_owned(), ..problem(Split::Train, 1, (1, 2)) };
    assert_eq!(task.reference(&odd), None);
    assert!(task.worked_examples(&odd, Mode::Unhinted, Style::Rationale, 3).is_empty());
    assert_eq!(task.prompt(&odd, Mode::Hinted), "Input:\nwhat?\nTarget: 3\n");
}

#[test]
fn configs() {
    let parsed: ArithmeticConfig = toml::from_str("digits = [2, 3]\n[extension]\nfrom_iteration = 21").expect("valid");
    assert_eq!((parsed.digits, parsed.problems_per_iteration), ([2, 3], 2_000));
    assert_eq!(parsed.extension.as_ref().map(|e| e.digits), Some([6, 10]));
    assert_eq!(toml::from_str::<ArithmeticConfig>(&toml::to_string(&parsed).expect("TOML")), Ok(parsed));
    assert!(toml::from_str::<ArithmeticConfig>("digit = [2, 3]").is_err());
    assert!(toml::from_str::<ArithmeticConfig>("[extension]\nfrom_iteration = 2\nuntil = 3").is_err());

    let wrong = |toml: &str| ArithmeticTask::new(toml::from_str(toml).expect("parses"), 0).expect_err(toml).to_string();
    assert_eq!(wrong("digits = [3, 2]"), "digits: [3, 2] is not a range [smallest, largest] within 1..=18");
    assert!(wrong("digits = [0, 2]").starts_with("digits: "));
    assert!(wrong("digits = [1, 19]").starts_with("digits: "));
    assert!(wrong("problems_per_iteration = 0").starts_with("problems_per_iteration: "));
    assert!(wrong("evaluation_per_class = 0").starts_with("evaluation_per_class: "));
    assert!(wrong("extension = { from_iteration = 2, digits = [5, 7] }").starts_with("extension.digits: "));
    assert!(wrong("extension = { from_iteration = 0 }").starts_with("extension.from_iteration: "));
}

#[test]
fn a_part_of_the_hint_is_its_last_digits() {
    let task = task(ArithmeticConfig::default(), 1);
    let problem = problem(Split::Train, 3, (624, 259));
    for (share, hint) in [(0.0, ""), (0.25, " 3"), (0.5, " 8 3"), (1.0, " 0 8 8 3")] {
        let prompt = task.partly_hinted_prompt(&problem, share).expect("a part can be shown");
        assert_eq!(prompt, format!("Input:\n6 2 4 + 2 5 9\nTarget:{hint}\n"));
    }
}
