//! The calculator annotations of GSM8K, such as `<<48/2=24>>` (Cobbe et al. 2021): whether what they say is so.

/// Whether an annotation of the text is false; `None` if the text has no annotation.
pub(super) fn false_step(text: &str) -> Option<bool> {
    text.contains("<<").then(|| has_false_one(text))
}

/// Whether an annotation of the text equates two different values. An annotation that cannot be evaluated does not count as false.
fn has_false_one(text: &str) -> bool {
    text.split("<<").skip(1).filter_map(|rest| rest.split_once(">>")).any(|(inside, _)| is_false(inside))
}

/// The equations of a text without their blanks, in their order; `None` where it has no annotation.
pub(super) fn equations(text: &str) -> Option<String> {
    let inside = text.split("<<").skip(1).filter_map(|rest| rest.split_once(">>")).map(|(inside, _)| inside);
    let bare: Vec<String> = inside.map(|equation| equation.split_whitespace().collect()).collect();
    (!bare.is_empty()).then(|| bare.join(";"))
}

fn is_false(equation: &str) -> bool {
    let sides: Vec<&str> = equation.split('=').map(str::trim).collect();
    let values: Option<Vec<f64>> = sides.iter().map(|side| evaluate(side)).collect();
    let Some(values) = values else { return false };
    // A hair less than the unit, and more for the rounding of large values.
    let tolerance = |side: usize| values[side].abs() * 1e-12 + unit_of_last_place(sides[side]) * (1.0 - 1e-6);
    (1..sides.len()).any(|side| (values[side] - values[side - 1]).abs() >= tolerance(side))
}

/// What a result may be off by: one unit of its last written place, for `100/3=33.33` is rounded and `200/3=66` is cut off. A whole number
/// that is no rounded one is off by one unit at least, so a false sum is not let through.
fn unit_of_last_place(written: &str) -> f64 {
    let decimals = written.rsplit_once('.').map_or(0, |(_, decimals)| decimals.chars().take_while(char::is_ascii_digit).count());
    10_f64.powi(-(decimals as i32))
}

/// The value of a sum of products of numbers, with parentheses and signs; `None` for anything else and for a division by zero.
fn evaluate(expression: &str) -> Option<f64> {
    let kept: Vec<char> = expression.chars().filter(|c| !c.is_whitespace() && !matches!(c, ',' | '$')).collect();
    let mut parser = Parser { left: &kept };
    let value = parser.sum()?;
    (parser.left.is_empty() && value.is_finite()).then_some(value)
}

/// Recursive descent; `left` is what is not read yet.
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
