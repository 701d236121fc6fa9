//! Sentences that state a choice: `the answer is (b)`, `I would choose B`, `option B is correct`, `it is B`.

use super::names::{Name, NameKind, Names, words};
use super::statement::{Reach, Statement};
use crate::number::{is_listed, is_one_of};
use crate::phrase::{Form, phrases, words_before};

/// More names of an answer than the ones of `phrase.rs`.
const NOUNS: [&str; 21] = [
    "choice",
    "option",
    "pick",
    "selection",
    "guess",
    "best fit",
    "best match",
    "correct option",
    "correct choice",
    "opción correcta",
    "alternativa correta",
    "richtige option",
    "letter",
    "right one",
    "correct one",
    "best one",
    "故选",
    "应选",
    "选择",
    "选",
    "應選",
];

/// Verbs with which somebody chooses, and how far their object may stand from them.
const VERBS: [(&[&str], Reach); 3] = [
    (&["choose", "pick", "select", "choosing", "picking", "selecting", "chose", "picked", "selected"], Reach::Sentence),
    (&["go", "going", "went", "settle", "settling", "opt", "opting", "vote", "lean", "decide", "stick"], Reach::Sentence),
    (&["think", "believe", "say", "guess", "conclude"], Reach::AdjacentLetter),
];

/// Prepositions of the verbs that need one.
const PREPOSITIONS: [&str; 5] = ["with", "for", "on", "toward", "towards"];

/// Words that show that the writer chooses.
const WRITERS: &str = "i i'd i’d i'll i’ll i'm i’m we we'd we’d we'll we’ll let's let’s would will should must can therefore so";

/// Adjectives of an answer that is right.
const RIGHT: &str = "correct right best answer appropriate accurate true suitable logical valid proper likely fitting winner choice option \
    richtig correcte correcta correta верный правильный";

/// Words between a copula and what is said of a choice.
const ADVERBS: &str = "the a clearly definitely most only obviously therefore thus also probably indeed surely my then in fact actually \
    certainly our really single";

/// A statement with the place in the text that it counts from. Of two, the later one counts.
pub(super) type Placed = (usize, Statement);

/// Statements by phrases, by verbs of choosing and by what is said of a choice, in order.
pub(super) fn conclusions(names: &Names) -> Vec<(Source, Placed)> {
    let mut found: Vec<(Source, Placed)> = Vec::new();
    found.extend(by_phrases(names).map(|placed| (Source::Phrase, placed)));
    found.extend(by_verbs(names).map(|placed| (Source::Other, placed)));
    found.extend(by_predicates(names).map(|placed| (Source::Other, placed)));
    found.sort_by_key(|(_, (at, _))| *at);
    found
}

/// The sign by which a statement was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Phrase,
    Other,
}

fn by_phrases<'n>(names: &'n Names) -> impl Iterator<Item = Placed> + 'n {
    let limit = names.text.len();
    phrases(names.text, &NOUNS).into_iter().filter_map(move |phrase| {
        // `option B is a desk` says nothing of the answer.
        let names_inside = names.within(phrase.start, phrase.end).iter().any(Name::is_letter);
        if names_inside && phrase.form != Form::Negated {
            return None;
        }
        let statement = match phrase.form {
            Form::Negated => corrected(names, phrase.end)?,
            Form::Copula | Form::Direct => names.statement(phrase.end, limit, Reach::Sentence)?,
            Form::Colon => names.statement(phrase.end, limit, Reach::Adjacent)?,
        };
        (!names.is_question(statement.span.end, limit)).then_some((phrase.start, statement))
    })
}

/// The part of a sentence after a denial: `not A, it is B`, `not A but B`. A choice may begin with `not` itself.
fn corrected(names: &Names, from: usize) -> Option<Statement> {
    let limit = names.text.len();
    let begins = names.text[from..].len() - names.text[from..].trim_start().len();
    if let Some(name) = names.within(from, from + begins + 1).first().filter(|name| name.kind == NameKind::Text) {
        return names.statement(name.start, limit, Reach::Sentence);
    }
    let line = names.folded[from..].lines().next().unwrap_or("");
    let end = line.char_indices().nth(200).map_or(line.len(), |(at, _)| at);
    let sentence = line[..end].split_once(". ").map_or(&line[..end], |(sentence, _)| sentence);
    let turns = [" but ", "; it is ", ", it is ", ", it's ", ", it’s ", ", rather ", ", instead ", " sondern ", ", but "];
    let turn = turns.iter().filter_map(|turn| sentence.find(turn).map(|at| at + turn.len())).min()?;
    names.statement(from + turn, limit, Reach::Sentence)
}

/// Each word of the text with its place.
fn word_places(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let offset = move |word: &str| word.as_ptr() as usize - text.as_ptr() as usize;
    words(text).map(move |word| (offset(word), word))
}

fn by_verbs<'n>(names: &'n Names) -> impl Iterator<Item = Placed> + 'n {
    let limit = names.text.len();
    word_places(&names.folded).filter_map(move |(at, word)| {
        let (_, reach) = VERBS.iter().find(|(verbs, _)| verbs.contains(&word))?;
        let mut end = at + word.len();
        if VERBS[1].0.contains(&word) {
            let rest = names.folded[end..].trim_start_matches(' ');
            let preposition = words(rest).next().filter(|word| PREPOSITIONS.contains(word) && rest.starts_with(*word))?;
            end = names.folded.len() - rest.len() + preposition.len();
        }
        let before: Vec<&str> = words_before(&names.folded[..at]).take(5).collect();
        let is_writer = before.is_empty() || before.iter().any(|word| is_listed(word, WRITERS));
        let is_denied = before
            .iter()
            .any(|word| word.ends_with("n't") || word.ends_with("n’t") || is_one_of(word, &["not", "never", "cannot", "if", "you"]));
        // `in order to choose B`, but not `I am going to choose B`.
        let is_wish = |word: &&str| is_one_of(word, &["going", "like", "have", "want", "inclined"]);
        let is_purpose = before.first() == Some(&"to") && !before.get(1).is_some_and(is_wish);
        if !is_writer || is_denied || is_purpose {
            return None;
        }
        let statement = names.statement(end, limit, *reach)?;
        (!names.is_question(statement.span.end, limit)).then_some((at, statement))
    })
}

/// `B is correct`, `(b) umbrella is right`, `option B is the best answer`.
fn by_predicates<'n>(names: &'n Names) -> impl Iterator<Item = Placed> + 'n {
    names.all.iter().enumerate().filter_map(move |(index, name)| {
        // The name before may have taken this one along: `(b) umbrella`.
        let is_taken = index.checked_sub(1).is_some_and(|before| subject(names, before, &names.all[before]).0 == *name);
        let (last, statement) = Some(subject(names, index, name)).filter(|_| !is_taken)?;
        let end = predicate(names, last.end)?;
        let is_sure = name.is_letter() || end.is_answer;
        let is_denied = names.is_negated(
            name.start,
            names.text[..name.start].rfind(['.', '\n', ';']).map_or(0, |at| at + 1).max(name.start.saturating_sub(80)),
        );
        let is_supposed =
            words_before(&names.folded[..name.start]).take(3).any(|word| is_one_of(word, &["if", "whether", "why", "suppose"]))
                || words_before(&names.folded[..name.start]).next() == Some("is");
        (is_sure && !is_denied && !is_supposed && !names.is_question(end.at, names.text.len())).then_some((name.start, statement))
    })
}

/// A name with the other name of the same choice behind it.
fn subject(names: &Names, index: usize, name: &Name) -> (Name, Statement) {
    let next = names.all.get(index + 1).filter(|next| {
        let gap = &names.text[name.end..next.start];
        name.is_letter() != next.is_letter()
            && words(gap).next().is_none()
            && !gap.contains(['\n', ',', ';'])
            && (name.is_letter() || next.is_set_off())
    });
    let last = next.copied().unwrap_or(*name);
    let of = |is_letter: bool| [Some(name), next].into_iter().flatten().find(|name| name.is_letter() == is_letter).map(|name| name.choice);
    let statement = Statement { letter: of(true), text: of(false), is_undecided: false, is_closed: false, span: name.start..last.end };
    (last, statement)
}

struct Predicate {
    at: usize,
    /// It speaks of the answer or the choice, not only of something right.
    is_answer: bool,
}

/// Words after the name of a choice that say that the choice is right.
fn predicate(names: &Names, at: usize) -> Option<Predicate> {
    let rest = names.folded[at..].trim_start_matches([')', ']', '*', '_', '"', '”', '\'', '’', '}', '$', ' ', '）']);
    let sentence_start = names.folded.len() - rest.len();
    let end = rest.char_indices().nth(120).map_or(rest.len(), |(at, _)| at);
    let sentence = rest[..end].split(['.', '!', '?', '\n', ';', ',']).next().unwrap_or("");
    if ["正确", "是正确", "是对的", "が正", "が適"].iter().any(|right| rest.starts_with(right)) {
        return Some(Predicate { at: sentence_start, is_answer: true });
    }
    if matches!(sentence.trim(), "it is" | "is the one") {
        return Some(Predicate { at: sentence_start, is_answer: true });
    }
    let mut words = words(sentence).peekable();
    let copula = words.next().filter(|_| sentence.starts_with(char::is_alphabetic))?;
    match copula {
        "is" | "was" | "seems" | "looks" | "est" | "ist" | "es" | "é" => {}
        "must" | "should" | "would" | "will" | "has" => {
            words.next_if_eq(&"to");
            words.next_if_eq(&"be")?;
        }
        "fits" | "works" | "makes" => {
            let is_best = words.take(4).any(|word| matches!(word, "best" | "most"));
            return is_best.then_some(Predicate { at: sentence_start, is_answer: false });
        }
        _ => return None,
    }
    words.next_if_eq(&"to");
    words.next_if_eq(&"be");
    while words.next_if(|word| is_listed(word, ADVERBS)).is_some() {}
    let mut is_right = false;
    let mut is_answer = false;
    while let Some(word) = words.next_if(|word| is_listed(word, RIGHT) || (is_right && *word == "one")) {
        is_right = true;
        is_answer |= matches!(word, "answer" | "choice" | "option" | "correct" | "right");
    }
    let goes_on = words.next().is_some_and(|word| {
        !matches!(
            word,
            "because"
                | "since"
                | "as"
                | "for"
                | "and"
                | "but"
                | "so"
                | "here"
                | "to"
                | "of"
                | "among"
                | "in"
                | "based"
                | "given"
                | "response"
                | "due"
                | "fit"
        )
    });
    (is_right && !goes_on).then_some(Predicate { at: sentence_start, is_answer })
}

/// The last `it is B`, `so (b)`, which is weaker than a phrase.
pub(super) fn identification(names: &Names) -> Option<Placed> {
    let limit = names.text.len();
    let mut found = None;
    let (mut earlier, mut previous) = ("", "");
    for (at, word) in word_places(&names.folded) {
        let end = at + word.len();
        let is_necessity = previous == "to" && matches!(earlier, "has" | "have" | "ought" | "needs" | "out");
        let is_subject = matches!(previous, "it" | "that" | "this" | "which" | "must" | "should" | "so" | "therefore" | "thus" | "hence");
        let reach = match word {
            "it's" | "it’s" | "that's" | "that’s" | "so" | "therefore" | "thus" | "hence" => Some(Reach::Adjacent),
            "is" | "be" if is_subject || is_necessity => Some(Reach::Adjacent),
            _ => None,
        };
        (earlier, previous) = (previous, word);
        let Some(statement) = reach.and_then(|reach| names.statement(end, limit, reach)) else { continue };
        let is_supposed = words_before(&names.folded[..at]).take(3).any(|word| is_one_of(word, &["if", "whether", "suppose"]));
        let clause = &names.folded[names.folded[..at].rfind([',', '.', ';', '\n']).map_or(0, |end| end + 1)..at];
        let is_denied = clause.len() < 200
            && words(clause).any(|word| word.ends_with("n't") || word.ends_with("n’t") || is_one_of(word, &["not", "never"]));
        if !is_supposed && !is_denied && !names.is_question(statement.span.end, limit) && is_clear(names, &statement) {
            found = Some((at, statement));
        }
    }
    found
}

/// A letter alone in a sentence is easily a word, so it has to end its clause.
fn is_clear(names: &Names, statement: &Statement) -> bool {
    statement.is_closed || statement.text.is_some() || names.ends_clause(statement.span.end, names.text.len())
}
