//! A random answer is right in every notation and phrasing, and its neighbours are wrong.

use crate::random::Random;
use starloop_answers::choice::{ChoicePreference, ChoiceStyle};
use starloop_answers::number::{self, Quantity};
use starloop_answers::verdict::{self, Choices, Tolerance, Verdict};
use starloop_answers::{Ending, Mark};

/// Digits in groups of three, or in Indian groups, with a mark between them.
fn grouped(digits: &str, mark: &str, is_indian: bool) -> String {
    let mut groups = Vec::new();
    let (mut rest, mut size) = (digits, 3);
    while rest.len() > size {
        let (before, group) = rest.split_at(rest.len() - size);
        groups.push(group);
        rest = before;
        size = if is_indian { 2 } else { 3 };
    }
    groups.push(rest);
    groups.reverse();
    groups.join(mark)
}

fn in_script(digits: &str, zero: char) -> String {
    let digit = |c: char| c.to_digit(10).and_then(|digit| char::from_u32(zero as u32 + digit)).unwrap_or(c);
    digits.chars().map(digit).collect()
}

/// Every notation of a number with two decimals, given as hundredths. The first one is plain.
fn notations(hundredths: i64) -> Vec<String> {
    let sign = if hundredths < 0 { "-" } else { "" };
    let magnitude = hundredths.unsigned_abs();
    let (whole, cents) = ((magnitude / 100).to_string(), magnitude % 100);
    let mut found = vec![format!("{sign}{whole}.{cents:02}")];
    for (mark, decimal) in [
        (",", "."),
        (".", ","),
        (" ", ","),
        (" ", "."),
        ("'", "."),
        ("’", ","),
        ("_", "."),
        ("\u{a0}", ","),
        ("\u{202f}", ","),
        ("{,}", "."),
        ("\\,", "."),
        ("~", "."),
    ] {
        let grouped = grouped(&whole, mark, false);
        found.push(format!("{sign}{grouped}{decimal}{cents:02}"));
        if cents == 0 && (whole.len() > 6 || !matches!(mark, ".")) && (whole.len() > 3) {
            found.push(format!("{sign}{grouped}"));
        }
    }
    found.push(format!("{sign}{}.{cents:02}", grouped(&whole, ",", true)));
    found.push(format!("{sign}{magnitude}/100"));
    found.push(format!("{sign}\\frac{{{magnitude}}}{{100}}"));
    found.push(format!("\\dfrac{{{sign}{magnitude}}}{{100}}"));
    found.push(format!("{sign}{magnitude}e-2"));
    found.push(format!("{sign}{magnitude} \\times 10^{{-2}}"));
    found.push(format!("{sign}{magnitude} × 10⁻²"));
    if magnitude > 100 && cents != 0 {
        found.push(format!("{sign}{whole} {cents}/100"));
        found.push(format!("{sign}{whole}\\frac{{{cents}}}{{100}}"));
    }
    for zero in ['０', '٠', '۰', '०', '𝟎'] {
        found.push(in_script(&format!("{sign}{whole}.{cents:02}"), zero));
    }
    for dash in ["−", "–", "—", "‑", "－", "minus ", "negative "] {
        if hundredths < 0 {
            found.push(format!("{dash}{whole}.{cents:02}"));
        }
    }
    let plain = format!("{whole}.{cents:02}");
    for around in ["$", "€", "₹", "US$", "Rs. ", "USD "] {
        found.push(format!("{sign}{around}{plain}"));
    }
    for unit in ["%", " %", " m^2", " m²", "\\text{ cm}^2", " km/h", " clips", "^\\circ", " €", " dollars"] {
        found.push(format!("{sign}{plain}{unit}"));
    }
    if magnitude.is_multiple_of(100_000) {
        found.push(format!("{sign}{}k", magnitude / 100_000));
        found.push(format!("{sign}{} thousand", magnitude / 100_000));
    }
    found
}

/// Completions that state an answer, with `@` for it.
const PHRASINGS: [&str; 22] = [
    "#### @",
    "so\n#### @\n",
    "\\boxed{@}",
    "The result is $\\boxed{@}$ in 3 steps.",
    "<answer>@</answer>",
    "<answer> @ </answer> in 2 steps",
    "The answer is @.",
    "The answer is @, after 3 days.",
    "The answer is $@$.",
    "The answer is **@**.",
    "Answer: @",
    "**Answer:** @\n\nI used 3 steps.",
    "Final answer: @ [1]",
    "答案：@。",
    "Die Antwort ist @.",
    "La réponse est @.",
    "She took 3 boxes.\n@",
    "She took 3 boxes.\nx = @",
    "So 5 + 3 gives in the end @",
    "<think>7</think>The answer is @.",
    "The answer is @.<|im_end|>\n<|im_start|>user\nAnd 8?",
    "The answer is @.\n\nQuestion: 5+3?\nAnswer: 8",
];

fn grade(completion: &str, known: &Quantity) -> Verdict {
    verdict::number(completion, known, &Tolerance::Exact, &Mark::ALL, Ending::Complete).verdict
}

fn known(hundredths: i64) -> Quantity {
    number::known(&format!("{hundredths}/100")).unwrap()
}

#[test]
fn a_number_is_right_in_every_notation_and_its_neighbours_are_wrong() {
    let mut random = Random::new(7);
    for round in 0..200 {
        let magnitude = (random.next() % 10_u64.pow(3 + round % 9)) as i64 + 1;
        let hundredths = if random.below(2) == 0 { magnitude } else { -magnitude };
        let hundredths = if random.below(3) == 0 { hundredths * 100 } else { hundredths };
        let written = notations(hundredths);
        for notation in &written {
            let read = number::parse(notation).map(|quantity| quantity.value);
            assert_eq!(read, Some(known(hundredths).value), "{notation}");
        }
        for _ in 0..12 {
            let notation = &written[random.below(written.len())];
            let completion = random.pick(&PHRASINGS).replace('@', notation);
            assert_eq!(grade(&completion, &known(hundredths)), Verdict::Correct, "{completion:?} for {hundredths} hundredths");
            for other in [-hundredths, hundredths * 10, hundredths + 1, hundredths - 100, hundredths / 10] {
                assert!(matches!(grade(&completion, &known(other)), Verdict::Wrong { .. }), "{completion:?} for {other} hundredths");
            }
        }
    }
}

/// A prefix or suffix of a number is never read as the number, also in a wrong notation.
#[test]
fn a_part_of_a_number_is_never_right() {
    let mut random = Random::new(8);
    let marks = [",", ".", " ", "'", "_", "{,}", "\\,", "~", "/", " / ", "-", "–", "^", " x ", "½", " 1/", "e", "\\frac", ":"];
    for _ in 0..4000 {
        let groups: Vec<String> = (0..2 + random.below(3)).map(|_| (2 + random.below(998)).to_string()).collect();
        let mut notation = groups[0].clone();
        for group in &groups[1..] {
            notation += random.pick(&marks);
            notation += group;
        }
        let whole = number::parse(&notation);
        let completion = random.pick(&PHRASINGS[..16]).replace('@', &notation);
        for part in [&groups[0], groups.last().unwrap()] {
            let part = number::known(part).unwrap();
            let is_whole = whole.as_ref().is_some_and(|whole| whole.value == part.value);
            assert!(is_whole || grade(&completion, &part) != Verdict::Correct, "{part} of {completion:?}");
        }
    }
}

/// Completions that settle on a choice: `@` is its capital letter, `%` its small one, `&` its text.
const CONCLUSIONS: [&str; 46] = [
    "The answer is & (%).",
    "Therefore, the answer is & (%).",
    "The answer is (%).",
    "The answer is @.",
    "The answer is @",
    "The answer is **@**.",
    "The answer is “@”.",
    "The answer is $@$.",
    "The answer is [@].",
    "The answer is @, because of the others.",
    "The answer is option @.",
    "The answer is &.",
    "The answer is the &, I think.",
    "Answer: @",
    "Answer: (@) &",
    "**Answer:** @",
    "Answer: I think it's @.",
    "Final answer: @",
    "#### %",
    "#### (@)",
    "\\boxed{@}",
    "\\boxed{\\mathrm{@}}",
    "\\boxed{\\text{(@)}}",
    "<answer>@</answer>",
    "<answer>@. &</answer>",
    "{\"answer\":\"@\"}",
    "{\"answer\": \"%\"}",
    "答案：@",
    "答案是（@）。",
    "Antwort: @",
    "La réponse est @.",
    "Ответ: @",
    "Option @ is correct.",
    "@ is correct.",
    "(%) & is right.",
    "& is the correct answer.",
    "I'd go with @.",
    "I would choose option @.",
    "I choose (%).",
    "I pick &.",
    "It is @.",
    "So it's (%).",
    "(%)",
    "@",
    "@) &",
    "&",
];

const TEXTS: [&str; 9] = ["radio shack", "substation", "television", "cabinet", "desk", "museum", "harbour", "kitchen", "garden"];

#[test]
fn a_choice_is_right_in_every_phrasing_and_the_others_are_wrong() {
    let mut random = Random::new(9);
    for count in [2, 4, 5, 9] {
        for (right, text) in TEXTS.iter().enumerate().take(count) {
            for phrasing in CONCLUSIONS {
                let small = char::from(b'a' + right as u8).to_string();
                let stated = phrasing.replace('&', text).replace('%', &small).replace('@', &small.to_uppercase());
                let other = random.below(count);
                let before =
                    ["", "Not all of these are places.\n", "Is it (b)? No.\n", "<think>The answer is (a) or A.</think>"][random.below(4)];
                let completion = format!("{before}{stated}");
                let grade = |right: usize| {
                    let choices =
                        Choices { texts: &TEXTS[..count], right, style: ChoiceStyle::Letters, preference: ChoicePreference::Letter };
                    verdict::choice(&completion, &choices, &Mark::ALL, Ending::Complete).verdict
                };
                assert_eq!(grade(right), Verdict::Correct, "{completion:?}");
                assert!(other == right || matches!(grade(other), Verdict::Wrong { .. }), "{completion:?}");
            }
        }
    }
}

#[test]
fn without_letters_only_texts_count() {
    let choices = Choices { texts: &TEXTS[..5], right: 2, style: ChoiceStyle::Text, preference: ChoicePreference::Letter };
    let grade = |completion: &str| verdict::choice(completion, &choices, &Mark::ALL, Ending::Complete).verdict;
    let wrong = |text: &str| Verdict::Wrong { predicted: text.to_owned() };
    for (completion, verdict) in [
        ("The answer is television.", Verdict::Correct),
        ("The answer is television (e).", Verdict::Correct),
        ("Answer: television", Verdict::Correct),
        ("I'd go with television.", Verdict::Correct),
        ("\\boxed{\\text{television}}", Verdict::Correct),
        ("television", Verdict::Correct),
        ("The answer is C.", Verdict::Unparsed),
        ("(c)", Verdict::Unparsed),
        ("The answer is desk.", wrong("desk")),
        ("The answer is desk or television.", Verdict::Unparsed),
    ] {
        assert_eq!(grade(completion), verdict, "{completion}");
    }
}

#[test]
fn known_choices_are_letters_or_texts() {
    let known = |answer: &str| starloop_answers::choice::known(answer, &["red", "Blue", "b"]);
    let found = ["a", "A", "(a)", "C.", "red", " blue ", "b", "B", "d", "blu", "", "1"].map(known);
    assert_eq!(found, [Some(0), Some(0), Some(0), Some(2), Some(0), Some(1), None, None, None, None, None, None]);
    let shared = |answer: &str| starloop_answers::choice::known(answer, &["arm", "Neck", "neck", "neck"]);
    assert_eq!(["Neck", "neck", "NECK", "(c)"].map(shared), [Some(1), None, None, Some(2)]);
}
