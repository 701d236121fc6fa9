//! A decoder with its tokenizer, ready to be sampled, scored or trained.

mod adapters;
pub mod score;

use crate::decoder::{Decoder, DecoderSpec};
use crate::error::{Error, Result};
use crate::files::chat::{Chat, ChatTemplate, ChatVariables, Message};
use crate::files::checkpoint::{self, Checkpoint};
use crate::files::peft::{ADAPTER_CONFIG, is_adapter};
use crate::files::tokenizer::Tokenizer;
use crate::kernels::{Cpu, Kernels};
use crate::weights::Values;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Converts prompts to tokens. Adds the beginning token once.
#[derive(Debug)]
pub struct PromptEncoder<'a> {
    tokenizer: Cow<'a, Tokenizer>,
    template: Option<ChatTemplate>,
}

impl PromptEncoder<'static> {
    /// Reads the encoder of a checkpoint directory, or of adapters, without the weights. `chat` is that of
    /// [`LanguageModel::prompt_encoder`].
    ///
    /// # Errors
    /// As [`LanguageModel::prompt_encoder`], or a file cannot be read.
    pub fn load(dir: &Path, chat: impl Into<Chat>) -> Result<Self> {
        check_directory(dir)?;
        let Chat(variables) = chat.into();
        let read = |variables| Ok::<_, Error>(ChatTemplate::load(dir)?.ok_or_else(|| no_template(dir))?.with_variables(variables));
        Ok(PromptEncoder { tokenizer: Cow::Owned(Tokenizer::load(dir)?), template: variables.map(read).transpose()? })
    }
}

impl PromptEncoder<'_> {
    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The tokens of a prompt. The tokens of a completion follow them.
    ///
    /// # Errors
    /// The chat template refuses the prompt, or a part of it has no token ([`Error::UnknownText`]).
    pub fn encode(&self, prompt: &str) -> Result<Vec<u32>> {
        let (text, add_special) = self.rendered(prompt)?;
        self.tokenizer.encode(&text, add_special)
    }

    /// As [`PromptEncoder::encode`], but a part of the prompt that has no token becomes the tokenizer's unknown token.
    ///
    /// # Errors
    /// The chat template refuses the prompt.
    pub fn encode_lossy(&self, prompt: &str) -> Result<Vec<u32>> {
        let (text, add_special) = self.rendered(prompt)?;
        self.tokenizer.encode_lossy(&text, add_special)
    }

    /// The text of a prompt as it is divided into tokens: the prompt itself, or the conversation that the chat template makes of it.
    ///
    /// # Errors
    /// The chat template refuses the prompt.
    pub fn text(&self, prompt: &str) -> Result<String> {
        Ok(self.rendered(prompt)?.0.into_owned())
    }

    /// The text to encode, and whether the tokenizer adds its special tokens.
    fn rendered<'p>(&self, prompt: &'p str) -> Result<(Cow<'p, str>, bool)> {
        let Some(template) = &self.template else { return Ok((Cow::Borrowed(prompt), true)) };
        let message = Message { role: "user".into(), content: prompt.into() };
        // The template writes the special tokens.
        Ok((Cow::Owned(template.render(&[message], true)?), false))
    }

    /// A conversation as the chat template renders it, with the beginning of the assistant's next message. The text has all special tokens.
    ///
    /// # Errors
    /// There is no chat template, or it refuses the conversation.
    pub fn conversation(&self, messages: &[Message]) -> Result<String> {
        let template = self.template.as_ref().ok_or_else(|| no_template(Path::new("")))?;
        template.render(messages, true)
    }

    /// The assistant's answer as the chat template writes it after `prompt`, the rendered conversation `messages`: some templates put a blank before
    /// it, or remove those around it. The token that ends it is left out. Without a template, or if the template writes no such answer, it is
    /// `content` itself.
    pub fn answer(&self, mut messages: Vec<Message>, prompt: &str, content: String) -> String {
        messages.push(Message::new("assistant", &content));
        let whole = self.template.as_ref().and_then(|template| template.render(&messages, false).ok());
        let Some(written) = whole.as_ref().and_then(|whole| whole.strip_prefix(prompt)) else { return content };
        let end = self.tokenizer.name(self.end_token()).and_then(|name| written.rfind(&name));
        let end = end.or_else(|| Some(written.rfind(content.trim())? + content.trim().len()));
        end.map_or(content, |end| written[..end].to_owned())
    }

    /// The token that ends a completion that is trained.
    pub fn end_token(&self) -> u32 {
        if self.template.is_some() { self.tokenizer.end_of_turn() } else { self.tokenizer.end_of_text() }
    }
}

/// A decoder on a device, with its tokenizer. The default device is the processor of this machine.
///
/// [`LanguageModel::load`] gives a model that samples and scores. [`LanguageModel::load_to_train`] gives a model that can be trained. Sample with
/// [`engine::sample`](crate::engine::sample), score with [`LanguageModel::score`], and train with
/// [`TrainingSession`](crate::train::TrainingSession).
///
/// ```
/// use starloop_lm::LanguageModel;
/// use std::path::Path;
///
/// let model = LanguageModel::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/llama-tiny"))?;
/// assert_eq!(model.spec().vocabulary, 64);
/// # Ok::<(), starloop_lm::Error>(())
/// ```
#[derive(Debug)]
pub struct LanguageModel<K: Kernels = Cpu> {
    /// The decoder.
    pub decoder: Decoder<K>,
    tokenizer: Tokenizer,
    config: Value,
    companions: BTreeMap<String, Vec<u8>>,
    /// The directory that the companions come from, for messages.
    directory: PathBuf,
}

impl LanguageModel {
    /// Reads a checkpoint directory, or the directory of an adapter with its base. Weights stay in the type in which they are stored. The model
    /// samples and scores. Unless all weights are stored in `f32`, only its adapters can be trained.
    ///
    /// # Errors
    /// [`Error::NotFound`] or [`Error::NotACheckpoint`] if there is no checkpoint at `dir`; other errors if it is damaged or not supported.
    pub fn load(dir: &Path) -> Result<Self> {
        check_directory(dir)?;
        if is_adapter(dir) { Self::load_adapter(dir) } else { Self::load_on(Cpu, dir) }
    }

    /// Reads a checkpoint directory to train every weight: all weights in `f32`, adapters merged.
    ///
    /// # Errors
    /// As [`LanguageModel::load`].
    pub fn load_to_train(dir: &Path) -> Result<Self> {
        check_directory(dir)?;
        let checkpoint = Checkpoint::load_merged_in_full(dir)?.widened();
        let tokenizer = Tokenizer::from_files(&checkpoint.companions, &checkpoint.config)?;
        Self::assemble(Cpu, tokenizer, checkpoint, dir)
    }

    /// A model of parts in memory. The companions include the tokenizer.
    ///
    /// # Errors
    /// The tokenizer is missing, damaged, or has more tokens than the model.
    pub fn from_checkpoint(checkpoint: Checkpoint) -> Result<Self> {
        let tokenizer = Tokenizer::from_files(&checkpoint.companions, &checkpoint.config)?;
        Self::assemble(Cpu, tokenizer, checkpoint, Path::new(""))
    }
}

impl<K: Kernels> LanguageModel<K> {
    /// Reads a checkpoint directory onto a device.
    ///
    /// # Errors
    /// As [`LanguageModel::load`].
    pub fn load_on(kernels: K, dir: &Path) -> Result<Self> {
        check_directory(dir)?;
        // A wrong config is named before the tokenizer, which is checked against it.
        let checkpoint = Checkpoint::load(dir)?;
        Self::assemble(kernels, Tokenizer::load(dir)?, checkpoint, dir)
    }

    /// The same model with more parameters, which `spec` describes.
    fn extended(self, spec: DecoderSpec, further: Vec<Values>) -> Self {
        LanguageModel { decoder: self.decoder.extended(spec, further), ..self }
    }

    /// A model with another specification and other values, and the same tokenizer.
    fn rebuilt(self, spec: DecoderSpec, values: Vec<Values>) -> Self {
        let kernels = self.decoder.kernels().clone();
        LanguageModel { decoder: Decoder::new(kernels, spec, values), ..self }
    }

    fn assemble(kernels: K, tokenizer: Tokenizer, checkpoint: Checkpoint, dir: &Path) -> Result<Self> {
        let Checkpoint { config, spec, companions, parameters } = checkpoint;
        tokenizer.check_fits(spec.vocabulary, &dir.join(checkpoint::CONFIG))?;
        Ok(LanguageModel { decoder: Decoder::new(kernels, spec, parameters), tokenizer, config, companions, directory: dir.to_owned() })
    }

    /// Writes the model to the new checkpoint directory `dir`. Returns the SHA-256 of the weights. The directory appears complete or not at all.
    ///
    /// ```
    /// use starloop_lm::LanguageModel;
    /// use std::path::Path;
    ///
    /// let model = LanguageModel::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/llama-tiny"))?;
    /// let parent = tempfile::tempdir()?;
    /// let copy = parent.path().join("copy");
    /// model.save(&copy)?;
    /// assert_eq!(LanguageModel::load(&copy)?.score(&[1, 2, 3])?, model.score(&[1, 2, 3])?);
    /// # Ok::<(), starloop_lm::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::HasAdapters`] if the model has adapters; `dir` exists, or a file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<String> {
        self.without_adapters("save")?.to_checkpoint()?.save(dir)
    }

    /// The parts of the model, as [`LanguageModel::save`] writes them.
    ///
    /// # Errors
    /// [`Error::HasAdapters`] if the model has adapters.
    pub fn to_checkpoint(&self) -> Result<Checkpoint> {
        self.without_adapters("make a checkpoint of")?;
        let (config, companions) = (self.config.clone(), self.companions.clone());
        Ok(Checkpoint { config, companions, spec: self.spec().clone(), parameters: self.decoder.download() })
    }

    /// Refuses to do `action` with a model that has adapters.
    fn without_adapters(&self, action: &'static str) -> Result<&Self> {
        if self.spec().adapters.is_some() { Err(Error::HasAdapters { action }) } else { Ok(self) }
    }

    /// The specification of the decoder.
    pub fn spec(&self) -> &DecoderSpec {
        self.decoder.spec()
    }

    /// The encoder of prompts. With `chat`, a prompt becomes a user's message by the checkpoint's chat template. Otherwise its text is encoded
    /// unchanged.
    ///
    /// # Errors
    /// The checkpoint has no chat template, or one that cannot be read.
    pub fn prompt_encoder(&self, chat: impl Into<Chat>) -> Result<PromptEncoder<'_>> {
        let Chat(variables) = chat.into();
        let read = |variables| {
            let template = self.chat_template()?.ok_or_else(|| no_template(&self.directory))?;
            Ok::<_, Error>(template.with_variables(variables))
        };
        Ok(PromptEncoder { tokenizer: Cow::Borrowed(&self.tokenizer), template: variables.map(read).transpose()? })
    }

    /// The checkpoint's chat template, if it has one.
    ///
    /// # Errors
    /// The template cannot be read.
    pub fn chat_template(&self) -> Result<Option<ChatTemplate>> {
        ChatTemplate::new(&self.directory, &self.companions)
    }

    /// The tokens of a conversation by the checkpoint's chat template, up to the beginning of the assistant's next message.
    ///
    /// # Errors
    /// The checkpoint has no chat template, the template refuses the conversation, or a part of its text has no token.
    pub fn encode_conversation(&self, messages: &[Message], variables: ChatVariables) -> Result<Vec<u32>> {
        let template = self.chat_template()?.ok_or_else(|| no_template(Path::new("")))?;
        // The template writes the special tokens.
        self.tokenizer.encode(&template.with_variables(variables).render(messages, true)?, false)
    }

    /// The same model, in which no token ends a completion. Every completion then has as many tokens as its request allows, which measurements
    /// of speed need.
    #[must_use]
    pub fn without_end_tokens(self) -> Self {
        LanguageModel { tokenizer: self.tokenizer.without_end_tokens(), ..self }
    }

    /// The tokenizer: text to ids and back.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }
}

/// Refuses a path that is not the directory of a checkpoint or of an adapter.
fn check_directory(dir: &Path) -> Result<()> {
    checkpoint::require_directory(dir)?;
    if !is_adapter(dir) && !dir.join(checkpoint::CONFIG).exists() {
        let problem = format!("the directory has neither {} nor {ADAPTER_CONFIG}", checkpoint::CONFIG);
        return Err(Error::NotACheckpoint { path: dir.into(), problem });
    }
    Ok(())
}

fn no_template(dir: &Path) -> Error {
    let message = "there is no chat_template; encode the prompts without a chat template".into();
    Error::ChatTemplate { path: dir.join("tokenizer_config.json"), message }
}
