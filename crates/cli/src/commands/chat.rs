//! `starloop chat`: a conversation with a model on the terminal.

mod command;
mod session;

use crate::access::Access;
use crate::console;
use crate::model::Models;
use anyhow::{Result, bail};
use command::{Command, HELP};
use session::Session;
use starloop_core::registry::Registry;
use starloop_lm::LanguageModel;
use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Talk to a model. It answers by its chat template, token by token, and remembers the conversation.
///
/// A base model has no chat template. It completes each message as it is, and remembers nothing. A line that ends with \ continues on the next
/// line. Lines that begin with / are commands; /help lists them. Ctrl-C stops an answer; at the prompt, it ends the program.
///
/// Without a terminal, each line of standard input is a message, and standard output gets the answers only.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop chat DIR                                            a conversation; /help lists the commands
  starloop chat runs/gsm8k --iteration star/3                  a checkpoint of a run
  starloop chat DIR --system 'Answer in one word.' --temperature 0
  printf '1 + 2\\n/task number 3\\n' | starloop chat DIR       messages from a pipe")]
pub struct Arguments {
    /// A checkpoint or adapter directory, builtin:NAME, or a run directory
    #[arg(value_name = "MODEL|RUN")]
    model: String,
    /// The model of a run: METHOD/N or base [default: the most accurate iteration of the last method]
    #[arg(long, value_name = "NAME")]
    iteration: Option<String>,
    /// The system message
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// The most tokens of an answer
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    max_new_tokens: u32,
    /// Divides the logits; 0 takes the most likely token
    #[arg(long, default_value_t = 0.7)]
    temperature: f64,
    /// Draw from the most likely tokens whose probabilities add up to P
    #[arg(long, default_value_t = 1.0)]
    top_p: f64,
    /// A string that ends an answer; may be given several times
    #[arg(long, value_name = "STR")]
    stop: Vec<String>,
    /// Seed of the first answer. Each further answer has the next seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The effect of Ctrl-C.
const ENDS_PROGRAM: u8 = 0;
const STOPS_ANSWER: u8 = 1;
const ANSWER_STOPPED: u8 = 2;

/// Shared with the handler of Ctrl-C.
#[derive(Debug, Clone, Default)]
pub struct Interruption(Arc<AtomicU8>);

impl Interruption {
    fn install(&self) {
        let state = Arc::clone(&self.0);
        let handler = ctrlc::set_handler(move || {
            if state.compare_exchange(STOPS_ANSWER, ANSWER_STOPPED, Ordering::SeqCst, Ordering::SeqCst).is_err() {
                std::process::exit(console::INTERRUPTED);
            }
        });
        if let Err(error) = handler {
            log::warn!("failed to install the handler of Ctrl-C, so that Ctrl-C ends the program: {error}");
        }
    }

    /// From now on, Ctrl-C stops an answer.
    fn answer_begins(&self) {
        self.0.store(STOPS_ANSWER, Ordering::SeqCst);
    }

    /// Returns true if the answer was stopped. From now on, Ctrl-C ends the program.
    fn answer_ends(&self) -> bool {
        self.0.swap(ENDS_PROGRAM, Ordering::SeqCst) == ANSWER_STOPPED
    }

    fn is_answer_stopped(&self) -> bool {
        self.0.load(Ordering::SeqCst) == ANSWER_STOPPED
    }
}

pub fn run(arguments: &Arguments, registry: &Registry, access: Access) -> Result<()> {
    let interruption = Interruption::default();
    interruption.install();
    let models = Models::find(&arguments.model, access)?;
    let (name, directory) = chosen(&models, arguments.iteration.as_deref())?;
    let model = LanguageModel::load(directory)?;
    let mut session = Session::new(&model, arguments, interruption)?;
    if !session.has_template() {
        console::say("the checkpoint has no chat template: each message is completed as it is, and the model remembers nothing");
    }
    let is_terminal = std::io::stdin().is_terminal();
    if is_terminal {
        console::say(&format!("{name}; /help lists the commands"));
    }
    let mut lines = std::io::stdin().lock().lines();
    while let Some(message) = next_message(&mut lines, is_terminal)? {
        let outcome = match Command::read(&message) {
            Command::Quit => return Ok(()),
            Command::Help => console::print(HELP.trim_end()),
            Command::Unknown(name) => Err(anyhow::anyhow!("there is no command {name}; /help lists the commands")),
            Command::Say(text) if text.trim().is_empty() => Ok(()),
            Command::Say(text) => session.answer(text),
            Command::Reset => {
                session.reset();
                Ok(())
            }
            Command::System(text) => session.set_system(text),
            Command::Samples(count) => session.set_samples(count),
            Command::Task { name, answer } => session.grade(name, answer, registry, access),
        };
        match outcome {
            // A person can try again. A program reads the exit code.
            Err(error) if is_terminal => console::say(&format!("error: {error:#}")),
            outcome => outcome?,
        }
    }
    Ok(())
}

fn chosen<'m>(models: &'m Models, name: Option<&str>) -> Result<(&'m str, &'m PathBuf)> {
    let found = models.named.iter().find(|(known, _)| name.is_none_or(|name| name == known));
    match (found, name) {
        (Some((name, directory)), _) => Ok((name, directory)),
        (None, name) => {
            let known: Vec<&str> = models.named.iter().map(|(name, _)| name.as_str()).collect();
            bail!("there is no model {:?} here; the models are: {}", name.unwrap_or_default(), known.join(", "))
        }
    }
}

/// The next message: a line, and those that continue it. Nothing at the end of the input.
fn next_message(lines: &mut impl Iterator<Item = std::io::Result<String>>, is_terminal: bool) -> Result<Option<String>> {
    let mut message = String::new();
    loop {
        if is_terminal {
            console::prompt(if message.is_empty() { "> " } else { "… " })?;
        }
        let Some(line) = lines.next() else { return Ok((!message.is_empty()).then_some(message)) };
        let line = line?;
        match line.strip_suffix('\\') {
            Some(begun) => message = message + begun + "\n",
            None => return Ok(Some(message + &line)),
        }
    }
}
