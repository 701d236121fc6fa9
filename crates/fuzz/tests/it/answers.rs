//! Completions, known answers, and the replies of verifier programs.

use starloop_answers::{Ending, Mark, choice, find, number};
use starloop_core::task::jsonl;
use starloop_core::types::ProblemId;
use starloop_fuzz::Target;

const CHOICES: [&str; 3] = ["a desk", "not B", "12"];

#[test]
fn completions() {
    let seeds = [
        "So 24 + 48 = 72.\n#### 72",
        "The answer is $\\frac{3}{4}$, or 0.75.",
        "\\boxed{1{,}200 \\text{ km}} <answer>-3 1/2</answer>",
        "<think>B?</think> I'd go with (B), because a desk is not 12. Answer: B",
    ];
    let words = &["####", "\\boxed{", "the answer is", "<think>", "½", "^", "(a)", "and", "1,000"];
    Target::new("completions", seeds.map(|seed| seed.as_bytes().to_vec())).words(words).run(super::tmp(), |input| {
        // Ten readings have one second.
        let text = &String::from_utf8_lossy(&input[..input.len().min(1 << 15)]);
        for ending in [Ending::Complete, Ending::CutOff] {
            let _ = (find::number(text, &Mark::ALL, ending), find::text(text, &Mark::ALL, ending));
            for style in [choice::ChoiceStyle::Letters, choice::ChoiceStyle::Text] {
                let _ = choice::find(text, &CHOICES, style, &Mark::ALL, ending);
            }
        }
        let _ = (number::known(text), choice::known(text, &CHOICES));
    });
}

#[test]
fn verifier_replies() {
    let seeds = [
        r#"{"verdict": "correct"}"#,
        r#"{"id": "jsonl/train/00017", "verdict": "wrong", "predicted": 73.5e2}"#,
        r#"{"verdict": "wrong", "predicted": {"a": [1, null, "\ud83e\udd80"]}, "reason": "none"}"#,
        r#"{"verdict": "unparsed", "id": "jsonl/train/00018"}"#,
    ];
    let words = &["\"verdict\"", "\"correct\"", "[[[[[[[[", "1e999", "null"];
    let asked = ProblemId("jsonl/train/00017".to_owned());
    Target::new("verifier-replies", seeds.map(|seed| seed.as_bytes().to_vec())).words(words).run(super::tmp(), |input| {
        let _ = jsonl::verdict(&String::from_utf8_lossy(input), &asked);
    });
}
