//! Checks that a directory that another program wrote is a fine-tuning of a base. It reads tensor by tensor, so that it can check a model
//! that does not fit into the memory.

use super::read::{read_tensor, refuse_extra};
use super::source::{StoredTensor, TensorSource};
use super::{CONFIG, base_prefix, read_config, weights_sha256};
use crate::decoder::DecoderSpec;
use crate::error::{Error, Result};
use crate::files::peft;
use crate::files::tokenizer::Tokenizer;
use crate::weights::{TensorSpec, Values};
use std::path::{Path, PathBuf};

/// Checks what a fine-tuning of `base` has written into `tuned`: a checkpoint of the same decoder and the same tokenizer, or an adapter of
/// that base, whose tensors are all there, of the base's shapes and finite, and not all what they were.
///
/// # Errors
/// The first of these that does not hold, with the file, key or tensor.
pub fn check_tuned(base: &Path, tuned: &Path) -> Result<()> {
    let root = if peft::is_adapter(base) { peft::base_of(base)? } else { base.to_owned() };
    if peft::is_adapter(tuned) { check_adapter(base, &root, tuned) } else { check_whole(base, &root, tuned) }
}

fn check_whole(base: &Path, root: &Path, tuned: &Path) -> Result<()> {
    let [before, after] = [root, tuned].map(spec_of);
    let (before, after) = (before?, after?);
    same_decoder(&before, &after, tuned)?;
    same_tokenizer(root, tuned)?;
    let (then, now) = (opened(root, &before)?, opened(tuned, &after)?);
    refuse_extra(&now, &after)?;
    // An adapter that was merged differs from its root, whether it was trained any further or not.
    let mut differs = base != root;
    for tensor in after.parameters.iter().flat_map(|parameter| &parameter.tensors) {
        differs |= !is_same(&then, &now, tensor)?;
    }
    if differs { Ok(()) } else { Err(untrained(tuned, "every weight is what it was in the base")) }
}

fn check_adapter(base: &Path, root: &Path, tuned: &Path) -> Result<()> {
    let config = peft::read_config(tuned)?;
    let real = |path: &Path| fs_err::canonicalize(path);
    if real(&config.base)? != real(root)? {
        let problem = format!("names {} as its base, but it was to be trained on {}", config.base.display(), root.display());
        return Err(Error::Weights { path: tuned.into(), problem });
    }
    let spec = spec_of(root)?;
    let (first, layers) = (spec.parameters.len(), spec.blocks.len());
    let adapted = spec.adapted_by(&config.settings, &config.rules).map_err(|error| config.explained(error, tuned, layers))?;
    let values = peft::read_weights(tuned, &adapted.parameters[first..])?;
    if base != root && weights_sha256(base)? == weights_sha256(tuned)? {
        return Err(untrained(tuned, "every weight is what it was in the adapter that it starts from"));
    }
    let is_up = |at: usize| adapted.parameters[first + at].tensors[0].name.contains(".lora_B.");
    let changes = values.into_iter().enumerate().any(|(at, values)| is_up(at) && Values::into_full(values).iter().any(|x| *x != 0.0));
    if changes { Ok(()) } else { Err(untrained(tuned, "every lora_B is zero, so the adapter changes nothing")) }
}

fn spec_of(dir: &Path) -> Result<DecoderSpec> {
    DecoderSpec::from_config_of(&read_config(dir)?, &dir.join(CONFIG), TensorSource::open(dir)?.elements())
}

fn opened(dir: &Path, spec: &DecoderSpec) -> Result<TensorSource> {
    let mut source = TensorSource::open(dir)?;
    source.complete_names(base_prefix(spec));
    Ok(source)
}

fn untrained(path: &Path, what: &str) -> Error {
    let problem = format!("{what}; was it trained, at a learning rate above 0, and was what was trained saved?");
    Error::Weights { path: path.into(), problem }
}

/// The first difference by its key's name, or else that there is one.
fn same_decoder(before: &DecoderSpec, after: &DecoderSpec, tuned: &Path) -> Result<()> {
    let path: PathBuf = tuned.join(CONFIG);
    for ((key, then), (_, now)) in before.sizes().zip(after.sizes()) {
        if then != now {
            return Err(Error::ConfigKey { path, key: key.into(), problem: format!("is {now}, but {then} in the base") });
        }
    }
    if before == after {
        return Ok(());
    }
    let problem = "describes another decoder than the base's; keep the base's config.json".to_owned();
    Err(Error::ConfigKey { path, key: "model_type".into(), problem })
}

fn same_tokenizer(base: &Path, tuned: &Path) -> Result<()> {
    let (then, now) = (Tokenizer::load(base)?, Tokenizer::load(tuned)?);
    let wrong = |message: String| Err(Error::Tokenizer { path: tuned.join("tokenizer.json"), message });
    if then.tokens() != now.tokens() {
        return wrong("gives ids to other tokens than the base's; keep the base's tokenizer.json".to_owned());
    }
    if then.eos_token_ids() != now.eos_token_ids() {
        let message = format!("the tokens that end a completion are {:?}, but {:?} in the base", now.eos_token_ids(), then.eos_token_ids());
        return wrong(message);
    }
    Ok(())
}

/// Returns whether a tensor has the base's values, within the precision of the type in which it is stored. Both are checked to be there, of the right
/// shape and finite.
fn is_same(then: &TensorSource, now: &TensorSource, tensor: &TensorSpec) -> Result<bool> {
    let (before, after) = (read_tensor(then, tensor)?, read_tensor(now, tensor)?);
    let numbers = |stored: &StoredTensor, source: &TensorSource| {
        let mut values = Vec::with_capacity(tensor.len());
        stored.append_to(&mut values, source.path(&tensor.name), &tensor.name)?;
        Ok::<_, Error>(values)
    };
    let (before, kind, after) = (numbers(&before, then)?, after.half_kind(), numbers(&after, now)?);
    let rounded = |x: f32| kind.map_or(x, |kind| kind.number(kind.bits(x)));
    Ok(before.iter().zip(&after).all(|(&then, &now)| rounded(then).to_bits() == now.to_bits()))
}
