//! The parts of a human solution: its steps, and its final answer on the line that begins with `####`.

use starloop_answers::end_of_turn;

/// The mark before the final answer.
pub(in crate::task) const MARK: &str = "####";

/// The rationale: the text before the final answer. It is the whole text if no line gives the answer.
pub(in crate::task) fn rationale(completion: &str) -> &str {
    let own = &completion[..end_of_turn(completion).unwrap_or(completion.len())];
    own.find(MARK).map_or(own, |at| &own[..at])
}

/// The final answer as the solution writes it.
pub(in crate::task) fn stated(solution: &str) -> Option<&str> {
    solution.lines().find_map(|line| line.trim_start().strip_prefix(MARK)).map(str::trim)
}
