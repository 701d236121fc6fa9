//! The choice that a completion settles on.
//!
//! The rules are tried in this order. Of several statements by one rule, the last one counts.
//!
//! 1. The task's mark: `#### b`, `\boxed{B}`, `<answer>B</answer>`.
//! 2. A stated conclusion: `the answer is umbrella (b)`, `Answer: B`, `答案：B`, `I would choose B`, `B is correct`.
//! 3. A first line that is an answer alone, `(b)`.
//! 4. `it is B`, `so (b)`.
//! 5. A last line that is an answer alone.
//! 6. The last letter that is marked as one, `(b)`.
//! 7. The only choice that the last line names.
//!
//! Questions, denials, suppositions, thoughts, the article *a* and the pronoun *I* state nothing. `(a) or (b)` settles on neither.

mod conclusions;
mod names;
mod statement;

use crate::completion::own;
use crate::marks::{Mark, Marked, boxes, hashes, tags};
use crate::number::is_listed;
use crate::reading::{Ending, FoundAnswer, Place, ReadOutcome, Reading};
use conclusions::{Source, conclusions, identification};
use names::{Name, NameKind, Names, words};
use serde::{Deserialize, Serialize};
use statement::{Reach, Statement};
use std::ops::Range;

/// How the choices of a problem are shown, and so how they can be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ChoiceStyle {
    /// `(a) radio (b) umbrella`: by letter or by text.
    #[default]
    Letters,
    /// `radio, umbrella`: by text alone. No letter means a choice.
    Text,
}

/// The part that counts if a completion names one choice by its letter and another choice by its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ChoicePreference {
    /// The letter.
    #[default]
    Letter,
    /// The text. Small models often name the right text with a wrong letter.
    Text,
    /// Neither: the completion has no answer.
    Neither,
}

/// A choice as a completion names it. At least one of the two is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The choice of the letter, counted from 0.
    pub letter: Option<usize>,
    /// The choice of the text, counted from 0.
    pub text: Option<usize>,
}

impl Named {
    /// Letter and text name different choices: `desk (b)` where the desk is `(e)`.
    pub fn is_contradiction(self) -> bool {
        matches!((self.letter, self.text), (Some(letter), Some(text)) if letter != text)
    }

    /// The choice that counts.
    pub fn choice(self, preference: ChoicePreference) -> Option<usize> {
        match preference {
            ChoicePreference::Neither if self.is_contradiction() => None,
            ChoicePreference::Text => self.text.or(self.letter),
            ChoicePreference::Letter | ChoicePreference::Neither => self.letter.or(self.text),
        }
    }
}

/// Finds the choice that a completion settles on.
///
/// ```
/// use starloop_answers::{choice, Ending, Mark, Reading};
///
/// let choices = ["radio", "umbrella", "desk"];
/// let find = |text| choice::find(text, &choices, choice::ChoiceStyle::Letters, &Mark::ALL, Ending::Complete);
///
/// let outcome = find("(b) umbrella is right; (a) is for music and (c) for work.");
/// assert_eq!(outcome.answer().unwrap().letter, Some(1));
/// assert_eq!(outcome.place().unwrap().reading, Reading::Conclusion);
/// assert_eq!(find("The answer is not A, it is B.").answer().unwrap().letter, Some(1));
/// assert_eq!(find("Answer: I think it's C.").answer().unwrap().letter, Some(2));
///
/// // Letter and text can contradict each other.
/// let named = *find("The answer is umbrella (c).").answer().unwrap();
/// assert!(named.is_contradiction());
/// assert_eq!(named.choice(choice::ChoicePreference::Text), Some(1));
/// ```
pub fn find<S: AsRef<str>>(completion: &str, choices: &[S], style: ChoiceStyle, marks: &[Mark], ending: Ending) -> ReadOutcome<Named> {
    let Some(own) = own(completion) else { return ReadOutcome::Truncated };
    let choices: Vec<&str> = choices.iter().map(AsRef::as_ref).collect();
    let names = Names::new(&own.text, &choices, style);
    let is_complete = ending == Ending::Complete || own.is_ended;
    let search = Search { names: &names, is_complete };
    for &mark in marks {
        match search.marked(mark) {
            Some(Marking::Open) => return ReadOutcome::Truncated,
            Some(Marking::Stated(reading, statement)) => return outcome(reading, statement),
            None => {}
        }
    }
    let found = search.conclusion().or_else(|| search.first_line()).filter(|(_, statement)| is_complete || statement.is_closed);
    match found.or_else(|| if is_complete { search.weaker() } else { None }) {
        Some((reading, statement)) if is_complete || !statement.is_undecided => outcome(reading, statement),
        None if is_complete => ReadOutcome::Unparsed(None),
        _ => ReadOutcome::Truncated,
    }
}

/// Reads a text that is known to be the conclusion, such as the group of a user's pattern.
///
/// ```
/// use starloop_answers::choice::{conclusion, ChoiceStyle};
///
/// let choices = ["radio", "umbrella"];
/// assert_eq!(conclusion("B, for the rain", &choices, ChoiceStyle::Letters).unwrap().letter, Some(1));
/// assert_eq!(conclusion("(a) or (b)", &choices, ChoiceStyle::Letters), None);
/// ```
pub fn conclusion<S: AsRef<str>>(text: &str, choices: &[S], style: ChoiceStyle) -> Option<Named> {
    let choices: Vec<&str> = choices.iter().map(AsRef::as_ref).collect();
    let names = Names::new(text, &choices, style);
    let statement = names.statement(0, text.len(), Reach::Sentence)?;
    (!statement.is_undecided).then_some(Named { letter: statement.letter, text: statement.text })
}

/// The choice that a known answer means, by its letter, `b` or `(b)`, or by its text. `None` if it means none, or two.
///
/// ```
/// use starloop_answers::choice::known;
///
/// assert_eq!(known("(b)", &["red", "green"]), Some(1));
/// assert_eq!(known("Green", &["red", "green"]), Some(1));
/// assert_eq!(known("blue", &["red", "green"]), None);
/// ```
pub fn known<S: AsRef<str>>(answer: &str, choices: &[S]) -> Option<usize> {
    let answer = answer.trim();
    let bare = answer.trim_matches(|c: char| !c.is_alphanumeric());
    let mut letters = bare.chars();
    let letter = letters.next().filter(|_| letters.next().is_none()).and_then(|letter| names::index(letter, choices.len()));
    let same =
        |is_same: &dyn Fn(&str) -> bool| (0..choices.len()).filter(|&choice| is_same(choices[choice].as_ref().trim())).collect::<Vec<_>>();
    let exact = same(&|choice| choice == answer);
    let texts = if exact.is_empty() { same(&|choice| names::fold(choice) == names::fold(answer)) } else { exact };
    match (letter, texts.as_slice()) {
        (letter, []) => letter,
        (None, &[text]) => Some(text),
        (Some(letter), &[text]) if letter == text => Some(letter),
        _ => None,
    }
}

/// The letter of a choice, `a` for the first. There are 26.
pub fn letter(choice: usize) -> Option<char> {
    u8::try_from(choice).ok().filter(|&choice| choice < 26).map(|choice| char::from(b'a' + choice))
}

fn outcome(reading: Reading, statement: Statement) -> ReadOutcome<Named> {
    let Statement { letter, text, is_undecided, span, .. } = statement;
    let place = Place { reading, span };
    if is_undecided {
        ReadOutcome::Unparsed(Some(place))
    } else {
        ReadOutcome::Found(FoundAnswer { answer: Named { letter, text }, place })
    }
}

/// Words that are ignored on a line that holds an answer and otherwise only such words.
const ALONE_FILLERS: &str = "option choice answer letter the a an text mathrm textbf mathbf boxed mathbb obviously definitely clearly surely \
    certainly probably ok";

/// The content of a mark, such as the text within `\boxed{}`.
enum Marking {
    Stated(Reading, Statement),
    /// The end of a cut-off text left it open.
    Open,
}

struct Search<'a, 'n> {
    names: &'n Names<'a>,
    is_complete: bool,
}

impl Search<'_, '_> {
    fn marked(&self, mark: Mark) -> Option<Marking> {
        let text = self.names.text;
        let (reading, marked) = match mark {
            Mark::Hashes => (Reading::Hashes, hashes(text).into_iter().rev().collect()),
            Mark::Boxed => (Reading::Boxed, boxes(text)),
            Mark::Tag => (Reading::Tag, tags(text)),
        };
        for Marked { content, is_closed } in marked {
            let statement = self.content(content);
            let is_closed = is_closed || statement.as_ref().is_some_and(|statement| statement.is_closed);
            if !self.is_complete && !is_closed {
                return Some(Marking::Open);
            }
            if let Some(statement) = statement {
                return Some(Marking::Stated(reading, statement));
            }
        }
        None
    }

    /// The choice that the content of a mark states. A letter alone needs no sign that it is one.
    fn content(&self, content: Range<usize>) -> Option<Statement> {
        self.alone(content.clone()).or_else(|| self.names.statement(content.start, content.end, Reach::Sentence))
    }

    /// The last stated conclusion.
    fn conclusion(&self) -> Option<(Reading, Statement)> {
        let all = conclusions(self.names);
        let (_, (_, last)) = all.last()?;
        // `Answer: I think it's C` is a phrase and a verb about one letter.
        let is_phrase = all.iter().rev().take(4).any(|(source, (_, other))| *source == Source::Phrase && other.span == last.span);
        Some((if is_phrase { Reading::Phrase } else { Reading::Conclusion }, last.clone()))
    }

    fn weaker(&self) -> Option<(Reading, Statement)> {
        let identified = || identification(self.names).map(|(_, statement)| (Reading::Conclusion, statement));
        let last_line = || {
            let line = self.last_line()?;
            let sentence = self.last_sentence(line.clone());
            self.alone(line).or_else(|| self.alone(sentence)).map(|statement| (Reading::LastLine, statement))
        };
        identified().or_else(last_line).or_else(|| self.last_letter()).or_else(|| self.last_line_names())
    }

    /// A first line that is one answer alone, if no other line begins as the list of the choices does.
    fn first_line(&self) -> Option<(Reading, Statement)> {
        let text = self.names.text;
        let start = text.len() - text.trim_start().len();
        let end = text[start..].find('\n').map_or(text.len(), |length| start + length);
        if end == text.trim_end().len()
            && self.is_complete
            && !self.names.within(start, end).first().is_some_and(|name| name.kind == NameKind::Bracketed)
        {
            return None;
        }
        let statement = self.alone(start..end).filter(|statement| statement.letter.is_some())?;
        let is_list = statement.text.is_some()
            && self
                .names
                .within(end, text.len())
                .iter()
                .any(|name| name.is_set_off() && text[..name.start].trim_end_matches(['(', ' ', '*', '-']).ends_with('\n'));
        (!is_list).then_some((Reading::FirstLine, statement))
    }

    /// The choice that a text names, if the text has only a letter, only the words of a choice, or both.
    fn alone(&self, range: Range<usize>) -> Option<Statement> {
        let names: Vec<Name> = self.names.within(range.start, range.end).iter().copied().take(3).collect();
        let (first, last) = (names.first()?, names.last()?);
        let is_one = names.len() == 1 || (names.len() == 2 && first.is_letter() != last.is_letter());
        let pieces = [
            &self.names.text[range.start..first.start],
            &self.names.text[first.end..last.start.max(first.end)],
            &self.names.text[last.end..range.end],
        ];
        let is_bare = pieces.iter().all(|piece| words(piece).all(|word| is_listed(word, ALONE_FILLERS)));
        let is_question = self.names.text[last.end..range.end].contains('?');
        let of = |is_letter: bool| names.iter().find(|name| name.is_letter() == is_letter).map(|name| name.choice);
        (is_one && is_bare && !is_question).then(|| Statement {
            letter: of(true),
            text: of(false),
            is_undecided: false,
            is_closed: names.iter().any(|name| name.kind == NameKind::Bracketed),
            span: first.start..last.end,
        })
    }

    fn last_line(&self) -> Option<Range<usize>> {
        let text = self.names.text.trim_end_matches(|c: char| c.is_whitespace() || c == '`');
        let start = text.rfind('\n').map_or(0, |at| at + 1);
        (start < text.len()).then_some(start..text.len())
    }

    /// The last sentence of a line.
    fn last_sentence(&self, line: Range<usize>) -> Range<usize> {
        let text = &self.names.text[line.clone()];
        let start = [". ", "? ", "! "].iter().filter_map(|stop| text.trim_end().rfind(stop).map(|at| at + stop.len())).max();
        line.start + start.unwrap_or(0)..line.end
    }

    /// The last letter that is set off and not denied.
    fn last_letter(&self) -> Option<(Reading, Statement)> {
        let names = self.names;
        let is_meant = |name: &&Name| name.is_set_off() && !self.is_denied(name);
        let last = names.all.iter().rfind(is_meant)?;
        // `(a) or (c)`: the one before it is an alternative.
        let before = names.all.iter().rfind(|name| name.start < last.start && name.kind != NameKind::Plain);
        let is_undecided = before.is_some_and(|before| {
            let gap = &names.folded[before.end..last.start];
            before.choice != last.choice && gap.len() < 40 && words(gap).next() == Some("or") && words(gap).count() <= 3
        });
        let paired = names.statement(last.start, names.text.len(), Reach::Sentence).and_then(|statement| statement.text);
        let text = paired.or_else(|| {
            before
                .filter(|before| before.kind == NameKind::Text && is_beside(&names.text[before.end..last.start]))
                .map(|before| before.choice)
        });
        let statement = Statement { letter: Some(last.choice), text, is_undecided, is_closed: false, span: last.start..last.end };
        Some((Reading::LastLetter, statement))
    }

    /// `not (a)`, `(a) is wrong`, `the answer is not desk (e)`.
    fn is_denied(&self, name: &Name) -> bool {
        let from = name.start.saturating_sub(80);
        let from = (from..=name.start).find(|&at| self.names.text.is_char_boundary(at)).unwrap_or(name.start);
        let rest = self.names.folded[name.end..].trim_start_matches([')', ']', '*', ' ', '"']);
        let mut after = words(rest).take(3);
        let is_wrong = matches!(after.next(), Some("is" | "was" | "are" | "isn't" | "isn’t" | "cannot" | "can't"))
            && rest.starts_with(|c: char| "iawc".contains(c))
            && after.any(|word| matches!(word, "not" | "wrong" | "incorrect" | "false" | "out" | "unlikely"));
        is_wrong || self.names.is_negated(name.start, from)
    }

    /// The only choice that the last line names by its text.
    fn last_line_names(&self) -> Option<(Reading, Statement)> {
        let line = self.last_line()?;
        let names = self.names.within(line.start, line.end);
        let mut texts = names.iter().filter(|name| name.kind == NameKind::Text && !self.is_denied(name));
        let first = texts.next()?;
        let is_question = self.names.text[line].ends_with(['?', '？']);
        let is_only = texts.all(|name| name.choice == first.choice) && !is_question;
        let statement =
            Statement { letter: None, text: Some(first.choice), is_undecided: false, is_closed: false, span: first.start..first.end };
        is_only.then_some((Reading::LastLineNames, statement))
    }
}

/// Returns true if only a bracket and blanks stand between a text and its letter: `desk (e)`.
fn is_beside(gap: &str) -> bool {
    gap.trim_matches([' ', '(', '[', '*']).is_empty()
}
