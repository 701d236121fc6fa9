//! The statements of the corpus's page, checked on a few thousand documents.

use super::*;
use crate::task::arithmetic::scratchpad::Walk;
use crate::task::arithmetic::vocabulary::WORDS;
use crate::task::arithmetic::{pairs, parse_question, split_of};
use crate::types::Split;
use examples::{Items, Results};
use std::collections::{HashMap, HashSet};

const MAX_TOKENS: usize = 191;

fn documents(config: &CorpusConfig, count: usize) -> Vec<String> {
    config.check(MAX_TOKENS).expect("a sound config");
    let rng = &mut pairs::generator("corpus test", &[1]);
    (0..count).map(|_| document(config, rng, MAX_TOKENS)).collect()
}

fn only(family: Family) -> CorpusConfig {
    let mut shares = Shares { zip: 0.0, sum1: 0.0, sum2: 0.0, col: 0.0, copy: 0.0, suffix: 0.0 };
    *match family {
        Family::Zip => &mut shares.zip,
        Family::Sum1 => &mut shares.sum1,
        Family::Sum2 => &mut shares.sum2,
        Family::Col => &mut shares.col,
        Family::Copy => &mut shares.copy,
        Family::Suffix => &mut shares.suffix,
    } = 1.0;
    CorpusConfig { shares, ..CorpusConfig::default() }
}

/// The question, the hint (empty if there is none) and the completion of every example.
fn examples_of(document: &str) -> Vec<(&str, &str, &str)> {
    let examples = document.strip_prefix("Input:\n").expect("begins with a question").split("\nInput:\n");
    examples
        .map(|example| {
            let (question, rest) = example.split_once("\nTarget:").expect("a target");
            let (hint, completion) = rest.split_once('\n').expect("a completion");
            (question, hint.trim_start(), completion)
        })
        .collect()
}

/// The two numbers of a question with any operator, and the operator.
fn operands(question: &str) -> (u32, (u64, u64), &str) {
    let operator = question.split(' ').find(|word| word.parse::<u8>().is_err()).expect("an operator");
    let (digits, pair) = parse_question(&question.replace(operator, "+")).expect("two numbers");
    (digits, pair, operator)
}

fn digits_of(line: &str) -> Vec<u8> {
    line.split(' ').map(|digit| digit.parse().expect("a digit")).collect()
}

/// Right digits, results and flags of a walk, checked line by line against the layout.
fn read_walk(question: &str, hint: &str, completion: &str) -> Walk {
    let (columns, (a, b), operator) = operands(question);
    let frame = Walk::addition(a, b, columns as usize, operator);
    let lines: Vec<&str> = completion.lines().collect();
    let results = digits_of(lines[lines.len() - 3])[1..].to_vec();
    let mut carries: Vec<u8> =
        lines[2..2 + columns as usize].iter().map(|line| line.split("C: ").last().and_then(|c| c.parse().ok()).expect("a flag")).collect();
    carries.reverse();
    let walk = Walk { results, carries, ..frame };
    assert_eq!(walk.completion(), completion);
    assert!(hint.is_empty() || hint == walk.last_line(), "{hint} {completion}");
    walk
}

#[test]
fn families_have_their_shares() {
    let config = CorpusConfig::default();
    let rng = &mut pairs::generator("plans", &[1]);
    let mut counts: HashMap<Family, f64> = HashMap::new();
    let (mut zip_hinted, mut hinted, mut arbitrary, mut plus) = (0.0, 0.0, 0.0, 0.0);
    let total = 20_000.0;
    for _ in 0..20_000 {
        let plan = DocumentPlan::draw(&config, rng);
        *counts.entry(plan.family).or_default() += 1.0;
        match (plan.family, plan.hinted) {
            (Family::Zip, true) => zip_hinted += 1.0,
            (_, true) => hinted += 1.0,
            _ => {}
        }
        arbitrary += f64::from(u8::from(plan.family == Family::Zip && plan.results == Results::Arbitrary));
        plus += f64::from(u8::from(plan.family != Family::Zip && plan.operator == "+"));
        assert!(plan.hinted || plan.results != Results::Arbitrary, "nothing could tell");
    }
    for family in Family::ALL {
        let share = counts[&family] / total;
        assert!((share - config.shares.of(family)).abs() < 0.012, "{family:?} {share}");
    }
    let zip = counts[&Family::Zip];
    for (name, share, expected) in [
        ("hinted walks", zip_hinted / zip, 0.5),
        ("arbitrary results among them", arbitrary / zip_hinted, 0.7),
        ("other hinted documents", hinted / (total - zip), 0.2),
        ("sums with +", plus / (total - zip), 0.5),
    ] {
        assert!((share - expected).abs() < 0.025, "{name}: {share}");
    }
}

#[test]
fn documents_fit_and_use_known_words_only() {
    let documents = documents(&CorpusConfig { max_columns: 8, ..CorpusConfig::default() }, 3_000);
    let words: HashSet<&str> = WORDS.into_iter().collect();
    for document in &documents {
        assert!(token_count(document) <= MAX_TOKENS, "{document}");
        assert!(document.split([' ', '\n']).all(|word| words.contains(word)), "{document}");
        assert!(!document.ends_with('\n') && !document.contains("  ") && !document.contains(" \n"), "{document}");
        let examples = examples_of(document);
        assert!((1..=12).contains(&examples.len()));
        assert!(examples.iter().all(|(_, hint, _)| hint.is_empty() == examples[0].1.is_empty()), "all hinted or none: {document}");
    }
    assert!(documents.iter().any(|document| examples_of(document).len() >= 10));
}

#[test]
fn walks_follow_the_rules() {
    let config = only(Family::Zip);
    let rng = &mut pairs::generator("walks", &[1]);
    let (mut operators, mut lengths, mut last_flags) = (HashSet::new(), HashSet::new(), [0; 2]);
    for _ in 0..3_000 {
        let plan = DocumentPlan::draw(&config, rng);
        let text = plan.example(&config, rng);
        let [(question, hint, completion)] = examples_of(&text).try_into().expect("one example");
        let walk = read_walk(question, hint, completion);
        for column in 1..walk.left.len() {
            assert_eq!(walk.carries[column], u8::from(walk.results[column] < walk.left[column]), "{text}");
        }
        match plan.results {
            Results::KeepLeft => assert_eq!(walk.results, walk.left),
            Results::KeepRight => assert_eq!(walk.results, walk.right),
            Results::Arbitrary => assert_ne!(
                walk.last_line(),
                Walk::addition(operands(question).1.0, operands(question).1.1, walk.left.len(), "+").last_line()
            ),
        }
        if plan.hinted {
            last_flags[usize::from(walk.carries[0])] += 1;
        } else {
            assert_eq!(walk.carries[0], u8::from(walk.results[0] < walk.left[0]), "{text}");
        }
        operators.insert((plan.operator.clone(), plan.results == Results::KeepLeft));
        lengths.insert(walk.left.len());
    }
    assert_eq!(operators.len(), 10, "every operator, `+` too, has each meaning");
    assert_eq!(lengths, (1..=6).collect());
    assert!(last_flags.iter().all(|&count| count > 500), "{last_flags:?}");
}

#[test]
fn sums_are_right_and_short() {
    for (family, known_digits) in [(Family::Sum1, 2), (Family::Sum2, 2), (Family::Sum2, 1)] {
        let mut seen = HashSet::new();
        for document in documents(&CorpusConfig { known_digits, ..only(family) }, 500) {
            for (question, hint, completion) in examples_of(&document) {
                let (digits, (a, b), operator) = operands(question);
                let walk = Walk::addition(a, b, digits as usize, operator);
                assert_eq!(completion, walk.completion());
                assert!(hint.is_empty() || hint == walk.last_line());
                seen.insert(digits);
            }
        }
        assert_eq!(seen.len() as u32, if family == Family::Sum1 { 1 } else { known_digits });
        assert!(seen.iter().all(|&digits| digits <= known_digits));
    }
}

#[test]
fn no_held_out_pair_and_no_long_sum() {
    for family in [Family::Zip, Family::Sum1, Family::Sum2] {
        for document in documents(&only(family), 1_500) {
            for (question, _, completion) in examples_of(&document) {
                let (digits, (a, b), operator) = operands(question);
                assert_eq!(split_of(a, b), Split::Train, "{document}");
                let sum = Walk::addition(a, b, digits as usize, operator);
                assert!(digits <= 2 || !completion.ends_with(&format!("</scratch>\n{}", sum.answer())), "{document}");
            }
        }
    }
}

#[test]
fn one_operator_and_one_meaning_in_a_document() {
    for document in documents(&only(Family::Zip), 500) {
        let examples = examples_of(&document);
        let walks: Vec<Walk> = examples.iter().map(|&(question, hint, completion)| read_walk(question, hint, completion)).collect();
        assert!(walks.iter().all(|walk| walk.operator == walks[0].operator));
        let kept = walks.iter().all(|walk| walk.results == walk.left) || walks.iter().all(|walk| walk.results == walk.right);
        assert!(kept || !examples[0].1.is_empty(), "without a hint the meaning is there to be read: {document}");
    }
}

#[test]
fn column_facts_are_right_and_complete() {
    let mut facts = HashSet::new();
    for document in documents(&only(Family::Col), 3_000) {
        for (question, hint, completion) in examples_of(&document) {
            let words: Vec<&str> = question.split(' ').collect();
            let [left, operator, right, ",", "C:", carry] = words[..] else { panic!("{question}") };
            let number = |digit: &str| digit.parse::<u8>().expect("a digit");
            let sum = number(left) + number(right) + number(carry);
            assert_eq!(completion, format!(", {} C: {}", sum % 10, sum / 10));
            assert!(hint.is_empty() || hint == format!("{} {}", sum / 10, sum % 10));
            assert!(["+", "|", ">", "-", "="].contains(&operator));
            facts.insert((number(left), number(right), number(carry)));
        }
    }
    assert_eq!(facts.len(), 200);
}

#[test]
fn copies_and_suffixes() {
    for document in documents(&only(Family::Copy), 300) {
        assert!(
            examples_of(&document)
                .iter()
                .all(|&(question, hint, completion)| completion == question && (hint.is_empty() || hint == question))
        );
    }
    let rng = &mut pairs::generator("suffix", &[1]);
    let plan = DocumentPlan {
        family: Family::Suffix,
        operator: "+".to_owned(),
        hinted: false,
        results: Results::KeepLeft,
        items: Items::Both,
        length: Some(3),
    };
    let text = plan.example(&CorpusConfig::default(), rng);
    let [x, y, z] = text.lines().nth(1).expect("a question").split(' ').collect::<Vec<_>>()[..] else { panic!("{text}") };
    assert_eq!(text, format!("Input:\n{x} {y} {z}\nTarget:\n<scratch>\n{z}\n{y} {z}\n{x} {y} {z}\n</scratch>\n{x} {y} {z}"));
}

#[test]
fn the_same_generator_gives_the_same_documents() {
    let draw = |seed| {
        let rng = &mut pairs::generator("same", &[seed]);
        (0..50).map(|_| document(&CorpusConfig::default(), rng, MAX_TOKENS)).collect::<Vec<_>>()
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn configs_are_checked() {
    let check = |toml: &str, max_tokens| toml::from_str::<CorpusConfig>(toml).expect("parses").check(max_tokens).map_err(|e| e.to_string());
    assert_eq!(check("", MAX_TOKENS), Ok(()));
    assert_eq!(check("max_columns = 12", 262), Ok(()));
    assert!(check("max_columns = 12", 261).is_err());
    let refused = |toml: &str, key: &str| {
        let message = check(toml, MAX_TOKENS).expect_err(toml);
        assert!(message.starts_with(&format!("{key}: ")), "{message}");
    };
    refused("max_columns = 18", "max_columns");
    refused("max_columns = 0", "max_columns");
    refused("known_digits = 3", "known_digits");
    refused("hinted_share = 1.5", "hinted_share");
    refused("plus_share = -0.5", "plus_share");
    refused("max_examples = 0", "max_examples");
    refused("operators = ['|', '>']", "operators");
    refused("operators = ['+']", "operators");
    refused("operators = ['+', '*']", "operators");
    refused("operators = ['+', '|', '|']", "operators");
    refused("shares = { zip = -1.0 }", "shares");
    assert!(toml::from_str::<CorpusConfig>("columns = 3").is_err());
    assert!(toml::from_str::<CorpusConfig>("shares = { zap = 1.0 }").is_err());
}
