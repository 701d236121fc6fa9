//! The commands of a chat.

/// A line of a user.
#[derive(Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// A message to the model.
    Say(&'a str),
    Help,
    Quit,
    /// Forget the conversation.
    Reset,
    /// Another system message. An empty text removes it.
    System(&'a str),
    /// The number of answers to each message.
    Samples(&'a str),
    /// Grade the latest answers.
    Task {
        name: &'a str,
        answer: &'a str,
    },
    Unknown(&'a str),
}

pub const HELP: &str = "\
/help                 this list
/reset                forget the conversation; the system message stays
/system TEXT          another system message; without a text, none
/n N                  N answers to each message; the conversation continues with the first one
/task NAME ANSWER     grade the latest answers as the task NAME does, against the known ANSWER
/quit                 end
//TEXT                a message that begins with a slash
";

impl<'a> Command<'a> {
    pub fn read(line: &'a str) -> Self {
        if line.starts_with("//") {
            return Command::Say(&line[1..]);
        }
        if !line.starts_with('/') {
            return Command::Say(line);
        }
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        match name {
            "/help" => Command::Help,
            "/quit" | "/exit" => Command::Quit,
            "/reset" => Command::Reset,
            "/system" => Command::System(rest),
            "/n" => Command::Samples(rest),
            "/task" => {
                let (name, answer) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                Command::Task { name, answer: answer.trim() }
            }
            name => Command::Unknown(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_command_or_a_message() {
        for (line, command) in [
            ("hello /n", Command::Say("hello /n")),
            ("//n", Command::Say("/n")),
            ("/n 4", Command::Samples("4")),
            ("/system  Be brief. ", Command::System("Be brief.")),
            ("/system", Command::System("")),
            ("/task gsm8k 7 2", Command::Task { name: "gsm8k", answer: "7 2" }),
            ("/task", Command::Task { name: "", answer: "" }),
            ("/reset now", Command::Reset),
            ("/quit", Command::Quit),
            ("/helpme", Command::Unknown("/helpme")),
            ("/", Command::Unknown("/")),
        ] {
            assert_eq!(Command::read(line), command, "{line:?}");
        }
        assert!(["/help", "/reset", "/system", "/n", "/task", "/quit"].iter().all(|name| HELP.contains(name)));
    }
}
