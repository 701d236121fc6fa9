//! A checkpoint ready to be sampled, scored or trained.

mod adapters;
pub mod score;

use crate::decoder::{Decoder, DecoderSpec};
use crate::error::{Error, Result};
use crate::files::chat::{Chat, ChatTemplate, Message};
use crate::files::checkpoint::{self, Checkpoint};
use crate::files::peft::{base_of, is_adapter};
use crate::files::tokenizer::Tokenizer;
use crate::kernels::{Cpu, Kernels};
use crate::weights::Values;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

/// Turns prompts into tokens, the beginning token added once.
#[derive(Debug)]
pub struct PromptEncoder<'a> {
    tokenizer: Cow<'a, Tokenizer>,
    template: Option<ChatTemplate>,
}

impl PromptEncoder<'static> {
    /// That of a checkpoint directory, or of an adapter's base, without its weights. As [`LanguageModel::prompts`].
    pub fn load(dir: &Path, chat: impl Into<Chat>) -> Result<Self> {
        let dir = if is_adapter(dir) { &base_of(dir)? } else { dir };
        let Chat(variables) = chat.into();
        let read = |variables| Ok::<_, Error>(ChatTemplate::load(dir)?.ok_or_else(|| no_template(dir))?.with_variables(variables));
        Ok(PromptEncoder { tokenizer: Cow::Owned(Tokenizer::load(dir)?), template: variables.map(read).transpose()? })
    }
}

impl PromptEncoder<'_> {
    /// What turns text into tokens.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The tokens of a prompt; those of its completion come after them.
    ///
    /// # Errors
    /// The chat template refuses the prompt.
    pub fn encode(&self, prompt: &str) -> Result<Vec<u32>> {
        let Some(template) = &self.template else { return self.tokenizer.encode(prompt, true) };
        let said = Message { role: "user".into(), content: prompt.into() };
        // The template writes the special tokens itself.
        self.tokenizer.encode(&template.render(&[said], true)?, false)
    }

    /// The token that ends a completion that is trained.
    pub fn end_token(&self) -> u32 {
        if self.template.is_some() { self.tokenizer.end_of_turn() } else { self.tokenizer.end_of_text() }
    }
}

/// A decoder on a device, this machine's processor unless said otherwise, with its tokenizer.
#[derive(Debug)]
pub struct LanguageModel<K: Kernels = Cpu> {
    /// The decoder.
    pub decoder: Decoder<K>,
    tokenizer: Tokenizer,
    config: Value,
    companions: BTreeMap<String, Vec<u8>>,
}

impl LanguageModel {
    /// Reads a checkpoint directory, or an adapter's with its base. Weights stay as they are stored: to sample and to score, or to be frozen.
    pub fn load(dir: &Path) -> Result<Self> {
        if is_adapter(dir) { Self::load_adapter(dir) } else { Self::load_on(Cpu, dir) }
    }

    /// Reads it to train it whole: every weight in `f32`, adapters merged.
    pub fn load_to_train(dir: &Path) -> Result<Self> {
        let checkpoint = Checkpoint::load_merged_in_full(dir)?.widened();
        let tokenizer = Tokenizer::from_files(&checkpoint.companions, &checkpoint.config)?;
        Self::assemble(Cpu, tokenizer, checkpoint, dir)
    }

    /// A model of parts in memory; the tokenizer is among the companions.
    pub fn from_checkpoint(checkpoint: Checkpoint) -> Result<Self> {
        let tokenizer = Tokenizer::from_files(&checkpoint.companions, &checkpoint.config)?;
        Self::assemble(Cpu, tokenizer, checkpoint, Path::new(""))
    }
}

impl<K: Kernels> LanguageModel<K> {
    /// Reads a checkpoint directory onto a device.
    pub fn load_on(kernels: K, dir: &Path) -> Result<Self> {
        Self::assemble(kernels, Tokenizer::load(dir)?, Checkpoint::load(dir)?, dir)
    }

    /// The same model with further parameters, which `spec` describes.
    fn extended(self, spec: DecoderSpec, further: Vec<Values>) -> Self {
        LanguageModel { decoder: self.decoder.extended(spec, further), ..self }
    }

    /// A model of another specification and other values with the same tokenizer.
    fn rebuilt(self, spec: DecoderSpec, values: Vec<Values>) -> Self {
        let kernels = self.decoder.kernels().clone();
        LanguageModel { decoder: Decoder::new(kernels, spec, values), ..self }
    }

    fn assemble(kernels: K, tokenizer: Tokenizer, checkpoint: Checkpoint, dir: &Path) -> Result<Self> {
        let Checkpoint { config, spec, companions, parameters } = checkpoint;
        if tokenizer.vocabulary() > spec.vocabulary {
            let problem =
                format!("the model has {} rows, but tokenizer.json has ids up to {}", spec.vocabulary, tokenizer.vocabulary() - 1);
            return Err(Error::ConfigKey { path: dir.join(checkpoint::CONFIG), key: "vocab_size".into(), problem });
        }
        Ok(LanguageModel { decoder: Decoder::new(kernels, spec, parameters), tokenizer, config, companions })
    }

    /// Writes a checkpoint directory, whole or not at all, and returns the SHA-256 of its weights.
    pub fn save(&self, dir: &Path) -> Result<String> {
        self.to_checkpoint().save(dir)
    }

    /// Its parts, as they would be written.
    pub fn to_checkpoint(&self) -> Checkpoint {
        let (config, companions) = (self.config.clone(), self.companions.clone());
        Checkpoint { config, companions, spec: self.spec().clone(), parameters: self.decoder.download() }
    }

    /// What the decoder computes.
    pub fn spec(&self) -> &DecoderSpec {
        self.decoder.spec()
    }

    /// What turns prompts into tokens: as they stand, or with `chat` as what the user says in a conversation by the checkpoint's chat
    /// template.
    ///
    /// # Errors
    /// The checkpoint has no chat template, or one that cannot be read.
    pub fn prompts(&self, chat: impl Into<Chat>) -> Result<PromptEncoder<'_>> {
        let Chat(variables) = chat.into();
        let read = |variables| {
            let template = ChatTemplate::from_files(&self.companions)?.ok_or_else(|| no_template(Path::new("")))?;
            Ok::<_, Error>(template.with_variables(variables))
        };
        Ok(PromptEncoder { tokenizer: Cow::Borrowed(&self.tokenizer), template: variables.map(read).transpose()? })
    }

    /// Text to ids and back.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }
}

fn no_template(dir: &Path) -> Error {
    let message = "there is no chat_template; give the prompts as they stand (model.chat = false)".into();
    Error::ChatTemplate { path: dir.join("tokenizer_config.json"), message }
}
