//! Where a text names a choice: by its letter or by its words. Texts are in lower case; a found choice comes with its place.

/// Characters that set off a letter without meaning: emphasis, quotes.
const MARKUP: [char; 6] = ['*', '_', '`', '"', '\'', '\\'];

/// Stands between two choices of which neither is settled on, with words such as these before the second.
const OR: &str = " or ";
const FILLERS: [&str; 8] = ["", "a", "an", "the", "maybe", "perhaps", "possibly", "option"];

/// As many choices as there are letters.
pub(crate) const MOST: usize = 26;

/// The letter of a choice, `a` for the first. There are no more than [`MOST`].
pub(crate) fn letter(choice: usize) -> char {
    char::from(b'a' + choice as u8)
}

/// The choice with a letter, in either case, markup around it allowed.
pub(crate) fn index_of_letter(text: &str, count: usize) -> Option<usize> {
    let mut letters = text.trim().trim_matches(MARKUP).chars();
    let choice = (letters.next()?.to_ascii_lowercase() as usize).checked_sub('a' as usize)?;
    (letters.next().is_none() && choice < count).then_some(choice)
}

/// The choice that a known answer means, by its letter, `b` or `(b)`, or by its text; `None` where it means none, or two.
pub(crate) fn known(answer: &str, choices: &[String]) -> Option<usize> {
    let answer = answer.trim();
    let letter = index_of_letter(answer.trim_matches(['(', ')', '.']), choices.len());
    let as_text = |is_same: fn(&str, &str) -> bool| (0..choices.len()).filter(move |&choice| is_same(choices[choice].trim(), answer));
    let exact = as_text(|choice, answer| choice == answer).count() > 0;
    let mut texts = as_text(if exact { |choice, answer| choice == answer } else { str::eq_ignore_ascii_case });
    match (letter, texts.next(), texts.next()) {
        (letter, None, _) => letter,
        (None, text, None) => text,
        (letter, text, None) if letter == text => letter,
        _ => None,
    }
}

/// Letters that are marked as such: `(b)`, `b)`; also `b.`, `b:` and `b` alone at the beginning of a line.
pub(super) fn marked(line: &str, count: usize) -> impl Iterator<Item = (usize, usize)> {
    letters(line, count).filter(|&(at, _)| {
        let (before, after) = (&line[..at], line[at + 1..].trim_start_matches(MARKUP));
        let begins_line = before.chars().all(|c| c.is_whitespace() || MARKUP.contains(&c));
        // `vitamin c)` within parentheses is no letter of a choice.
        let opened_before = before.matches('(').count() > before.matches(')').count();
        let in_parentheses = after.starts_with(')') && (before.trim_end_matches(MARKUP).ends_with('(') || !opened_before);
        in_parentheses || (begins_line && (after.trim().is_empty() || ends_there(after, &['.', ':'])))
    })
}

/// A letter that a conclusion begins with: `b`, `option b because`, `b, for`. Of the article *a* it is told apart by the end or a stop after it.
pub(super) fn bare(line: &str, count: usize) -> impl Iterator<Item = (usize, usize)> {
    letters(line, count).take(1).filter(|&(at, choice)| {
        let before = line[..at].trim_matches(|c: char| c.is_whitespace() || MARKUP.contains(&c));
        let after = line[at + 1..].trim_start_matches(MARKUP);
        let stops = after.trim().is_empty() || ends_there(after, &['.', ':', ',', ';', '}', '!']);
        let is_word = choice == 0 && before.is_empty();
        ["", "option", "choice", "letter"].contains(&before) && (stops || (!is_word && after.starts_with(' ')))
    })
}

/// Choices that are named by their text, as whole words. Of two that overlap, the longer one counts; a text that two choices share names
/// neither.
pub(super) fn named(line: &str, choices: &[String]) -> impl Iterator<Item = (usize, usize)> {
    let texts: Vec<String> = choices.iter().map(|choice| choice.trim().to_ascii_lowercase()).collect();
    let is_one = |text: &String| !text.is_empty() && texts.iter().filter(|other| *other == text).count() == 1;
    let places = |(choice, text): (usize, &String)| {
        let found: Vec<_> = line.match_indices(text.as_str()).map(|(at, text)| (at, at + text.len(), choice)).collect();
        found
    };
    let mut found: Vec<(usize, usize, usize)> = texts.iter().enumerate().filter(|(_, text)| is_one(text)).flat_map(places).collect();
    found.retain(|&(start, end, _)| !line[..start].ends_with(char::is_alphanumeric) && !line[end..].starts_with(char::is_alphanumeric));
    found.sort_unstable_by_key(|&(start, end, _)| (start, std::cmp::Reverse(end)));
    let mut read_to = 0;
    found.retain(|&(start, end, _)| {
        let is_new = start >= read_to;
        read_to = if is_new { end } else { read_to };
        is_new
    });
    found.into_iter().map(|(start, _, choice)| (start, choice))
}

/// Where a line names a choice as the alternative of the only one before it: `(a) or (b)`, `a desk or maybe a cabinet`.
pub(super) fn alternatives(line: &str, choices: &[String]) -> impl Iterator<Item = usize> {
    let all: Vec<(usize, usize)> = marked(line, choices.len()).chain(named(line, choices)).collect();
    line.match_indices(OR).filter_map(move |(at, _)| {
        let second = at + OR.len();
        let mut before = all.iter().copied().filter(|&(place, _)| place < at).chain(bare(&line[..at], choices.len()));
        let (_, first) = before.next()?;
        let begins = |place: usize| line[second..place].split([' ', '(', '*']).all(|word| FILLERS.contains(&word));
        let listed = all.iter().copied().find(|&(place, _)| place >= second && begins(place));
        let (place, other) = listed.or_else(|| bare(&line[second..], choices.len()).next().map(|(at, choice)| (second + at, choice)))?;
        (other != first && before.all(|(_, choice)| choice == first)).then_some(place)
    })
}

/// Letters of choices that stand alone, not in a word.
fn letters(line: &str, count: usize) -> impl Iterator<Item = (usize, usize)> {
    let alone = move |at: usize| {
        let in_word = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '\u{2019}' | '-');
        // A quote before a letter opens; after it, it may be an elision, as in `d'accord`.
        let elided = line[at + 1..].strip_prefix(['\'', '\u{2019}', '-']).is_some_and(|rest| rest.starts_with(char::is_alphanumeric));
        !line[..at].ends_with(|c: char| in_word(c) && c != '\'') && !line[at + 1..].starts_with(char::is_alphanumeric) && !elided
    };
    let choice = move |(at, c): (usize, char)| (c.is_ascii_lowercase() && alone(at)).then(|| (at, c as usize - 'a' as usize));
    line.char_indices().filter_map(choice).filter(move |&(_, choice)| choice < count)
}

/// Whether a text begins with a stop that ends what was before, unlike the one of `e.g`.
fn ends_there(text: &str, stops: &[char]) -> bool {
    text.strip_prefix(stops).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
}
