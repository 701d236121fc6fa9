//! How a prompt is put together: worked examples, then the problem, with the answer as a hint where the mode asks for it.

use crate::task::{Style, Task};
use crate::types::{Mode, Problem};

/// The whole prompt: up to `few_shot` worked examples, each followed by the task's separator, then the problem (paper, section 3.1).
///
/// `style` says what the worked examples show; in [`Mode::Hinted`] the worked examples show their hints too, as the problem does (paper, section 3.2).
pub fn assemble(task: &dyn Task, problem: &Problem, mode: Mode, style: Style, few_shot: usize) -> String {
    let mut prompt = String::new();
    if few_shot > 0 {
        for example in task.worked_examples(problem, mode, style, few_shot) {
            prompt.push_str(&example.prompt);
            prompt.push_str(&example.completion);
            prompt.push_str(task.separator());
        }
    }
    prompt.push_str(&task.prompt(problem, mode));
    prompt
}
