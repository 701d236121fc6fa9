//! Second looks at a verdict, to find the verdicts that a person should read.
//!
//! [`mentions`] finds wrong or unparsed completions that may be right. [`last_number`] is the flexible rule of other graders, to compare with.

use crate::completion::own;
use crate::number::{self, Numbers, Quantity, quantity};

/// Returns true if a completion holds the known answer anywhere: a number with the same value, or the same words. Words are compared without regard
/// to case.
///
/// ```
/// use starloop_answers::audit::mentions;
///
/// assert!(mentions("48 + 24 = 72. The answer is 73.", "72.0"));
/// assert!(!mentions("The answer is 720.", "72"));
/// assert!(mentions("An Umbrella, or a coat.", "umbrella"));
/// assert!(!mentions("umbrellas", "umbrella"));
/// ```
pub fn mentions(completion: &str, known: &str) -> bool {
    let text = own(completion).map_or_else(|| completion.into(), |own| own.text);
    if let Some(known) = number::parse(known) {
        let numbers = Numbers::new(&text);
        return numbers.items.iter().any(|item| numbers.value(item).is_some_and(|value| value == known.value));
    }
    let (text, known) = (text.to_lowercase(), known.trim().to_lowercase());
    let is_word = |c: char| c.is_alphanumeric();
    !known.is_empty()
        && text.match_indices(&known).any(|(at, found)| !text[..at].ends_with(is_word) && !text[at + found.len()..].starts_with(is_word))
}

/// The last number of a completion, wherever it is. Other graders call this rule flexible.
///
/// ```
/// let last = starloop_answers::audit::last_number("The answer is 72, after 3 days.").unwrap();
/// assert_eq!(last.value.to_string(), "3");
/// ```
pub fn last_number(completion: &str) -> Option<Quantity> {
    let text = own(completion)?.text;
    let numbers = Numbers::new(&text);
    numbers.items.last().and_then(|item| quantity(&numbers, item))
}
