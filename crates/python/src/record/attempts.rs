//! The table of attempts.

use super::Column;
use arrow_array::{BooleanArray, Float64Array, RecordBatch, StringArray, UInt32Array, UInt64Array};
use arrow_schema::ArrowError;
use starloop_core::types::{Reading, StopReason, Verdict};
use starloop_record::types::ProblemRecord;
use starloop_report::inspect::InspectedAttempt;
use std::sync::Arc;

/// An attempt with the texts of its problem.
pub(super) struct AttemptRow {
    attempt: InspectedAttempt,
    question: Option<String>,
    answer: Option<String>,
}

impl AttemptRow {
    pub(super) fn new(attempt: InspectedAttempt, problem: Option<&ProblemRecord>) -> Self {
        let (question, answer) = (problem.map(|problem| problem.text.clone()), problem.map(|problem| problem.answer.clone()));
        AttemptRow { attempt, question, answer }
    }

    fn predicted(&self) -> Option<&str> {
        match &self.attempt.graded.verdict {
            Verdict::Correct => self.answer.as_deref(),
            Verdict::Wrong { predicted } => Some(predicted),
            Verdict::Contradiction { .. } | Verdict::Unparsed | Verdict::Truncated | Verdict::Failed { .. } => None,
        }
    }

    /// The name that `outcomes.jsonl` has.
    fn outcome(&self) -> Option<String> {
        serde_json::to_value(self.attempt.outcome?).ok()?.as_str().map(str::to_owned)
    }

    fn stop_reason(&self) -> &'static str {
        match self.attempt.graded.attempt.stop_reason {
            StopReason::EndToken => "end_token",
            StopReason::StopString(_) => "stop_string",
            StopReason::Unspecified => "unspecified",
            StopReason::Length => "length",
        }
    }
}

pub(super) fn batch(rows: &[AttemptRow]) -> Result<RecordBatch, ArrowError> {
    let attempts = || rows.iter().map(|row| &row.attempt.graded.attempt);
    let graded = || rows.iter().map(|row| &row.attempt.graded);
    let columns: Vec<Column> = vec![
        ("method", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.attempt.method))), false),
        ("iteration", Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.attempt.iteration))), false),
        ("purpose", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.attempt.purpose.name()))), false),
        ("problem", Arc::new(StringArray::from_iter_values(attempts().map(|attempt| &attempt.problem.0))), false),
        ("class", Arc::new(StringArray::from_iter_values(attempts().map(|attempt| &attempt.class))), false),
        ("sample", Arc::new(UInt32Array::from_iter_values(attempts().map(|attempt| attempt.sample))), false),
        ("seed", Arc::new(UInt64Array::from_iter_values(attempts().map(|attempt| attempt.seed))), false),
        ("question", Arc::new(rows.iter().map(|row| row.question.as_deref()).collect::<StringArray>()), true),
        ("answer", Arc::new(rows.iter().map(|row| row.answer.as_deref()).collect::<StringArray>()), true),
        ("completion", Arc::new(StringArray::from_iter_values(attempts().map(|attempt| &attempt.completion))), false),
        ("verdict", Arc::new(StringArray::from_iter_values(graded().map(|graded| graded.verdict.name()))), false),
        ("predicted", Arc::new(rows.iter().map(AttemptRow::predicted).collect::<StringArray>()), true),
        ("reading", Arc::new(graded().map(|graded| graded.reading().map(Reading::name)).collect::<StringArray>()), true),
        ("outcome", Arc::new(rows.iter().map(AttemptRow::outcome).collect::<StringArray>()), true),
        ("faithful", Arc::new(graded().map(|graded| graded.faithful).collect::<BooleanArray>()), true),
        ("false_step", Arc::new(graded().map(|graded| graded.false_step).collect::<BooleanArray>()), true),
        ("stop_reason", Arc::new(StringArray::from_iter_values(rows.iter().map(AttemptRow::stop_reason))), false),
        ("prompt_tokens", Arc::new(UInt64Array::from_iter_values(attempts().map(|attempt| attempt.prompt_tokens as u64))), false),
        ("completion_tokens", Arc::new(UInt64Array::from_iter_values(attempts().map(|attempt| attempt.completion_tokens as u64))), false),
        ("logprob", Arc::new(attempts().map(|attempt| attempt.logprob).collect::<Float64Array>()), true),
        ("checkpoint", Arc::new(StringArray::from_iter_values(attempts().map(|attempt| &attempt.checkpoint))), false),
    ];
    RecordBatch::try_from_iter_with_nullable(columns)
}
