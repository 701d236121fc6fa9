//! The model's shape: from its config.json alone, or by its name, without weights.

use crate::config::Config;
use crate::error::{EngineContext, Error, Missing, Result};
use crate::experiment::base_model::BaseModel;
use serde_json::Value;
use starloop_lm::decoder::DecoderSpec;
use std::path::{Path, PathBuf};

/// config.json of published models, as far as it decides their shape.
const KNOWN: &[(&str, &str)] = &[
    // Wang and Komatsuzaki 2021; the paper's.
    (
        "gpt-j-6b",
        r#"{"model_type": "gptj", "n_embd": 4096, "n_head": 16, "n_layer": 28, "n_positions": 2048, "rotary_dim": 64,
            "vocab_size": 50400, "tie_word_embeddings": false}"#,
    ),
    (
        "Llama-3.1-8B",
        r#"{"model_type": "llama", "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8, "num_hidden_layers": 32,
            "intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": 131072, "tie_word_embeddings": false}"#,
    ),
    (
        "Qwen2.5-1.5B",
        r#"{"model_type": "qwen2", "hidden_size": 1536, "num_attention_heads": 12, "num_key_value_heads": 2, "num_hidden_layers": 28,
            "intermediate_size": 8960, "vocab_size": 151936, "max_position_embeddings": 131072, "tie_word_embeddings": true}"#,
    ),
    (
        "Qwen2.5-7B",
        r#"{"model_type": "qwen2", "hidden_size": 3584, "num_attention_heads": 28, "num_key_value_heads": 4, "num_hidden_layers": 28,
            "intermediate_size": 18944, "vocab_size": 152064, "max_position_embeddings": 131072, "tie_word_embeddings": false}"#,
    ),
];

/// A model's shape.
#[derive(Debug)]
pub(super) struct Shape {
    /// Its source.
    pub source: String,
    /// The decoder.
    pub spec: DecoderSpec,
    /// The directory, where there is one.
    pub directory: Option<PathBuf>,
    /// The directory of an unpacked shipped model; removed with this value.
    _unpacked: Option<tempfile::TempDir>,
}

/// The names of the shapes that need no file.
pub fn known() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|(name, _)| *name)
}

/// The shape of `asked`, a known name, a config.json or a directory with one; or else that of the config's base, which may be known by name.
pub(super) fn find(config: &Config, asked: Option<&str>) -> Result<Shape> {
    if let Some(asked) = asked {
        return match (by_name(asked)?, Path::new(asked)) {
            (Some(shape), _) => Ok(shape),
            (None, path) if path.is_dir() => in_directory(path),
            (None, path) => read(&fs_err::read_to_string(path)?, path, None),
        };
    }
    match BaseModel::of(&config.model) {
        Ok(base) => {
            let place = tempfile::tempdir()?;
            let directory = base.unpacked(&place.path().join("base"))?;
            let source = config.model.base.clone();
            Ok(Shape { source, _unpacked: Some(place), ..in_directory(&directory)? })
        }
        Err(error) => {
            let names = [Some(config.model.base.as_str()), config.model.hub.as_deref()];
            for name in names.into_iter().flatten() {
                if let Some(shape) = by_name(name.rsplit('/').next().unwrap_or(name))? {
                    return Ok(shape);
                }
            }
            let Error::NotFound { name, nearest, download, .. } = error else { return Err(error) };
            let known = known().map(str::to_owned).collect();
            Err(Error::NotFound { what: Missing::Shape, name, known, nearest, download })
        }
    }
}

fn by_name(name: &str) -> Result<Option<Shape>> {
    let Some((name, text)) = KNOWN.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else { return Ok(None) };
    let shape = read(text, Path::new(name), None)?;
    Ok(Some(Shape { source: format!("the published shape of {name}"), ..shape }))
}

fn in_directory(directory: &Path) -> Result<Shape> {
    let path = directory.join("config.json");
    read(&fs_err::read_to_string(&path)?, &path, Some(directory.to_owned()))
}

fn read(text: &str, path: &Path, directory: Option<PathBuf>) -> Result<Shape> {
    let config: Value = serde_json::from_str(text).map_err(|source| Error::Json { path: path.to_owned(), source })?;
    let spec = DecoderSpec::from_config(&config, path).during("reading the shape of a model")?;
    Ok(Shape { source: path.display().to_string(), spec, directory, _unpacked: None })
}
