//! The rows of each step of a training from scratch: documents with their end token, learned whole, in rows of `sequence_length` tokens.

use super::CONTEXT;
use super::PretrainConfig;
use super::text::{ReadFile, Text};
use crate::config::TrainingConfig;
use crate::error::{EngineContext, Result};
use crate::policy::seed::stage_seed;
use crate::task::arithmetic::corpus::{CorpusConfig, document, token_count};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use starloop_lm::Tokenizer;
use starloop_lm::train::{Document, PackedEpochs};

/// A row of the arithmetic corpus is full when less than this is left: the shortest examples have about this many tokens.
const SHORTEST_DOCUMENT: usize = 24;

/// An endless sequence of batches, each a function of recipe, files and step.
#[derive(Debug)]
pub(super) enum Batches {
    /// Documents of the arithmetic corpus, drawn from the seed as they are needed.
    Drawn { corpus: CorpusConfig, batch_size: usize, sequence_length: usize, seed: u64 },
    /// Every document of a text once in each epoch.
    Packed(PackedEpochs),
}

/// The size of the corpus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextLog {
    /// The files.
    pub files: Vec<ReadFile>,
    /// Tokens of an epoch, end tokens included.
    pub tokens: usize,
    /// Documents that were longer than `training.sequence_length` and so were learned in pieces.
    pub documents_cut: usize,
}

impl Batches {
    /// The batches of the arithmetic corpus.
    pub fn draw(corpus: &CorpusConfig, config: &PretrainConfig) -> Self {
        let TrainingConfig { batch_size, sequence_length, .. } = config.training;
        Batches::Drawn { corpus: corpus.clone(), batch_size, sequence_length, seed: config.seed }
    }

    /// The batches of a text. A document that is longer than a row is cut into pieces, each of which begins with the last token of the one
    /// before, so that no token goes unlearned.
    pub fn pack(text: &Text, config: &PretrainConfig, tokenizer: &Tokenizer) -> Result<(Self, TextLog)> {
        let TrainingConfig { batch_size, sequence_length, .. } = config.training;
        let mut log = TextLog { files: text.files.clone(), tokens: 0, documents_cut: 0 };
        let mut pieces = Vec::new();
        for document in &text.documents {
            let tokens = with_end(document, tokenizer)?;
            log.tokens += tokens.len();
            log.documents_cut += usize::from(tokens.len() > sequence_length);
            pieces.extend(cut(&tokens, sequence_length).map(|piece| Document::whole(piece.to_vec())));
        }
        let seed = stage_seed(config.seed, 0, "pretraining");
        let epochs = PackedEpochs::new(pieces, batch_size, sequence_length, seed).during(CONTEXT)?;
        Ok((Batches::Packed(epochs), log))
    }

    /// The documents of step `step`, from 1.
    pub fn batch(&mut self, step: u64, tokenizer: &Tokenizer) -> Result<Vec<Document>> {
        match self {
            Batches::Packed(epochs) => Ok(epochs.batch(step)),
            Batches::Drawn { corpus, batch_size, sequence_length, seed } => {
                let mut generator = ChaCha8Rng::seed_from_u64(*seed);
                generator.set_stream(step);
                let texts = (0..*batch_size).flat_map(|_| row(corpus, *sequence_length, &mut generator));
                texts.map(|text| Ok(Document::whole(with_end(&text, tokenizer)?))).collect()
            }
        }
    }
}

/// Documents of the arithmetic corpus that fill a row of `room` tokens.
fn row(corpus: &CorpusConfig, mut room: usize, generator: &mut ChaCha8Rng) -> Vec<String> {
    let mut texts = Vec::new();
    while room > SHORTEST_DOCUMENT {
        let text = document(corpus, generator, room - 1);
        let tokens = token_count(&text) + 1;
        if tokens > room {
            break;
        }
        room -= tokens;
        texts.push(text);
    }
    texts
}

fn with_end(text: &str, tokenizer: &Tokenizer) -> Result<Vec<u32>> {
    let mut tokens = tokenizer.encode(text, true).during(CONTEXT)?;
    tokens.push(tokenizer.end_of_text());
    Ok(tokens)
}

/// Pieces of at most `longest` tokens, at least 2, each beginning with the last token of the one before.
fn cut(tokens: &[u32], longest: usize) -> impl Iterator<Item = &[u32]> {
    let starts = (0..tokens.len().saturating_sub(1).max(1)).step_by(longest - 1);
    starts.map(move |start| &tokens[start..tokens.len().min(start + longest)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_pieces_every_token_but_the_first_is_learned_once() {
        let tokens: Vec<u32> = (0..23).collect();
        for longest in 2..30 {
            let pieces: Vec<&[u32]> = cut(&tokens, longest).collect();
            assert!(pieces.iter().all(|piece| (2..=longest).contains(&piece.len())), "{longest}: {pieces:?}");
            let learned: Vec<u32> = pieces.iter().flat_map(|piece| piece[1..].iter().copied()).collect();
            assert_eq!(learned, tokens[1..], "{longest}");
        }
        assert_eq!(cut(&[7], 4).collect::<Vec<_>>(), [[7]]);
    }
}
