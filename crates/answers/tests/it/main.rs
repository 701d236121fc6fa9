//! Tables of verdicts, properties of random answers, and hostile texts.

mod table;

mod quantities;
