//! Questions and answers in the form of the paper's prompts: `Q:` with the question, `A:` with the solution, repeated.
//!
//! A file of worked examples has the plain form only. The hinted and the direct form are made from it. So the three forms agree, and no hint reaches
//! a prompt without hints.

use super::{ConfigError, Style, Task, WorkedExample};
use crate::types::{Mode, Problem};
use std::path::Path;

/// The beginning of a prompt. A model that writes it begins another problem.
pub(crate) const QUESTION: &str = "Q:";
/// The end of a prompt. No blank follows: the solution begins with it, because byte-pair tokenizers join a blank to the next word.
pub(crate) const ANSWER: &str = "A:";
/// The text between a solution and the next question.
pub(crate) const SEPARATOR: &str = "\n\n";

/// The strings that end a completion: the next question, also with the empty line before it, so that no solution is learned with an empty line at
/// its end.
pub(crate) fn stop_strings() -> Vec<String> {
    vec![format!("{SEPARATOR}{QUESTION}"), format!("\n{QUESTION}")]
}

/// A problem with a solution.
pub(crate) struct Solved {
    /// The problem, of no split.
    pub problem: Problem,
    /// Rationale and answer, with the blank before them.
    pub completion: String,
}

/// The worked examples of the file that the setting `prompts` names, or the built-in ones. `make` converts a question and its solution.
///
/// # Errors
/// The file cannot be read, or `make` fails. The error names file and line.
pub(crate) fn worked(
    own: &str,
    file: Option<&Path>,
    make: impl Fn(&str, &str) -> Result<Problem, String>,
) -> Result<Vec<Solved>, ConfigError> {
    let read = || match file {
        Some(path) => parse(&path.display().to_string(), &fs_err::read_to_string(path).map_err(|error| error.to_string())?, make),
        None => parse("the task's own worked examples", own, make),
    };
    read().map_err(|reason| ConfigError { key: "prompts", reason })
}

/// The first `count` examples as a task shows them.
pub(crate) fn shown(task: &dyn Task, solved: &[Solved], mode: Mode, style: Style, count: usize) -> Vec<WorkedExample> {
    let example = |Solved { problem, completion }: &Solved| WorkedExample {
        prompt: task.prompt(problem, mode),
        completion: match style {
            Style::Rationale => completion.clone(),
            Style::Direct => task.direct_completion(problem),
        },
    };
    solved.iter().take(count).map(example).collect()
}

fn parse(name: &str, text: &str, make: impl Fn(&str, &str) -> Result<Problem, String>) -> Result<Vec<Solved>, String> {
    let lines: Vec<&str> = text.trim_start_matches('\u{feff}').lines().collect();
    let begins: Vec<usize> = (0..lines.len()).filter(|&at| lines[at].starts_with(QUESTION)).collect();
    let before = begins.first().copied().unwrap_or(lines.len());
    if let Some(at) = lines[..before].iter().position(|line| !line.trim().is_empty()) {
        return Err(format!("{name}, line {}: a worked example begins with `{QUESTION}`, found {:?}", at + 1, lines[at]));
    }
    let ends = begins.iter().skip(1).copied().chain([lines.len()]);
    let examples: Result<Vec<Solved>, String> = begins
        .iter()
        .zip(ends)
        .map(|(&begin, end)| solved(&lines[begin..end], &make).map_err(|reason| format!("{name}, line {}: {reason}", begin + 1)))
        .collect();
    examples.and_then(|examples| if examples.is_empty() { Err(format!("{name} holds no worked example")) } else { Ok(examples) })
}

/// One worked example from its lines.
fn solved(lines: &[&str], make: impl Fn(&str, &str) -> Result<Problem, String>) -> Result<Solved, String> {
    let text = lines.join("\n");
    let (question, solution) =
        text.split_once(&format!("\n{ANSWER}")).ok_or_else(|| format!("no line that begins with `{ANSWER}` follows the question"))?;
    let (question, solution) = (question[QUESTION.len()..].trim(), solution.trim());
    Ok(Solved { problem: make(question, solution)?, completion: format!(" {solution}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::ProblemId;

    fn make(question: &str, solution: &str) -> Result<Problem, String> {
        let (id, class) = (ProblemId(String::new()), String::new());
        let problem = |answer: &str| Problem { id, class, question: question.into(), answer: answer.into(), choices: Vec::new() };
        solution.rsplit_once(' ').map(|(_, answer)| problem(answer)).ok_or_else(|| "one word alone".to_owned())
    }

    #[test]
    fn examples_are_read_with_all_their_lines() {
        let text = "\u{feff}\r\nQ: One\r\nmore?\r\nA: It is\r\n\r\nsurely 1\r\n\r\nQ: Two?\r\nA: It is 2";
        let read = parse("p.txt", text, make).expect("it is right");
        let parts: Vec<_> = read.iter().map(|s| (s.problem.question.as_str(), s.problem.answer.as_str(), s.completion.as_str())).collect();
        assert_eq!(parts, [("One\nmore?", "1", " It is\n\nsurely 1"), ("Two?", "2", " It is 2")]);
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_line() {
        for (text, said) in [
            ("", "p.txt holds no worked example"),
            ("\nquestion\nQ: One?\nA: is 1", "p.txt, line 2: a worked example begins with `Q:`, found \"question\""),
            ("Q: One?\nA: is 1\n\nQ: Two?\nB: 2", "p.txt, line 4: no line that begins with `A:` follows the question"),
            ("Q: One?\nA: is 1\n\nQ: Two?\nA: 2", "p.txt, line 4: one word alone"),
        ] {
            assert_eq!(parse("p.txt", text, make).err().as_deref(), Some(said));
        }
        let error = worked("", Some(Path::new("/nowhere/p.txt")), make).err().expect("not there").to_string();
        assert!(error.starts_with("prompts: ") && error.contains("/nowhere/p.txt"), "{error}");
    }
}
