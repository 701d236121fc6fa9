//! Checks the equations of a rationale: the calculator annotations of GSM8K, such as `<<48/2=24>>` (Cobbe et al. 2021), and plain
//! equations, such as `48 / 2 = 24`.

use regex::Regex;
use std::ops::Range;
use std::sync::LazyLock;

/// Returns true if an annotation of the text is false; `None` if the text has no annotation.
pub fn false_step(text: &str) -> Option<bool> {
    text.contains("<<").then(|| has_false_one(text))
}

/// Returns true if an annotation or a plain equation of the text is false; `None` if the text has none that can be evaluated.
pub fn false_equation(text: &str) -> Option<bool> {
    let plain = plain_equations(text).into_iter().map(|at| is_false(&text[at])).reduce(|a, b| a || b);
    match (false_step(text), plain) {
        (None, plain) => plain,
        (annotated, plain) => annotated.map(|is_false| is_false || plain == Some(true)),
    }
}

/// The bytes of the first false annotation or plain equation of a text; `None` if there is none.
///
/// ```
/// let text = "Then 5 + 3 = 9 are left.";
/// assert_eq!(starloop_answers::steps::first_false(text).map(|at| &text[at]), Some("5 + 3 = 9"));
/// ```
pub fn first_false(text: &str) -> Option<Range<usize>> {
    let all = annotations(text).chain(plain_equations(text));
    all.filter(|at| is_false(&text[at.clone()])).min_by_key(|at| at.start)
}

/// The places of the equations of numbers in a text, each with one operator or more on its left and one number on its right. An equation that could be a
/// part of a longer expression is left out, so that no true step is called false.
fn plain_equations(text: &str) -> Vec<Range<usize>> {
    static EQUATION: LazyLock<Regex> = LazyLock::new(|| {
        let number = r"\$?(?:\d+(?:,\d{3})*(?:\.\d+)?|\.\d+)%?";
        let operator = r"(?:\s*[+\-\u{2212}*/\u{d7}\u{f7}]\s*|\s+[xX]\s+)";
        Regex::new(&format!("{number}(?:{operator}{number})+\\s*=\\s*{number}")).expect("the pattern is fixed")
    });
    let (mut equations, mut from) = (Vec::new(), 0);
    while let Some(found) = EQUATION.find_at(text, from) {
        let equation = found.as_str();
        if begins(&text[..found.start()]) && ends(&text[found.end()..]) {
            equations.push(found.range());
            from = found.end();
        } else {
            // In a running sum the right side of one equation is the left side of the next.
            from = equation.rfind('=').map_or(found.end(), |at| found.start() + at + 1);
        }
    }
    equations
}

/// Returns true if an expression can begin after this text: not in an annotation, and not after an operator, a part of a word or of a number, or
/// a word that acts on what follows. The mark of a list's item is no operator.
fn begins(before: &str) -> bool {
    let line = before.rsplit('\n').next().unwrap_or_default();
    if matches!(line.trim(), "-" | "*" | "+") && line.ends_with(' ') {
        return true;
    }
    let joined = before.chars().next_back().is_some_and(|c| c.is_alphanumeric() || ".,_^\\{)%<".contains(c));
    let last = before.trim_end();
    let operator = last.ends_with(['+', '-', '\u{2212}', '*', '/', '\u{d7}', '\u{f7}', '^']);
    let word = last.rsplit(|c: char| !c.is_alphabetic()).next().unwrap_or_default().to_lowercase();
    let acts = matches!(word.as_str(), "of" | "times" | "plus" | "minus" | "by" | "over" | "x");
    !joined && !operator && !acts
}

/// Returns true if an expression can end before this text: not before an operator, a further digit, or a word that acts on what precedes it.
fn ends(after: &str) -> bool {
    let next = after.trim_start();
    let joined = after.chars().next().is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '^' | '!'));
    let decimals = after.starts_with(['.', ',', ':']) && after[1..].starts_with(|c: char| c.is_ascii_digit());
    let mut following = next.chars();
    let operator = following.next().is_some_and(|c| "+-\u{2212}*/\u{d7}\u{f7}(^".contains(c))
        && following.as_str().trim_start().starts_with(|c: char| c.is_ascii_digit() || matches!(c, '$' | '('));
    let word: String = next.chars().take_while(|c| c.is_alphabetic()).collect();
    let acts = matches!(word.to_lowercase().as_str(), "x" | "times" | "plus" | "minus" | "divided" | "over" | "remainder" | "r" | "mod");
    !joined && !decimals && !operator && !acts
}

/// Returns true if an annotation of the text equates two different values. An annotation that cannot be evaluated does not count as false.
fn has_false_one(text: &str) -> bool {
    annotations(text).any(|at| is_false(&text[at]))
}

/// The places of the annotated equations of a text, without the marks around them.
fn annotations(text: &str) -> impl Iterator<Item = Range<usize>> {
    let parts = text.split("<<").scan(0, |from, part| {
        let start = *from;
        *from += part.len() + 2;
        Some((start, part))
    });
    parts.skip(1).filter_map(|(start, part)| Some(start..start + part.find(">>")?))
}

/// The annotated equations of a text without blanks, in order; `None` if it has no annotation.
pub fn equations(text: &str) -> Option<String> {
    let bare: Vec<String> = annotations(text).map(|at| text[at].split_whitespace().collect()).collect();
    (!bare.is_empty()).then(|| bare.join(";"))
}

/// For each equation of a text, annotated or plain: true if it is true.
pub fn checked(text: &str) -> Vec<bool> {
    annotations(text).chain(plain_equations(text)).map(|at| !is_false(&text[at])).collect()
}

/// The plain equations of a text without blanks, in order; `None` if it has none.
pub fn plain_path(text: &str) -> Option<String> {
    let bare: Vec<String> = plain_equations(text).into_iter().map(|at| text[at].split_whitespace().collect()).collect();
    (!bare.is_empty()).then(|| bare.join(";"))
}

fn is_false(equation: &str) -> bool {
    let sides: Vec<&str> = equation.split('=').map(str::trim).collect();
    let values: Option<Vec<f64>> = sides.iter().map(|side| evaluate(side)).collect();
    let Some(values) = values else { return false };
    // Slightly less than the unit, and more for the rounding of large values.
    let tolerance = |side: usize| values[side].abs() * 1e-12 + unit_of_last_place(sides[side]) * (1.0 - 1e-6);
    (1..sides.len()).any(|side| (values[side] - values[side - 1]).abs() >= tolerance(side))
}

/// The tolerance of a result: one unit of its last written place, because `100/3=33.33` is rounded and `200/3=66` is cut off. A false sum of
/// whole numbers is off by one unit at least, so it is found.
fn unit_of_last_place(written: &str) -> f64 {
    let decimals = written.rsplit_once('.').map_or(0, |(_, decimals)| decimals.chars().take_while(char::is_ascii_digit).count());
    10_f64.powi(-(decimals as i32))
}

/// The value of a sum of products of numbers, with parentheses and signs; `None` for anything else and for a division by zero.
pub fn evaluate(expression: &str) -> Option<f64> {
    let kept: Vec<char> = expression.chars().filter(|c| !c.is_whitespace() && !matches!(c, ',' | '$')).collect();
    let mut parser = Parser { left: &kept };
    let value = parser.sum()?;
    (parser.left.is_empty() && value.is_finite()).then_some(value)
}

/// Recursive descent. `left` is the unread rest.
struct Parser<'a> {
    left: &'a [char],
}

impl Parser<'_> {
    fn take(&mut self, wanted: &[char]) -> Option<char> {
        let (&first, rest) = self.left.split_first()?;
        wanted.contains(&first).then(|| {
            self.left = rest;
            first
        })
    }

    fn sum(&mut self) -> Option<f64> {
        let mut value = self.product()?;
        while let Some(operator) = self.take(&['+', '-', '\u{2212}']) {
            let term = self.product()?;
            value = if operator == '+' { value + term } else { value - term };
        }
        Some(value)
    }

    fn product(&mut self) -> Option<f64> {
        let mut value = self.factor()?;
        while let Some(operator) = self.take(&['*', 'x', 'X', '×', '/', '÷']) {
            let factor = self.factor()?;
            value = if matches!(operator, '/' | '÷') { value / factor } else { value * factor };
        }
        Some(value)
    }

    fn factor(&mut self) -> Option<f64> {
        if self.take(&['-', '\u{2212}']).is_some() {
            return self.factor().map(|value| -value);
        }
        let value = if self.take(&['(']).is_some() {
            let inner = self.sum()?;
            self.take(&[')'])?;
            inner
        } else {
            self.number()?
        };
        Some(if self.take(&['%']).is_some() { value / 100.0 } else { value })
    }

    fn number(&mut self) -> Option<f64> {
        let length = self.left.iter().take_while(|c| c.is_ascii_digit() || **c == '.').count();
        let (digits, rest) = self.left.split_at(length);
        self.left = rest;
        digits.iter().collect::<String>().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equations_in_their_order() {
        let text = "In May <<48 / 2 = 24>>24, in all <<48+24=72>>72.";
        assert_eq!(equations(text).as_deref(), Some("48/2=24;48+24=72"));
        assert_eq!(equations("48/2=24"), None);
        assert_eq!(equations("<<48/2=24"), None);
    }

    #[test]
    fn what_is_so() {
        for equation in [
            "48/2=24",
            "20*.5=10",
            "1,000+1=1001",
            "$5*3=$15",
            "100*20%=20",
            "2*(3+4)-1=13",
            "-3+5=2",
            "100/3=33.33",
            "200/3=66",
            "200/3=67",
            "200/3=66.7",
            "1+1=2=2",
            "3x4=12",
            "0.1+0.2=0.3",
            "8-3=5.0",
            "((2))=2",
            "7",
            "10/4=2.5",
        ] {
            assert!(!has_false_one(&format!("so <<{equation}>> it is")), "{equation}");
        }
    }

    #[test]
    fn what_is_not_so() {
        for equation in ["48/2=25", "5+3=9", "5+3=7", "2*3=6.1", "100/3=33.5", "1+1=2=3", "0.1*3=0.33", "2-5=3", "200/3=68"] {
            assert!(has_false_one(&format!("<<1+1=2>> and <<{equation}>>")), "{equation}");
        }
    }

    #[test]
    fn plain_equations_are_checked_where_they_stand_alone() {
        for (text, expected) in [
            ("She has 5 + 3 = 8 apples.", Some(false)),
            ("She has 5 + 3 = 9 apples.", Some(true)),
            ("That is $4 x 12 = $48. Then 48/2=25.", Some(true)),
            ("1,200 * 3 = 3,600", Some(false)),
            ("100 / 3 = 33.33, and 20% * 50 = 10", Some(false)),
            ("1 + 2 + 3 = 7", Some(true)),
            ("- 1 + 2 = 4", Some(true)),
            ("1) 1 + 2 = 3 (so 3 - 1 = 2)", Some(false)),
            ("x = 2 \u{d7} 3 = 6", Some(false)),
            ("<<2+2=4>>4 and 2 + 2 = 5", Some(true)),
            ("<<2+2=5>>5", Some(true)),
            ("<<half=2>> of it", Some(false)),
        ] {
            assert_eq!(false_equation(text), expected, "{text}");
        }
    }

    #[test]
    fn parts_of_longer_expressions_are_not_checked() {
        for text in [
            "no equation",
            "5 apples + 3 apples = 9 apples",
            "10 - 5 * (2 + 1) = 3",
            "2x + 3 = 7",
            "y - 5 + 3 = 9",
            "half of 10 + 2 = 7",
            "2 + 3 = 6 * 2",
            "7 + 3 = 2^3",
            "17 / 5 = 2 remainder 7",
            "0x10 = 16",
            "5 = 6",
            "- 9 - 1 + 2 = 3 * 4",
            "-1 + 2 = 3",
            "7 + 5 = 1:30",
        ] {
            assert_eq!(false_equation(text), None, "{text}");
        }
        assert_eq!(false_equation("2+3=5+4=9"), Some(false), "a running sum");
    }

    #[test]
    fn the_first_false_step_is_found_where_it_stands() {
        for (text, expected) in [
            ("é <<2+2=5>>5, then 1 + 1 = 3", Some("2+2=5")),
            ("1 + 1 = 3, then <<2+2=5>>5", Some("1 + 1 = 3")),
            ("<<2+2=4>>4 and 2 + 2 = 5", Some("2 + 2 = 5")),
            ("<<2+2=4>>4", None),
            ("<<2+2=5", None),
            ("", None),
        ] {
            assert_eq!(first_false(text).map(|at| &text[at]), expected, "{text}");
        }
    }

    #[test]
    fn equations_are_checked_one_by_one() {
        assert_eq!(checked("<<2+2=4>>4, 3 * 5 = 16, and 1 + 1 = 2"), [true, false, true]);
        assert!(checked("no equation").is_empty());
    }

    #[test]
    fn what_cannot_be_evaluated_is_not_held_to_be_false() {
        for text in [
            "",
            "no annotation",
            "<<half=12>>",
            "<<5/0=7>>",
            "<<=>>",
            "<<1+=2>>",
            "<<(1=2>>",
            "<<5+3=9",
            "5+3=9>>",
            "<<1..2=4>>",
            "<<2^3=9>>",
        ] {
            assert!(!has_false_one(text), "{text}");
        }
    }
}
