//! One process that answers lines with lines, within a time limit.
//!
//! A thread writes the question and reads the answer. So neither a full pipe nor a silent program can block the caller. If the process is killed,
//! the thread ends.

use crate::external::process::{ProcessGroup, Shutdown};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Bytes of the longest line that is read. A verdict is short, and a JSON value takes much more memory than its text.
const LONGEST_LINE: u64 = 1 << 16;
/// The time that a process has to end after it closed its output, so that the error can show its exit status.
const GRACE: Duration = Duration::from_secs(1);

/// A running program. Dropping it kills it.
pub(super) struct Process {
    group: ProcessGroup,
    questions: Sender<String>,
    answers: Receiver<Result<String, Closed>>,
    /// The last line on its standard error, sent when that ends.
    last_words: Receiver<String>,
}

/// The other side of a pipe is closed.
struct Closed;

impl Process {
    pub fn start(command: &[String], secrets: &[String]) -> io::Result<Self> {
        let nameless = || io::Error::new(io::ErrorKind::InvalidInput, "no program is named");
        let (program, arguments) = command.split_first().ok_or_else(nameless)?;
        let mut prepared = Command::new(program);
        prepared.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A verifier that is stopped has no question to answer, so it needs no time to end.
        let mut group = ProcessGroup::start(&mut prepared, Shutdown::Immediate, secrets)?;
        let child = group.leader();
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(errors)) = pipes else { unreachable!("all three were asked for") };
        let (questions, to_ask) = channel();
        let (answered, answers) = channel();
        let (said, last_words) = channel();
        std::thread::spawn(move || converse(&to_ask, &answered, input, BufReader::new(output)));
        std::thread::spawn(move || said.send(last_line(errors)));
        Ok(Process { group, questions, answers, last_words })
    }

    /// Returns true if it still runs.
    pub fn is_alive(&mut self) -> bool {
        self.group.status().is_none()
    }

    /// Writes a question and waits for the line of the answer.
    pub fn ask(&mut self, question: String, time_limit: Duration) -> Result<String, String> {
        let sent = self.questions.send(question + "\n");
        let answer = sent.map_or(Ok(Err(Closed)), |()| self.answers.recv_timeout(time_limit));
        match answer {
            Ok(Ok(line)) => Ok(line),
            Ok(Err(Closed)) | Err(RecvTimeoutError::Disconnected) => Err(self.how_it_ended()),
            Err(RecvTimeoutError::Timeout) => Err(format!("it gave no answer within {} s", time_limit.as_secs_f64())),
        }
    }

    fn how_it_ended(&mut self) -> String {
        let status = self.group.wait(GRACE);
        self.group.stop();
        let how = status.map_or_else(|| "it closed its output".to_owned(), |status| format!("it ended without an answer ({status})"));
        match self.last_words.recv_timeout(GRACE) {
            Ok(words) if !words.is_empty() => format!("{how}: {words}"),
            _ => how,
        }
    }
}

/// Writes questions and reads answers until one side is closed.
fn converse(
    questions: &Receiver<String>,
    answers: &Sender<Result<String, Closed>>,
    mut input: ChildStdin,
    mut output: BufReader<ChildStdout>,
) {
    for question in questions {
        let written = input.write_all(question.as_bytes()).and_then(|()| input.flush());
        let answer = written.map_err(|_| Closed).and_then(|()| read_line(&mut output)).map(|mut line| {
            // A line too many would be taken for the next answer.
            line.push_str(&String::from_utf8_lossy(output.buffer()));
            line
        });
        let closed = answer.is_err();
        if answers.send(answer).is_err() || closed {
            return;
        }
    }
}

/// A line, at most [`LONGEST_LINE`] bytes of it.
fn read_line(output: &mut impl BufRead) -> Result<String, Closed> {
    let mut line = Vec::new();
    match output.take(LONGEST_LINE).read_until(b'\n', &mut line) {
        // An answer must be UTF-8. The prefix makes the verdict fail and says why.
        Ok(length) if length > 0 => {
            Ok(String::from_utf8(line).unwrap_or_else(|error| format!("not UTF-8: {}", String::from_utf8_lossy(error.as_bytes()))))
        }
        _ => Err(Closed),
    }
}

/// The last line that is not blank.
fn last_line(errors: ChildStderr) -> String {
    let (mut errors, mut last) = (BufReader::new(errors), String::new());
    while let Ok(line) = read_line(&mut errors) {
        if !line.trim().is_empty() {
            line.trim().clone_into(&mut last);
        }
    }
    last
}
