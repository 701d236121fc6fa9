//! The generator of word problems: a template, names, things and numbers, drawn at random.
//!
//! A problem depends on its place in the list alone, so a longer list begins with the same problems, and no seed of a run changes them. The
//! templates were written for this program. None of them is a problem of SVAMP, MAWPS or `ASDiv`, but they are of the same kind.

use crate::task::identity::digest;
use crate::types::{Problem, ProblemId};
use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use starloop_answers::steps;
use std::collections::HashSet;

/// The templates, one a line: formula, a bar, text.
const TEMPLATES: &str = include_str!("templates.txt");
const NAMES: [&str; 24] = [
    "Ada", "Ben", "Clara", "David", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kamala", "Leo", "Mina", "Noah", "Olga", "Pablo",
    "Rosa", "Samir", "Tara", "Uwe", "Vera", "Wang", "Yuki", "Zola",
];
const THINGS: [&str; 24] = [
    "apples", "shells", "stamps", "coins", "pencils", "marbles", "cards", "cookies", "buttons", "stones", "balloons", "candles", "books",
    "oranges", "toys", "flowers", "eggs", "beads", "stickers", "nuts", "cups", "photos", "pears", "badges",
];
/// Containers, in the plural and in the singular.
const CONTAINERS: [(&str, &str); 8] = [
    ("boxes", "box"),
    ("bags", "bag"),
    ("baskets", "basket"),
    ("jars", "jar"),
    ("crates", "crate"),
    ("trays", "tray"),
    ("drawers", "drawer"),
    ("packs", "pack"),
];
const PLACES: [&str; 8] = ["the market", "the school", "the library", "the fair", "the shop", "the museum", "the party", "the farm"];
/// The largest number that is drawn for a text.
const LARGEST_NUMBER: i64 = 99;
/// The largest value of a formula and of its first step.
const LARGEST_VALUE: i64 = 400;
/// More problems than this are refused: templates, names, things and numbers would repeat.
const MOST: usize = 100_000;

/// The first `count` problems.
pub(super) fn problems(count: usize) -> Result<Vec<Problem>, String> {
    if count == 0 || count > MOST {
        return Err(format!("must be in 1..={MOST}, found {count}"));
    }
    let templates = templates();
    let (mut problems, mut seen) = (Vec::with_capacity(count), HashSet::new());
    for place in 0_u32.. {
        if problems.len() == count {
            break;
        }
        let mut generator = ChaCha8Rng::from_seed(digest(["starloop/word-problems", &place.to_string()]));
        let ProblemTemplate { formula, text, steps } = templates.choose(&mut generator).expect("there are templates");
        let (numbers, answer) = numbers(formula, &mut generator);
        let question = filled(text, numbers, &mut generator);
        if seen.insert(question.clone()) {
            let (id, class) = (ProblemId(format!("{place:06}")), if *steps == 1 { "1 step" } else { "2 steps" }.to_owned());
            problems.push(Problem { id, class, question, answer: answer.to_string(), choices: Vec::new() });
        }
    }
    Ok(problems)
}

/// A line of the file.
struct ProblemTemplate {
    formula: &'static str,
    text: &'static str,
    /// Operators of the formula.
    steps: usize,
}

fn templates() -> Vec<ProblemTemplate> {
    let lines = TEMPLATES.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let template = |line: &'static str| {
        let (formula, text) = line.split_once(" | ").expect("a formula and a text");
        ProblemTemplate { formula, text, steps: formula.matches(['+', '-', '*', '/']).count() }
    };
    lines.map(template).collect()
}

/// Numbers for a formula whose steps all have whole values above 0, and the value of the formula.
fn numbers(formula: &str, generator: &mut ChaCha8Rng) -> ([i64; 3], i64) {
    loop {
        // A factor or divisor is small, as in such problems; a sum has larger numbers.
        let mut draw = |follows: &str| {
            let is_factor = ["* ", "/ "].iter().any(|operator| formula.contains(&format!("{operator}{follows}")));
            generator.random_range(2..=if is_factor { 12 } else { LARGEST_NUMBER })
        };
        let numbers = [draw("a"), draw("b"), draw("c")];
        let numbers = if formula.starts_with("a *") { [numbers[0] % 24 + 2, numbers[1], numbers[2]] } else { numbers };
        if let Some(answer) = value(formula, numbers) {
            return (numbers, answer);
        }
    }
}

/// The value of a formula; `None` if the value of a step is not a whole number from 1 to the largest.
fn value(formula: &str, [a, b, c]: [i64; 3]) -> Option<i64> {
    let numbers = formula.chars().map(|character| match character {
        'a' => a.to_string(),
        'b' => b.to_string(),
        'c' => c.to_string(),
        other => other.to_string(),
    });
    let written: String = numbers.collect();
    let is_whole = |value: &f64| value.fract() == 0.0 && (1.0..=LARGEST_VALUE as f64).contains(value);
    // The operands of the last step are whole if the first two numbers of the formula give a whole number.
    let first = written.trim_start_matches('(').split(' ').take(3).collect::<Vec<_>>().join(" ");
    let first = steps::evaluate(first.trim_end_matches(')')).filter(is_whole);
    let whole = steps::evaluate(&written).filter(is_whole);
    first.and(whole).map(|value| value as i64)
}

/// The text of a template with names, things and numbers.
fn filled(text: &str, [a, b, c]: [i64; 3], generator: &mut ChaCha8Rng) -> String {
    let names: Vec<&&str> = NAMES.sample(generator, 2).collect();
    let mut of = |words: &[&'static str]| *words.choose(generator).expect("there are words");
    let (thing, place) = (of(&THINGS), of(&PLACES));
    let (containers, container) = CONTAINERS.choose(generator).expect("there are containers");
    let (a, b, c) = (a.to_string(), b.to_string(), c.to_string());
    let words = [
        ("{N}", *names[0]),
        ("{M}", *names[1]),
        ("{t}", thing),
        ("{c}", containers),
        ("{o}", container),
        ("{p}", place),
        ("{a}", &a),
        ("{b}", &b),
        ("{c1}", &c),
    ];
    words.iter().fold(text.to_owned(), |text, (mark, word)| text.replace(mark, word))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_list_depends_on_its_length_alone_and_repeats_nothing() {
        let problems = problems(3000).unwrap();
        assert_eq!(problems[..200], super::problems(200).unwrap());
        assert_eq!(problems.iter().map(|problem| &problem.question).collect::<HashSet<_>>().len(), 3000);
        let two = problems.iter().filter(|problem| problem.class == "2 steps").count();
        assert!((900..1800).contains(&two), "{two}");
        assert!(problems.iter().all(|problem| !problem.question.contains(['{', '}'])));
        for count in [0, MOST + 1] {
            assert!(super::problems(count).is_err_and(|reason| reason.contains("must be in 1..=100000")));
        }
    }

    #[test]
    fn a_formula_has_whole_steps() {
        for (formula, numbers, expected) in [
            ("a + b", [5, 3, 0], Some(8)),
            ("a - b", [3, 5, 0], None),
            ("a / b", [9, 2, 0], None),
            ("a / b * c", [9, 2, 4], None),
            ("a / b * c", [8, 2, 4], Some(16)),
            ("(a - b) / c", [20, 6, 7], Some(2)),
            ("a - b + c", [3, 5, 9], None),
            ("a * b * c", [9, 9, 9], None),
        ] {
            assert_eq!(value(formula, numbers), expected, "{formula} {numbers:?}");
        }
    }

    #[test]
    fn every_template_is_used_and_names_each_number_of_its_formula() {
        for ProblemTemplate { formula, text, steps } in templates() {
            assert!((1..=2).contains(&steps), "{formula}");
            for (letter, mark) in [('a', "{a}"), ('b', "{b}"), ('c', "{c1}")] {
                assert_eq!(formula.contains(letter), text.contains(mark), "{formula} | {text}");
            }
            let mut generator = ChaCha8Rng::from_seed([1; 32]);
            assert!(numbers(formula, &mut generator).1 > 0);
        }
    }
}
