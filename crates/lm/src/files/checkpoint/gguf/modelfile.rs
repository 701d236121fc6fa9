//! The Modelfile from which Ollama makes a model of a GGUF file.

use crate::error::Result;
use crate::files::chat;
use crate::files::checkpoint::Checkpoint;
use crate::files::tokenizer::Tokenizer;
use std::fmt::Write;
use std::path::Path;

impl Checkpoint {
    /// The text of a Modelfile beside the GGUF file `file`: the tokens that end an answer, and the template. Without a chat template, Ollama
    /// gets prompts as they are. With one, Ollama reads it from the file.
    ///
    /// # Errors
    /// The tokenizer or the template cannot be read.
    pub fn modelfile(&self, file: &str) -> Result<String> {
        let tokenizer = Tokenizer::from_files(&self.companions, &self.config)?;
        let mut text = format!("FROM ./{file}\n");
        if chat::source(Path::new(""), &self.companions)?.is_none() {
            text.push_str("TEMPLATE \"\"\"{{ .Prompt }}\"\"\"\n");
        }
        let tokens = tokenizer.tokens();
        for id in tokenizer.eos_token_ids() {
            if let Some((end, _)) = tokens.iter().find(|(_, other)| *other == id) {
                let _ = writeln!(text, "PARAMETER stop {end:?}");
            }
        }
        Ok(text)
    }
}
