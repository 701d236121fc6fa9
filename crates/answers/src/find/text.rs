//! Finds the answer of a completion, for answers that are any text.

use crate::completion::own;
use crate::marks::{Mark, Marked, boxes, hashes, tags};
use crate::phrase::{Form, phrases};
use crate::reading::{Ending, FoundAnswer, Place, ReadOutcome, Reading};
use std::ops::Range;

/// Emphasis and quotes around an answer.
const AROUND: [char; 9] = ['*', '_', '`', '"', '\'', '“', '”', '«', '»'];

/// Finds the final text of a completion: the content of the task's mark, the rest of the line behind the last phrase such as `the answer is`,
/// or the last line. The answer is [`plain`].
///
/// ```
/// use starloop_answers::{find, Ending, Mark, Reading};
///
/// let outcome = find::text("It is big. The answer is **New  York**.", &Mark::ALL, Ending::Complete);
/// assert_eq!(outcome.answer().unwrap(), "New York");
/// assert_eq!(outcome.place().unwrap().reading, Reading::Phrase);
/// ```
pub fn text(completion: &str, marks: &[Mark], ending: Ending) -> ReadOutcome<String> {
    let Some(own) = own(completion) else { return ReadOutcome::Truncated };
    let text: &str = &own.text;
    let is_complete = ending == Ending::Complete || own.is_ended;
    let marked = marks.iter().find_map(|&mark| {
        let (reading, found) = match mark {
            Mark::Hashes => (Reading::Hashes, hashes(text).pop().map(|line| with_next_line(text, line))),
            Mark::Boxed => (Reading::Boxed, boxes(text).into_iter().next()),
            Mark::Tag => (Reading::Tag, tags(text).into_iter().next()),
        };
        found.map(|marked| (reading, marked))
    });
    let place = match marked {
        Some((_, Marked { is_closed: false, .. })) | None if !is_complete => return ReadOutcome::Truncated,
        Some((reading, marked)) => Some((reading, marked.content)),
        None => phrase(text).map(|range| (Reading::Phrase, range)).or_else(|| last_line(text).map(|range| (Reading::LastLine, range))),
    };
    let Some((reading, span)) = place else { return ReadOutcome::Unparsed(None) };
    let place = Place { reading, span: trimmed(text, span) };
    match plain(&text[place.span.clone()]) {
        answer if answer.is_empty() => ReadOutcome::Unparsed(Some(place)),
        answer => ReadOutcome::Found(FoundAnswer { answer, place }),
    }
}

/// An answer without the parts that make no difference: blanks are single, and a full stop, quotes and emphasis around the text are removed.
///
/// ```
/// assert_eq!(starloop_answers::find::plain(" `New   York`. "), "New York");
/// ```
pub fn plain(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let bare = words.trim_matches(AROUND);
    bare.strip_suffix('.').unwrap_or(bare).trim_matches(AROUND).to_owned()
}

/// A mark at the end of its line, with the next line as its content.
fn with_next_line(text: &str, line: Marked) -> Marked {
    if !text[line.content.clone()].trim().is_empty() {
        return line;
    }
    let rest = text[line.content.end..].trim_start();
    let start = text.len() - rest.len();
    let end = rest.find('\n').map(|length| start + length);
    Marked { content: start..end.unwrap_or(text.len()), is_closed: end.is_some() }
}

/// The text behind the last phrase that does not deny: the rest of its line, or the next line.
fn phrase(text: &str) -> Option<Range<usize>> {
    let last = phrases(text, &[]).into_iter().rev().find(|phrase| phrase.form != Form::Negated)?;
    let rest = text[last.end..].trim_start_matches(|c: char| c.is_whitespace() || c == ':');
    let start = text.len() - rest.len();
    (!rest.is_empty()).then(|| start..rest.find('\n').map_or(text.len(), |length| start + length))
}

fn last_line(text: &str) -> Option<Range<usize>> {
    let text = text.trim_end();
    (!text.is_empty()).then(|| text.rfind('\n').map_or(0, |end| end + 1)..text.len())
}

/// A range without the blanks at its ends.
fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let inside = &text[range.clone()];
    let start = range.start + inside.len() - inside.trim_start().len();
    start..start + inside.trim().len()
}
