//! Details of a wrong answer: the distance of a wrong number from the known one, and the place of the false step.

use starloop_answers::{number, steps};
use starloop_record::types::{GradedAttempt, ProblemRecord};
use std::ops::Range;

/// The distance of a number from the known one, relative to the known one (or to 1, if that is smaller); `None` if one of them is no number.
pub(super) fn distance(said: &str, known: &str) -> Option<f32> {
    // Arithmetic writes the digits of a number apart.
    let value = |text: &str| number::parse(&text.split_whitespace().collect::<String>()).map(|quantity| quantity.value.to_f64());
    let (said, known) = (value(said)?, value(known)?);
    Some(((said - known).abs() / known.abs().max(1.0)) as f32).filter(|distance| distance.is_finite())
}

/// The place of the first false step that the record reports: an equation, or the first line that differs from the reference.
pub(super) fn false_step(graded: &GradedAttempt, problem: Option<&ProblemRecord>) -> Option<Range<usize>> {
    let text = &graded.attempt.completion;
    if graded.false_step != Some(true) {
        return None;
    }
    let equation = steps::first_false(text);
    equation.or_else(|| {
        let reference = problem?.reference.as_deref()?;
        let known = reference.trim_start().lines();
        let begin = text.len() - text.trim_start().len();
        let lines = text[begin..].split_inclusive('\n').scan(begin, |from, line| {
            let start = *from;
            *from += line.len();
            Some(start..start + line.trim_end().len())
        });
        // A reference that is too short has no line to compare with.
        lines.zip(known.map(Some).chain(std::iter::repeat(None))).find(|(at, known)| *known != Some(&text[at.clone()])).map(|(at, _)| at)
    })
}

/// A range of bytes in UTF-16 units.
pub(super) fn utf16(text: &str, at: Range<usize>) -> [usize; 2] {
    let units = |to: usize| text[..to].encode_utf16().count();
    [units(at.start), units(at.end)]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sample_run::attempt;
    use starloop_record::types::Verdict;

    #[test]
    fn distances_are_relative_to_the_known_number() {
        for (said, known, expected) in
            [("3 9 1 2", "3 9 6 2", Some(50.0 / 3962.0)), ("$1,200", "1000", Some(0.2)), ("2", "0", Some(2.0)), ("(b)", "(a)", None)]
        {
            assert_eq!(distance(said, known), expected, "{said}, {known}");
        }
    }

    #[test]
    fn a_false_step_is_marked_where_it_stands() {
        let problem = ProblemRecord {
            reference: Some("one\ntwo\nthree".into()),
            ..serde_json::from_value(serde_json::json!({"id": "p", "class": "c", "text": "t", "answer": "a"})).unwrap()
        };
        for (text, expected) in [
            ("é is 2 + 2 = 5", Some([5, 14])),
            (" one\ntwo\nthree", None),
            ("one\nzwei\nthree", Some([4, 8])),
            ("one\ntwo\nthree\nfour", Some([14, 18])),
        ] {
            let graded = GradedAttempt { false_step: Some(true), ..attempt("p", text, Verdict::Correct) };
            assert_eq!(false_step(&graded, Some(&problem)).map(|at| utf16(text, at)), expected, "{text}");
        }
        let graded = GradedAttempt { false_step: Some(false), ..attempt("p", "2 + 2 = 5", Verdict::Correct) };
        assert_eq!(false_step(&graded, None), None, "the record decides");
    }
}
