//! Splits are disjoint and stable, and files that cannot be divided are refused.

use super::*;

const PORTIONS: Portions = Portions { dev_problems: 10, problems_per_iteration: 0, evaluation_problems: 0 };

fn problem(id: &str, question: &str) -> Problem {
    Problem { id: ProblemId(id.into()), class: "all".into(), question: question.into(), answer: String::new(), choices: Vec::new() }
}

/// Entries whose ids are their numbers.
fn entries(questions: &[String]) -> Vec<Entry<usize>> {
    let entry =
        |(number, question): (usize, &String)| Entry::new(RowPlace::line(number + 1), problem(&number.to_string(), question), number);
    questions.iter().enumerate().map(entry).collect()
}

fn questions(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{name} {number}")).collect()
}

fn stored(key: &'static str, entries: Vec<Entry<usize>>) -> Store<usize> {
    Store::of(key, entries).unwrap_or_else(|error| panic!("{error}"))
}

fn files(train: &[String]) -> Files<usize> {
    Files { train: stored("train", entries(train)), dev: None, test: stored("test", entries(&questions("test", 5))) }
}

fn dataset(portions: Portions, seed: u64) -> Dataset<usize> {
    Dataset::new("t", files(&questions("train", 50)), [], portions, seed).unwrap_or_else(|error| panic!("{error}"))
}

fn asked(problems: &[Problem]) -> HashSet<&str> {
    problems.iter().map(|problem| problem.question.as_str()).collect()
}

#[test]
fn splits_are_disjoint_whole_and_named() {
    let dataset = dataset(PORTIONS, 1);
    let (train, dev) = (dataset.training_problems(1), dataset.evaluation_problems(Split::Dev));
    let test = dataset.evaluation_problems(Split::Test);
    assert_eq!((train.len(), dev.len(), test.len()), (40, 10, 5));
    assert!(asked(&train).is_disjoint(&asked(&dev)) && asked(&train).is_disjoint(&asked(&test)));
    for (problems, prefix) in [(&train, "t/train/"), (&dev, "t/dev/"), (&test, "t/test/")] {
        for problem in problems {
            let number = problem.id.0.strip_prefix(prefix).expect("the split's name");
            assert!(problem.question.ends_with(&format!(" {number}")));
            assert_eq!(dataset.rest(problem).map(|rest| rest.to_string()).as_deref(), Some(number));
        }
    }
    assert_eq!(dataset.classes(), ["all"]);
}

#[test]
fn what_is_held_out_depends_on_the_problems_alone() {
    let dev = dataset(PORTIONS, 1).evaluation_problems(Split::Dev);
    assert_eq!(dev, dataset(PORTIONS, 2).evaluation_problems(Split::Dev));
    let reversed: Vec<String> = questions("train", 50).into_iter().rev().collect();
    let turned = Dataset::new("t", files(&reversed), [], PORTIONS, 1).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(asked(&turned.evaluation_problems(Split::Dev)), asked(&dev));
    // More of them are the same and others besides.
    let more = dataset(Portions { dev_problems: 15, ..PORTIONS }, 1).evaluation_problems(Split::Dev);
    assert!(asked(&more).is_superset(&asked(&dev)));
}

#[test]
fn a_question_that_stands_twice_is_on_one_side() {
    let twice = [questions("train", 50), questions("train", 50)].concat();
    let dataset = Dataset::new("t", files(&twice), [], PORTIONS, 1).unwrap_or_else(|error| panic!("{error}"));
    let (train, dev) = (dataset.training_problems(1), dataset.evaluation_problems(Split::Dev));
    assert_eq!((train.len(), dev.len()), (80, 20));
    assert!(asked(&train).is_disjoint(&asked(&dev)));
}

#[test]
fn portions_are_fresh_for_each_iteration_and_fixed_for_measuring() {
    let portions = Portions { problems_per_iteration: 8, evaluation_problems: 3, ..PORTIONS };
    let (one, two) = (dataset(portions, 1), dataset(portions, 2));
    let first = one.training_problems(1);
    assert_eq!((first.len(), asked(&first).len()), (8, 8));
    assert_eq!(first, dataset(portions, 1).training_problems(1));
    assert_ne!(first, one.training_problems(2));
    assert_ne!(first, two.training_problems(1));
    for split in [Split::Dev, Split::Test] {
        assert_eq!(one.evaluation_problems(split).len(), 3);
        assert_eq!(one.evaluation_problems(split), two.evaluation_problems(split));
    }
}

#[test]
fn worked_examples_are_not_learned_from() {
    let shown = [problem("x", "train 7"), problem("y", "another question")].map(|problem| Identity::of_question(&problem));
    let portions = Portions { dev_problems: 49, ..PORTIONS };
    let error = Dataset::new("t", files(&questions("train", 50)), shown, portions, 1).err().expect("none is left");
    assert!(error.to_string().starts_with("dev_problems: 49 of 49 different problems"), "{error}");
    let dataset = Dataset::new("t", files(&questions("train", 50)), shown, PORTIONS, 1).unwrap_or_else(|error| panic!("{error}"));
    assert!(
        !asked(&dataset.training_problems(1)).contains("train 7") && !asked(&dataset.evaluation_problems(Split::Dev)).contains("train 7")
    );
}

#[test]
fn files_that_mix_learning_and_measuring_are_refused() {
    let refused = |files, worked: &[Problem]| {
        Dataset::new("t", files, worked.iter().map(Identity::of_question), PORTIONS, 1).err().expect("refused").to_string()
    };
    let shown = refused(files(&questions("train", 50)), &[problem("x", "test 3")]);
    assert_eq!(shown, "test: the problem of line 4 is among the worked examples: \"test 3\"");
    let common = [questions("train", 50), questions("test", 2)].concat();
    let said = refused(Files { dev: Some(Store::empty()), ..files(&common) }, &[]);
    assert_eq!(said, "test: its line 1 is the problem of line 51 of train, and 1 more; take them out of one file");
    let mut twice = entries(&questions("test", 5));
    twice[4].problem.id = ProblemId("2".into());
    let said = Store::of("test", twice).err().map(|error| error.to_string());
    assert_eq!(said.as_deref(), Some("test: lines 3 and 5 have the same id: 2"));
}

/// The same data under another template: the questions differ, the identities do not.
fn reworded(word: impl Fn(&str) -> String) -> Dataset<usize> {
    let [train, test] = [("train", 50), ("test", 5)].map(|(name, count)| {
        let mut entries = entries(&questions(name, count));
        for Entry { problem, .. } in &mut entries {
            problem.question = word(&problem.question);
        }
        stored(name, entries)
    });
    Dataset::new("t", Files { train, dev: None, test }, [], PORTIONS, 1).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_template_moves_no_problem_across() {
    let ids = |dataset: &Dataset<usize>| -> Vec<ProblemId> {
        dataset.evaluation_problems(Split::Dev).into_iter().map(|problem| problem.id).collect()
    };
    let plain = dataset(PORTIONS, 1);
    for other in [reworded(|question| format!("\nQ: {question}\nA:")), reworded(str::to_uppercase)] {
        assert_eq!(ids(&other), ids(&plain));
        let identities =
            |dataset: &Dataset<usize>| -> Vec<_> { dataset.training_problems(1).iter().map(|problem| dataset.identity(problem)).collect() };
        assert_eq!(identities(&other), identities(&plain));
    }
}

#[test]
fn a_template_that_hides_the_difference_of_two_problems_is_refused() {
    let mut same = entries(&questions("train", 50));
    for Entry { problem, .. } in &mut same {
        problem.question = "the same".into();
    }
    let files = Files { train: stored("train", same), ..files(&[]) };
    let error = Dataset::new("t", files, [], PORTIONS, 1).err().expect("refused").to_string();
    assert!(error.starts_with("train: lines ") && error.contains("have the same prompt"), "{error}");
}
