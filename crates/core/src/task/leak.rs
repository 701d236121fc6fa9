//! Whether a rationale tells that its answer was given, as some do that were written with the hint (rationalization: paper, section 3.2).
//! Such a rationale explains nothing, and a model that learns from it speaks of hints that are not there.

use regex::Regex;
use std::sync::LazyLock;

/// Ways of speaking of the hint. What is only *given in the question* is no leak.
static PHRASES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?ix)
        \b hint(?:s|ed)? \b
        | \( \s* correct \s* \)
        | \b (?: marked | labell?ed | flagged | listed | indicated | tagged ) \s+ (?: as \s+ )? (?: the \s+ )? (?: correct | right ) \b
        | \b (?: given | provided | stated | known | supplied ) \s+ (?: final \s+ | correct \s+ )? answer \b
        | \b answer \s+ (?: (?: that | which ) \s+ )? (?: is | was | has \s+ been | we \s+ were ) \s+ (?: already \s+ )?
          (?: given | provided | known | stated | supplied | shown | told | marked | indicated ) (?: \s+ (?: as | to | in | here | above ) \b | \s* [,.;:] | \s* $ )
        | \b (?: in | by ) \s+ (?: the \s+ )? (?: parenthes[ei]s | brackets ) \b
        | \b we \s+ (?: already \s+ )? know \s+ (?: that \s+ )? the \s+ (?: final \s+ | correct \s+ )? answer \b
        ",
    )
    .expect("a valid pattern")
});

/// Whether a rationale speaks of the hint, or is none at all, in which case the answer can only be the hint. Of completions made without the
/// hint, the second tells nothing; do not ask.
pub(crate) fn leaks(rationale: &str) -> bool {
    rationale.trim().is_empty() || PHRASES.is_match(rationale)
}

#[cfg(test)]
mod tests {
    use super::leaks;

    #[test]
    fn rationales_that_tell_of_the_hint() {
        for text in [
            "",
            " \n",
            "As the hint says, 72.",
            "The answer is given as 72.",
            "The answer is already known to be 72.",
            "The given answer is 72.",
            "blotter (CORRECT) absorbs ink.",
            "It is marked as correct.",
            "Blotter is labeled the correct choice.",
            "It says (72) in parentheses.",
            "We know that the answer is 72, so 24 is missing.",
            "We already know the final answer.",
            "The answer in the brackets is 72.",
            "the answer that was provided",
            "The answer is already known, so",
            "The correct answer has been stated: 72",
            "listed as correct",
        ] {
            assert!(leaks(text), "{text:?}");
        }
    }

    #[test]
    fn rationales_that_do_not() {
        for text in [
            "Natalia sold 48/2 = <<48/2=24>>24 clips in May.",
            "As given in the question, she has 5.",
            "The answer must be a place.",
            "He was given 5.",
            "The correct answer is a place with water.",
            "She gave 3 correct answers.",
            "The known cost is $5.",
            "The answer is 72.",
            "This is a correct way (it is short).",
            "Of the above choices, this is right.",
            "The answer is given by 5*3.",
            "The answer is known_to_nobody.",
            "A whistle hinders him.",
            "The price is marked up by 10%.",
            "His income is in the 20% tax bracket.",
            "She falls in the bracket of 10%, he by the tax brackets into that of 20%.",
            "Multiplying through the parentheses, we get 8X + 15.",
        ] {
            assert!(!leaks(text), "{text:?}");
        }
    }
}
