//! Rationales that mention the hint. Some rationales that were written with the hint do so (rationalization: paper, section 3.2). They explain
//! nothing, and a model that learns them mentions hints that its prompts do not have.

use crate::task::identity::digest;
use crate::types::Problem;
use regex::Regex;
use starloop_answers::choice;
use std::collections::HashSet;
use std::sync::LazyLock;

/// Phrases that mention the hint. `given in the question` does not.
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

/// Returns true if a rationale mentions the hint or is empty. An empty rationale of a hinted completion copies the hint. For completions without the hint
/// this function has no meaning.
pub(crate) fn leaks(rationale: &str) -> bool {
    rationale.trim().is_empty() || PHRASES.is_match(rationale)
}

/// Words that draw a conclusion or link sentences. They give no reason.
const EMPTY_WORDS: &str = "a all also an and answer are as be because by can choice choices conclude concluded correct equal equals final for \
                           given gives hence i in is it its means must of option or our right says so since statement that the then there \
                           therefore this thus to true us value we which will with would";

/// Returns true if a hinted rationale only restates the hint: all its words and numbers are in the question, in the answer or in a list of words without
/// content. `So the answer is 72.` restates it. `48/2 = 24, and 48 + 24 = 72.` does not, because of the 24.
pub(crate) fn restates(problem: &Problem, rationale: &str) -> bool {
    static EMPTY: LazyLock<HashSet<&str>> = LazyLock::new(|| EMPTY_WORDS.split_ascii_whitespace().collect());
    let known: HashSet<String> =
        [&problem.question, &problem.answer].into_iter().chain(&problem.choices).flat_map(|text| words(text)).collect();
    let pieces = |word: &String| word.split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect::<Vec<_>>();
    let known_pieces: HashSet<String> = known.iter().flat_map(pieces).collect();
    let is_new = |piece: &String| !piece.is_empty() && !EMPTY.contains(piece.as_str()) && !known_pieces.contains(piece);
    !words(rationale).flat_map(|word| pieces(&word)).any(|piece| is_new(&piece))
}

/// A problem with a wrong answer in place of the known one, for a wrong hint, by a hash of the problem's id: another choice, or the known whole
/// number and 1 to 9 more (a digit stays a digit). The notation stays: letters of choices, and digits with blanks between them. `None` for other answers.
pub(crate) fn with_wrong_answer(problem: &Problem) -> Option<Problem> {
    let Problem { id, answer, choices, .. } = problem;
    let drawn = usize::from(digest([id.0.as_str()])[0]);
    let answer = if let Some(right) = choice::known(answer, choices) {
        let other = (right + 1 + drawn % choices.len().checked_sub(1).filter(|others| *others > 0)?) % choices.len();
        let letter = choice::letter(other)?;
        let is_letter = choices[right] != *answer;
        match is_letter {
            true if answer.chars().any(char::is_uppercase) => letter.to_ascii_uppercase().to_string(),
            true => letter.to_string(),
            false => choices[other].clone(),
        }
    } else {
        let is_spaced = answer.trim().chars().count() > 1 && answer.split_whitespace().all(|digit| digit.len() == 1);
        let known: i64 = if is_spaced { answer.replace(' ', "") } else { answer.replace(',', "") }.trim().parse().ok()?;
        let wrong = known.checked_add(1 + (drawn % 9) as i64)?;
        // One digit stays one digit.
        let wrong = if (0..10).contains(&known) { wrong % 10 } else { wrong }.to_string();
        if is_spaced { wrong.chars().map(String::from).collect::<Vec<_>>().join(" ") } else { wrong }
    };
    Some(Problem { answer, ..problem.clone() })
}

/// The words between blanks, in lower case, without punctuation around them.
pub(crate) fn words(text: &str) -> impl Iterator<Item = String> {
    let bare = |word: &str| word.trim_matches(['.', ',', ';', ':', '!', '?', '"', '\'']).to_lowercase();
    text.split_whitespace().map(bare).filter(|word| !word.is_empty())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{leaks, restates, with_wrong_answer};
    use crate::types::{Problem, ProblemId};

    #[test]
    fn a_wrong_answer_has_the_notation_of_the_known_one() {
        let wrong = |id: usize, answer: &str, choices: &[&str]| {
            let choices = choices.iter().map(|&choice| choice.into()).collect();
            let problem =
                Problem { id: ProblemId(id.to_string()), class: String::new(), question: String::new(), answer: answer.into(), choices };
            with_wrong_answer(&problem).map(|problem| problem.answer)
        };
        let all = ["red", "green", "blue"];
        for id in 0..50 {
            assert!(["red", "blue"].contains(&wrong(id, "green", &all).unwrap().as_str()));
            assert!(["a", "c"].contains(&wrong(id, "b", &all).unwrap().as_str()));
            assert!(["A", "C"].contains(&wrong(id, "B", &all).unwrap().as_str()));
            assert!((1235..1244).contains(&wrong(id, "1,234", &[]).unwrap().parse().unwrap()));
            let digits = wrong(id, "1 9 8", &[]).unwrap();
            assert!(digits.len() == 5 && digits != "1 9 8", "{digits}");
            let digit: i64 = wrong(id, "7", &[]).unwrap().parse().unwrap();
            assert!((0..10).contains(&digit) && digit != 7);
        }
        for (answer, choices) in [("x + 1", &[][..]), ("only", &["only"]), ("9223372036854775807", &[])] {
            assert_eq!(wrong(1, answer, choices), None, "{answer}");
        }
    }

    #[test]
    fn rationales_that_only_restate_the_hint() {
        let problem = |question: &str, answer: &str, choices: &[&str]| Problem {
            id: ProblemId("p".into()),
            class: String::new(),
            question: question.into(),
            answer: answer.into(),
            choices: choices.iter().map(|&choice| choice.into()).collect(),
        };
        let clips = problem("Natalia sold 48 clips in April and half as many in May. How many altogether?", "72", &[]);
        let ink = problem("What absorbs ink?", "b", &["a pen", "blotter"]);
        for (problem, rationale, expected) in [
            (&clips, "So the answer is 72.\n#### 72", true),
            (&clips, "Natalia sold 72 clips altogether.\n#### 72", true),
            (&clips, "", true),
            (&clips, "48/2 = 24 clips in May, and 48 + 24 = 72.\n#### 72", false),
            (&clips, "She sold <<48/2=24>>24.\n#### 72", false),
            (&ink, "The correct answer is blotter. Therefore, the answer is blotter (b).", true),
            (&ink, "Paper that soaks up ink is a blotter. Therefore, the answer is blotter (b).", false),
        ] {
            assert_eq!(restates(problem, rationale), expected, "{rationale}");
        }
    }

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
