//! A conversation: what was said, and how the model answers.

use super::{Arguments, Interruption};
use crate::access::Access;
use crate::commands::verify::explained;
use crate::console;
use anyhow::{Result, anyhow, bail};
use starloop_core::registry::Registry;
use starloop_core::types::{Problem, ProblemId, StopReason as Recorded};
use starloop_lm::LanguageModel;
use starloop_lm::engine::{Batch, Completion, Delivery, EngineLimits, Request, SamplingParams, StopReason, Update};
use starloop_lm::files::chat::{ChatVariables, Message};

/// The most answers to a message.
const MOST_SAMPLES: usize = 64;

/// A conversation with a model. The batch keeps the keys and values of the conversation, so that only the latest message is computed.
pub struct Session<'m> {
    model: &'m LanguageModel,
    batch: Batch<'m>,
    longest: usize,
    has_template: bool,
    params: SamplingParams,
    next_seed: u64,
    samples: usize,
    system: Option<String>,
    messages: Vec<Message>,
    /// The latest answers.
    answers: Vec<Completion>,
    interruption: Interruption,
}

impl<'m> Session<'m> {
    pub fn new(model: &'m LanguageModel, arguments: &Arguments, interruption: Interruption) -> Result<Self> {
        let limits = EngineLimits { sequences: MOST_SAMPLES, ..EngineLimits::default() };
        let Arguments { temperature, top_p, max_new_tokens, ref stop, ref system, seed, .. } = *arguments;
        let params = SamplingParams { temperature, top_p, top_k: 0, max_new_tokens: max_new_tokens as usize, stop: stop.clone() };
        params.check()?;
        let mut session = Session {
            model,
            batch: Batch::new(model, &limits)?,
            longest: limits.longest_sequence(model)?,
            has_template: model.chat_template()?.is_some(),
            params,
            next_seed: seed,
            samples: 1,
            system: None,
            messages: Vec::new(),
            answers: Vec::new(),
            interruption,
        };
        system.as_ref().map_or(Ok(()), |system| session.set_system(system))?;
        Ok(session)
    }

    pub fn has_template(&self) -> bool {
        self.has_template
    }

    /// Forgets the conversation.
    pub fn reset(&mut self) {
        self.messages.clear();
        self.answers.clear();
    }

    pub fn set_system(&mut self, text: &str) -> Result<()> {
        if !self.has_template {
            bail!("the checkpoint has no chat template, so it takes no system message");
        }
        self.system = Some(text.to_owned()).filter(|text| !text.is_empty());
        Ok(())
    }

    pub fn set_samples(&mut self, count: &str) -> Result<()> {
        let samples = count.parse().ok().filter(|count| (1..=MOST_SAMPLES).contains(count));
        self.samples = samples.ok_or_else(|| anyhow!("/n {count}: expected a whole number from 1 to {MOST_SAMPLES}"))?;
        Ok(())
    }

    /// Answers a message. After an error, the conversation is as it was.
    pub fn answer(&mut self, text: &str) -> Result<()> {
        let message = Message::new("user", text);
        let prompt = if self.has_template {
            let system = self.system.as_deref().map(|system| Message::new("system", system));
            let conversation: Vec<Message> = system.into_iter().chain(self.messages.iter().cloned()).chain([message.clone()]).collect();
            self.model.encode_conversation(&conversation, ChatVariables::new())?
        } else {
            self.model.tokenizer().encode(text, true)?
        };
        let rest = self.longest.saturating_sub(prompt.len());
        if rest == 0 {
            bail!("the conversation has {} tokens, and the model reads at most {}; /reset forgets it", prompt.len(), self.longest);
        }
        let params = SamplingParams { max_new_tokens: self.params.max_new_tokens.min(rest), ..self.params.clone() };
        let seeds: Vec<u64> = (0..self.samples as u64).map(|sample| self.next_seed.wrapping_add(sample)).collect();
        let Some(answers) = self.sampled(Request { prompt, seeds, params })? else {
            console::say("the answer was stopped, and is not part of the conversation");
            return Ok(());
        };
        self.next_seed = self.next_seed.wrapping_add(self.samples as u64);
        if let (true, Some(first)) = (self.has_template, answers.first()) {
            self.messages.extend([message, Message::new("assistant", &first.text)]);
        }
        self.answers = answers;
        Ok(())
    }

    /// Samples answers and prints them: a single one token by token, several ones when each is finished. Nothing if the user stopped them.
    fn sampled(&mut self, request: Request) -> Result<Option<Vec<Completion>>> {
        let is_single = request.seeds.len() == 1;
        let mut answers: Vec<Option<Completion>> = request.seeds.iter().map(|_| None).collect();
        let delivery = if is_single { Delivery::Tokens { alternatives: 0 } } else { Delivery::Completions };
        let number = self.batch.submit(request, delivery)?;
        self.interruption.answer_begins();
        let mut failure = None;
        while !self.batch.is_idle() && failure.is_none() && !self.interruption.is_answer_stopped() {
            for Update { sample, token, end, .. } in self.batch.step() {
                match (token, end.transpose()) {
                    (_, Err(error)) => failure = Some(error),
                    (Some(token), Ok(end)) => {
                        console::print_piece(&token.text)?;
                        answers[sample] = end;
                    }
                    (None, Ok(Some(completion))) => {
                        console::print(&format!("[{}] {}", sample + 1, completion.text))?;
                        answers[sample] = Some(completion);
                    }
                    (None, Ok(None)) => {}
                }
            }
        }
        let is_stopped = self.interruption.answer_ends();
        self.batch.cancel(&[number]);
        // A cancelled request leaves when its prompt is computed.
        while !self.batch.is_idle() {
            self.batch.step();
        }
        if is_single {
            console::print("")?;
        }
        match failure {
            Some(error) => Err(error.into()),
            None if is_stopped => Ok(None),
            None => Ok(Some(answers.into_iter().flatten().collect())),
        }
    }

    /// Grades the latest answers as a task does, and shows what was read as the answer.
    pub fn grade(&self, name: &str, answer: &str, registry: &Registry, access: Access) -> Result<()> {
        if name.is_empty() || answer.is_empty() {
            bail!("/task needs the name of a task and the known answer, such as: /task arithmetic 8 8 3");
        }
        if self.answers.is_empty() {
            bail!("there is no answer to grade yet");
        }
        let settings = registry.task_settings(name, &[])?;
        if let Some(program) = settings.program().filter(|_| access.no_programs) {
            bail!("the task names the program {program:?}, and --no-programs starts none");
        }
        let task = settings.grader()?;
        task.prepare()?;
        let id = ProblemId("chat".to_owned());
        let problem = Problem { id, class: String::new(), question: String::new(), answer: answer.to_owned(), choices: Vec::new() };
        for (number, completion) in (1..).zip(&self.answers) {
            let grade = task.verify(&problem, &completion.text, &recorded(&completion.stop_reason))?;
            let shown = explained(&format!("answer {number}"), &grade, &problem.answer, &completion.text);
            console::print(shown.trim_end())?;
        }
        Ok(())
    }
}

/// The cause of an answer's end, as tasks know it.
fn recorded(reason: &StopReason) -> Recorded {
    match reason {
        StopReason::EndToken => Recorded::EndToken,
        StopReason::StopString(stop) => Recorded::StopString(stop.clone()),
        StopReason::Length => Recorded::Length,
    }
}
