//! The answer that a stretch of text states: a letter, a text, both, or two choices of which neither is settled on.

use super::names::{Name, NameKind, Names, words};
use crate::number::{is_listed, is_one_of};
use std::ops::Range;

/// The statement at one place of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub letter: Option<usize>,
    pub text: Option<usize>,
    /// `(a) or (c)`
    pub is_undecided: bool,
    /// The letter stands in brackets, so a text that was cut off behind it would not have gone on to a longer word.
    pub is_closed: bool,
    pub span: Range<usize>,
}

/// How far a name may stand from where the statement starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Behind `answer is`: letters that are set off and texts may stand anywhere in the sentence.
    Sentence,
    /// Behind `it is`: only fillers may stand before the name, and a text must end the clause.
    Adjacent,
    /// Behind `I think`: only a letter right there.
    AdjacentLetter,
}

/// Words that may stand between the beginning of a statement and a letter.
const FILLERS: &str = "the a an it it's it’s its is i think believe say would should be that that's option choice letter answer correct best \
    right definitely clearly probably likely most obviously therefore thus so actually really simply just indeed surely \
    certainly also still go with my final to must of this i'd i’d i'll guess single choose pick select going we fact here \
    then hence well in die der das la le el ist est es é opción opção вариант antwort ответ alternative either both letra \
    lettre letter buchstabe буква الصحيحة هي هو";
const BOUNDLESS_FILLERS: [&str; 9] = ["选项", "選項", "选择", "答案", "应该是", "選択肢", "是", "选", "は"];

/// Words that deny what follows.
const NEGATIONS: &str = "not isn't isn’t nor neither never none unlike except wasn't don't doesn't wouldn't won't can't cannot nicht pas no não \
    non не";

/// Words behind `or` that begin no other name.
const ALTERNATIVE_FILLERS: &str = "a an the maybe perhaps possibly option choice even also possible";

const ALTERNATIVES: [&str; 8] = ["or", "and", "oder", "und", "ou", "et", "或", "和"];

/// The ends of clauses that state an answer.
const REASONS: [&str; 12] = [
    " because",
    " since ",
    " as it ",
    " as the ",
    ", as ",
    ", for ",
    ", which ",
    ", where ",
    ", not ",
    " rather than ",
    " instead of ",
    " and not ",
];

/// The most bytes of a clause. The bound keeps the reading of a text linear.
const MAX_CLAUSE: usize = 300;

impl Names<'_> {
    /// The statement that begins at a place and ends before `limit`.
    pub fn statement(&self, from: usize, limit: usize, reach: Reach) -> Option<Statement> {
        let start = self.skip_blanks(from, limit);
        let end = self.clause_end(start, limit);
        let names = self.within(start, end);
        let at = names.iter().position(|name| self.is_stated(name, start, end, reach))?;
        let first = names[at];
        let paired = self.pair(&first, self.line_end(start, limit));
        let (letter, text) = match (first.kind, paired) {
            (NameKind::Text, None) => (None, Some(first.choice)),
            (NameKind::Text, Some(other)) => (Some(other.choice), Some(first.choice)),
            (_, None) => (Some(first.choice), None),
            (_, Some(other)) => (Some(first.choice), Some(other.choice)),
        };
        let last = paired.unwrap_or(first);
        let is_closed = first.kind == NameKind::Bracketed || last.kind == NameKind::Bracketed;
        let (span_start, span_end) = (first.start.min(last.start), first.end.max(last.end));
        let is_undecided = self.has_alternative(&last, letter.or(text), self.line_end(start, limit));
        Some(Statement { letter, text, is_undecided, is_closed, span: span_start..span_end })
    }

    /// Returns true if a name is what the clause from `start` to `end` states.
    fn is_stated(&self, name: &Name, start: usize, end: usize, reach: Reach) -> bool {
        let gap = &self.text[start..name.start];
        let is_adjacent = words(gap).count() <= 10 && words(gap).all(|word| is_listed(word, FILLERS) || is_boundless_filler(word));
        let is_reached = match (reach, name.kind) {
            (Reach::Sentence, NameKind::Plain) => is_adjacent,
            (Reach::Sentence, _) => true,
            (Reach::Adjacent, NameKind::Text) => is_adjacent && self.ends_clause(name.end, end),
            (Reach::Adjacent, _) => is_adjacent,
            (Reach::AdjacentLetter, kind) => is_adjacent && kind != NameKind::Text,
        };
        is_reached && !self.is_negated(name.start, start)
    }

    /// Returns true if `not` or the like stands before a place, in the same clause.
    pub fn is_negated(&self, at: usize, from: usize) -> bool {
        let clause = self.folded[from..at].rsplit([',', ';', '.', '\n', '，', '。']).next().unwrap_or("");
        let last: Vec<&str> = words(clause).collect();
        let denies = |word: &&&str| is_listed(word, NEGATIONS);
        let is_cancelled = last.iter().any(|word| is_one_of(word, &["but", "only", "sondern"]));
        let by_words = last.iter().rev().take(4).any(|word| denies(&word)) && !is_cancelled;
        by_words || clause.ends_with("rather than ") || clause.ends_with("instead of ") || clause.contains('不')
    }

    /// The other name of a choice that stands right beside its letter or text: `(b) umbrella`, `umbrella (b)`, `B. umbrella`.
    fn pair(&self, first: &Name, limit: usize) -> Option<Name> {
        let next = *self.within(first.end, limit.min(first.end + 60)).first()?;
        let gap = &self.folded[first.end..next.start];
        let is_beside = if first.is_letter() {
            let words: Vec<&str> = words(gap).collect();
            next.kind == NameKind::Text
                && (words.is_empty() || is_one_of(words[0], &["the", "a", "an", "is", "which", "namely"]) && words.len() <= 2)
                && !gap.contains('\n')
                && gap.len() <= 16
                && (!gap.contains(',') || self.ends_clause(next.end, limit))
        } else {
            next.kind == NameKind::Bracketed && !gap.contains([',', ';', '.', '\n', '!', '?'])
        };
        let mentions_other = !first.is_letter() && words(gap).any(|word| is_one_of(word, &ALTERNATIVES) || is_listed(word, NEGATIONS));
        (is_beside && !mentions_other).then_some(next)
    }

    /// Returns true if another choice follows as an alternative: `or (c)`.
    fn has_alternative(&self, name: &Name, choice: Option<usize>, limit: usize) -> bool {
        let next = self.within(name.end, limit.min(name.end + 60)).first();
        let Some(next) = next.filter(|next| Some(next.choice) != choice) else { return false };
        let gap = &self.folded[name.end..next.start];
        let mut words = words(gap);
        let joined = match words.next() {
            Some(word) => is_one_of(word, &ALTERNATIVES) || (is_one_of(word, &["set"]) && words.next() == Some("or")),
            // `A, C` and `A/C`
            None => {
                next.is_letter() == name.is_letter()
                    && gap.trim_matches([')', ']', ' ', '*', '(', '[', '"']).starts_with([',', '/', '&', '、'])
            }
        };
        joined && words.all(|word| is_listed(word, ALTERNATIVE_FILLERS))
    }

    /// Returns true if a clause ends at a place.
    pub fn ends_clause(&self, at: usize, limit: usize) -> bool {
        let rest = self.folded[at..limit.max(at)].trim_start_matches([')', ']', '*', '_', '"', '”', '\'', '}', '$']);
        let rest = rest.trim_start_matches(' ');
        rest.is_empty()
            || rest.starts_with(['.', ',', ';', ':', '!', '?', '\n', '(', '。', '，', '-', '–', '—', '[', '<'])
            || words(rest).next().is_some_and(|word| is_listed(word, "because since as for and but which so instead here"))
    }

    /// Skips blanks, emphasis and punctuation before a statement, also to the next line.
    fn skip_blanks(&self, from: usize, limit: usize) -> usize {
        let rest = &self.text[from..limit];
        limit - rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ':' | '*' | '_' | '`' | '=' | '：' | '-' | '>')).len()
    }

    fn line_end(&self, from: usize, limit: usize) -> usize {
        let limit = self.floor(limit.min(from + MAX_CLAUSE));
        self.text[from..limit].find('\n').map_or(limit, |length| from + length)
    }

    /// The end of the clause that starts at a place: its sentence, or the reason that it gives.
    fn clause_end(&self, from: usize, limit: usize) -> usize {
        let end = self.line_end(from, limit);
        let clause = &self.folded[from..end];
        let stops = [". ", "! ", "? ", "; ", "。", "！", "？", "।"];
        // The stop of `B. television` ends nothing.
        let stop = |mark: &&str| clause.match_indices(*mark).map(|(at, _)| at).find(|&at| at > 2);
        let sentence = stops.iter().filter_map(stop).min().unwrap_or(clause.len());
        let reason = REASONS.iter().filter_map(|reason| clause.find(reason)).min().unwrap_or(clause.len());
        from + sentence.min(reason)
    }

    /// Returns true if the sentence behind a place ends with a question mark.
    pub fn is_question(&self, from: usize, limit: usize) -> bool {
        let end = self.line_end(from, limit);
        let stop = self.folded[from..end].find(['.', '!', '?', ';', '。', '？', '！']);
        stop.is_some_and(|at| self.folded[from + at..].starts_with(['?', '？']))
    }

    fn floor(&self, mut at: usize) -> usize {
        at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

fn is_boundless_filler(word: &str) -> bool {
    let mut rest = word;
    while let Some(after) = BOUNDLESS_FILLERS.iter().find_map(|filler| rest.strip_prefix(filler)) {
        rest = after;
    }
    rest.is_empty()
}
