//! The scratchpad: the text of a column-by-column addition (Nye et al. 2021; the layout is that of Zelikman et al. 2022).
//!
//! ```text
//! Input:
//! 6 2 4 + 2 5 9
//! Target:
//! <scratch>
//! 6 2 4 + 2 5 9 , C: 0
//! 2 + 5 , 3 C: 1
//! 6 + 2 , 8 3 C: 0
//! , 8 8 3 C: 0
//! 0 8 8 3
//! </scratch>
//! 8 8 3
//! ```
//! Each line shows the next column, the result so far and the carry out of the last column done. The last scratch line is the last carry
//! and the whole result; it is also the hint.

/// The word that starts the question. A model that continues with a new problem writes it too.
pub(super) const INPUT: &str = "Input:";
/// The word before the completion. The hint follows it.
pub(super) const TARGET: &str = "Target:";
pub(super) const OPEN: &str = "<scratch>";
pub(super) const CLOSE: &str = "</scratch>";

/// A walk over the columns of two numbers of equal length, most significant digit first.
///
/// For an addition, `results` are the digits of the sum and `carries[i]` is the carry out of column `i`. The pretraining corpus also walks
/// with other results and flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Walk {
    pub left: Vec<u8>,
    pub right: Vec<u8>,
    pub operator: String,
    pub results: Vec<u8>,
    pub carries: Vec<u8>,
}

impl Walk {
    /// Adds two numbers of `columns` digits, writing `operator` between them.
    pub fn addition(left: u64, right: u64, columns: usize, operator: &str) -> Self {
        let (left, right) = (digits(left, columns), digits(right, columns));
        let (mut results, mut carries) = (vec![0; columns], vec![0; columns]);
        let mut carry = 0;
        for column in (0..columns).rev() {
            let sum = left[column] + right[column] + carry;
            carry = sum / 10;
            (results[column], carries[column]) = (sum % 10, carry);
        }
        Walk { left, right, operator: operator.to_owned(), results, carries }
    }

    /// `6 2 4 + 2 5 9`
    pub fn question(&self) -> String {
        format!("{} {} {}", spaced(&self.left), self.operator, spaced(&self.right))
    }

    /// The last scratch line, which is the hint: the last carry, even if it is 0, and the results.
    pub fn last_line(&self) -> String {
        format!("{} {}", self.carries[0], spaced(&self.results))
    }

    /// The last scratch line as a number: without leading zeros.
    pub fn answer(&self) -> String {
        let all: Vec<u8> = self.carries.iter().take(1).chain(&self.results).copied().collect();
        let zeros = all.iter().take(all.len() - 1).take_while(|&&digit| digit == 0).count();
        spaced(&all[zeros..])
    }

    /// The scratchpad and the answer, as the model is to write them.
    pub fn completion(&self) -> String {
        let mut lines = vec![OPEN.to_owned(), format!("{} , C: 0", self.question())];
        for column in (0..self.left.len()).rev() {
            let (done, carry) = (spaced(&self.results[column..]), self.carries[column]);
            lines.push(match column.checked_sub(1) {
                Some(next) => format!("{} {} {} , {done} C: {carry}", self.left[next], self.operator, self.right[next]),
                None => format!(", {done} C: {carry}"),
            });
        }
        lines.extend([self.last_line(), CLOSE.to_owned(), self.answer()]);
        lines.join("\n")
    }
}

/// A question as the model reads it, with the hint after `Target:` if there is one. Ends with a newline; the completion follows.
pub(super) fn prompt(question: &str, hint: Option<&str>) -> String {
    match hint {
        None => format!("{INPUT}\n{question}\n{TARGET}\n"),
        Some(hint) => format!("{INPUT}\n{question}\n{TARGET} {hint}\n"),
    }
}

/// The decimal digits of `number`, most significant first, filled up with zeros to `columns`.
pub(super) fn digits(number: u64, columns: usize) -> Vec<u8> {
    let mut rest = number;
    let mut digits: Vec<u8> = (0..columns)
        .map(|_| {
            let digit = (rest % 10) as u8;
            rest /= 10;
            digit
        })
        .collect();
    debug_assert_eq!(rest, 0, "{number} has more than {columns} digits");
    digits.reverse();
    digits
}

/// `[6, 2, 4]` as `6 2 4`.
pub(super) fn spaced(digits: &[u8]) -> String {
    digits.iter().map(u8::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(left: u64, right: u64, columns: usize, expected: &[&str]) {
        assert_eq!(Walk::addition(left, right, columns, "+").completion().lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_papers_example() {
        check(
            624,
            259,
            3,
            &["<scratch>", "6 2 4 + 2 5 9 , C: 0", "2 + 5 , 3 C: 1", "6 + 2 , 8 3 C: 0", ", 8 8 3 C: 0", "0 8 8 3", "</scratch>", "8 8 3"],
        );
    }

    #[test]
    fn one_digit_and_a_last_carry() {
        check(3, 4, 1, &["<scratch>", "3 + 4 , C: 0", ", 7 C: 0", "0 7", "</scratch>", "7"]);
        check(9, 3, 1, &["<scratch>", "9 + 3 , C: 0", ", 2 C: 1", "1 2", "</scratch>", "1 2"]);
        check(0, 0, 1, &["<scratch>", "0 + 0 , C: 0", ", 0 C: 0", "0 0", "</scratch>", "0"]);
        check(95, 10, 2, &["<scratch>", "9 5 + 1 0 , C: 0", "9 + 1 , 5 C: 0", ", 0 5 C: 1", "1 0 5", "</scratch>", "1 0 5"]);
    }

    #[test]
    fn carries_run_through_ten_digits() {
        let walk = Walk::addition(9_999_999_999, 1_000_000_001, 10, "+");
        assert_eq!(walk.last_line(), "1 1 0 0 0 0 0 0 0 0 0");
        assert_eq!(walk.answer(), "1 1 0 0 0 0 0 0 0 0 0");
        assert_eq!(walk.completion().lines().count(), 15);
    }

    #[test]
    fn prompts_with_and_without_the_hint() {
        let walk = Walk::addition(624, 259, 3, "+");
        assert_eq!(prompt(&walk.question(), None), "Input:\n6 2 4 + 2 5 9\nTarget:\n");
        assert_eq!(prompt(&walk.question(), Some(&walk.last_line())), "Input:\n6 2 4 + 2 5 9\nTarget: 0 8 8 3\n");
    }
}
