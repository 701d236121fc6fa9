//! An audit of a run's verdicts: which rules found the answers, and which verdicts a person should read.
//!
//! Readings are counted as the run recorded them. Only the second looks of [`starloop_answers::audit`] are made here.

use crate::error::Result;
use crate::inspect::{self, Filter};
use crate::words::{Purpose, VERDICTS, verdict_index};
use serde::Serialize;
use starloop_answers::audit::{last_number, mentions};
use starloop_answers::number;
use starloop_record::RunDir;
use starloop_record::types::{GradedAttempt, Place, ProblemRecord, Reading, Verdict};

/// Bytes of the completion that are shown on each side of an answer, at least.
const AROUND: usize = 40;

/// The audit of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerdictAudit {
    /// Verdicts by the rule that found the answer, the strongest rule first.
    pub readings: Vec<ReadingCounts>,
    /// Right answers that a mention gave, not a statement. They may be right by accident.
    pub weakest: Doubts,
    /// Wrong, contradictory or unreadable answers whose text holds the known answer. The verdict may be too strict.
    pub missed: Doubts,
    /// Stated numbers that get another verdict by the flexible rule of other graders, which takes the last number of the text.
    pub disagreements: Doubts,
    /// Answers whose letter and text name different choices.
    pub contradictions: Doubts,
}

/// How many attempts of each verdict a rule gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadingCounts {
    /// The rule; `None` if no answer was found, or if the task has one rule only.
    pub reading: Option<Reading>,
    /// The rule in words.
    pub description: &'static str,
    /// Attempts in the order of [`VERDICTS`].
    pub verdicts: [u64; VERDICTS.len()],
}

/// Attempts of one kind: how many there are, and the first of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Doubts {
    /// All of them.
    pub count: u64,
    /// The first ones.
    pub shown: Vec<Doubt>,
}

/// A verdict that a person should read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Doubt {
    /// The method's name in the config.
    pub method: String,
    /// The outer iteration.
    pub iteration: u32,
    /// The purpose of the attempt.
    pub purpose: Purpose,
    /// The problem's id.
    pub problem: String,
    /// The index of the sample for this prompt, from 0.
    pub sample: u32,
    /// The verdict's name.
    pub verdict: &'static str,
    /// The known answer.
    pub known: String,
    /// The answer that was read.
    pub read: Option<String>,
    /// The rule that found it.
    pub reading: Option<Reading>,
    /// The completion around the answer, or its end.
    pub excerpt: String,
}

impl VerdictAudit {
    /// Audits the attempts of a run that match a filter, and keeps `shown` doubts of each kind.
    ///
    /// # Errors
    /// A file of the run is damaged.
    pub fn of(run: &RunDir, filter: &Filter, shown: usize) -> Result<Self> {
        let mut audit = VerdictAuditor::new(shown);
        inspect::each(run, filter, |attempt, problem| {
            audit.add(
                &Origin { method: &attempt.method, iteration: attempt.iteration, purpose: attempt.purpose },
                &attempt.graded,
                problem,
            );
            Ok(())
        })?;
        Ok(audit.finish())
    }

    fn empty() -> Self {
        let none = Doubts::default;
        VerdictAudit { readings: Vec::new(), weakest: none(), missed: none(), disagreements: none(), contradictions: none() }
    }

    /// The kinds of doubt with their descriptions.
    pub fn doubts(&self) -> [(&'static str, &Doubts); 4] {
        [
            ("right answers that are only mentioned, not stated", &self.weakest),
            ("wrong or unreadable answers whose text holds the known answer", &self.missed),
            ("stated numbers with another verdict by the last number of the text", &self.disagreements),
            ("answers whose letter and text name different choices", &self.contradictions),
        ]
    }
}

/// Makes an audit of attempts, one by one.
pub(crate) struct VerdictAuditor {
    counts: Vec<(Option<Reading>, [u64; VERDICTS.len()])>,
    shown: usize,
    audit: VerdictAudit,
}

/// The source of an attempt.
pub(crate) struct Origin<'a> {
    pub method: &'a str,
    pub iteration: u32,
    pub purpose: Purpose,
}

impl VerdictAuditor {
    /// An audit that keeps `shown` doubts of each kind.
    pub(crate) fn new(shown: usize) -> Self {
        VerdictAuditor { counts: Vec::new(), shown, audit: VerdictAudit::empty() }
    }

    pub(crate) fn add(&mut self, origin: &Origin<'_>, graded: &GradedAttempt, problem: Option<&ProblemRecord>) {
        let reading = graded.reading();
        let place = self.counts.iter().position(|(other, _)| *other == reading).unwrap_or_else(|| {
            self.counts.push((reading, [0; VERDICTS.len()]));
            self.counts.len() - 1
        });
        self.counts[place].1[verdict_index(&graded.verdict)] += 1;
        let doubt = || doubt(origin, graded, problem);
        let is_right = graded.verdict.is_correct();
        if is_right && reading.is_some_and(|reading| !reading.is_stated()) {
            self.audit.weakest.add(self.shown, doubt);
        }
        if graded.contradiction.is_some() {
            self.audit.contradictions.add(self.shown, doubt);
        }
        let Some(problem) = problem else { return };
        let has_failed = matches!(graded.verdict, Verdict::Wrong { .. } | Verdict::Contradiction { .. } | Verdict::Unparsed);
        if has_failed && mentions(&graded.attempt.completion, in_words(problem)) {
            self.audit.missed.add(self.shown, doubt);
        }
        let is_stated_number = reading.is_some_and(Reading::is_stated) && problem.choices.is_empty();
        let known = if is_stated_number { number::known(&problem.answer) } else { None };
        if let Some(known) = known
            && last_number(&graded.attempt.completion).is_some_and(|last| (last.value == known.value) != is_right)
        {
            self.audit.disagreements.add(self.shown, doubt);
        }
    }

    pub(crate) fn finish(self) -> VerdictAudit {
        let VerdictAuditor { mut counts, audit, .. } = self;
        // Answers without a rule are the last ones.
        counts.sort_by_key(|(reading, _)| (reading.is_none(), *reading));
        let described = |(reading, verdicts): (Option<Reading>, _)| ReadingCounts {
            reading,
            description: reading.map_or("no rule recorded", Reading::description),
            verdicts,
        };
        VerdictAudit { readings: counts.into_iter().map(described).collect(), ..audit }
    }
}

impl Doubts {
    fn add(&mut self, most: usize, doubt: impl FnOnce() -> Doubt) {
        self.count += 1;
        if self.shown.len() < most {
            self.shown.push(doubt());
        }
    }
}

/// The known answer as a text can hold it: the words of a choice, not its letter.
fn in_words(problem: &ProblemRecord) -> &str {
    let choice = starloop_answers::choice::known(&problem.answer, &problem.choices);
    choice.map_or(problem.answer.as_str(), |choice| problem.choices[choice].as_str())
}

fn doubt(origin: &Origin<'_>, graded: &GradedAttempt, problem: Option<&ProblemRecord>) -> Doubt {
    let completion = &graded.attempt.completion;
    let place = graded.place.as_ref().filter(|place| completion.get(place.span.clone()).is_some());
    // Without a place, the end of the completion.
    let end_of_text = Place { reading: Reading::LastLine, span: completion.len()..completion.len() };
    let around = place.unwrap_or(&end_of_text).around(completion, AROUND);
    Doubt {
        method: origin.method.to_owned(),
        iteration: origin.iteration,
        purpose: origin.purpose,
        problem: graded.attempt.problem.0.clone(),
        sample: graded.attempt.sample,
        verdict: graded.verdict.name(),
        known: problem.map_or_else(String::new, |problem| problem.answer.clone()),
        read: place.map(|place| completion[place.span.clone()].to_owned()),
        reading: place.map(|place| place.reading),
        excerpt: completion[around].to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sample_run::{attempt, begin, write_evaluation, write_iteration, wrong};
    use starloop_record::types::Named;
    use starloop_record::{Approach, Outcome};

    fn read(mut graded: GradedAttempt, reading: Reading, span: std::ops::Range<usize>) -> GradedAttempt {
        graded.place = Some(Place { reading, span });
        graded
    }

    #[test]
    fn doubtful_verdicts_are_found() {
        let place = tempfile::tempdir().unwrap();
        let run = begin(place.path(), &[("star", Approach::Star)]);
        // The known answer of the problem `7` is 7.
        let mut contradictory = attempt("b", "desk (b)", wrong("b"));
        contradictory.contradiction = Some(Named { letter: Some(1), text: Some(0) });
        let attempts = [
            (read(attempt("7", "The answer is 7.", Verdict::Correct), Reading::Phrase, 14..15), Outcome::Learned),
            (read(attempt("7", "The answer is 7, after 3 days.", Verdict::Correct), Reading::Phrase, 14..15), Outcome::Learned),
            (read(attempt("7", "It makes 7 in all", Verdict::Correct), Reading::LastNumber, 9..10), Outcome::Learned),
            (read(attempt("7", "7 or 8. The answer is 8.", wrong("8")), Reading::Phrase, 22..23), Outcome::Wrong),
            (contradictory, Outcome::Wrong),
            (attempt("7", "none", Verdict::Unparsed), Outcome::Unreadable),
        ];
        write_iteration(&run, "star", 1, &attempts, &[]);
        write_evaluation(&run, "star", 1, &[]);
        let audit = VerdictAudit::of(&run, &Filter::default(), 2).unwrap();
        let readings: Vec<_> = audit.readings.iter().map(|counts| (counts.reading, counts.verdicts)).collect();
        assert_eq!(
            readings,
            [(Some(Reading::Phrase), [2, 1, 0, 0, 0, 0]), (Some(Reading::LastNumber), [1, 0, 0, 0, 0, 0]), (None, [0, 1, 0, 1, 0, 0])]
        );
        let found = |doubts: &Doubts| doubts.shown.iter().map(|doubt| doubt.excerpt.clone()).collect::<Vec<_>>();
        assert_eq!(found(&audit.weakest), ["It makes 7 in all"]);
        assert_eq!(found(&audit.missed), ["7 or 8. The answer is 8.", "desk (b)"]);
        assert_eq!(found(&audit.disagreements), ["The answer is 7, after 3 days."]);
        assert_eq!(found(&audit.contradictions), ["desk (b)"]);
        assert_eq!(audit.missed.shown[0].read.as_deref(), Some("8"));
    }
}
