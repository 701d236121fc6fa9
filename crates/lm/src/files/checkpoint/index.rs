//! `*.index.json`: which shard holds which tensor.

use crate::error::{Error, Result};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The index of a checkpoint in shards.
#[derive(Debug)]
pub(super) struct ShardIndex {
    path: PathBuf,
    /// The tensors of each shard.
    shards: BTreeMap<String, BTreeSet<String>>,
}

impl ShardIndex {
    /// Reads an index, all of whose shards must be there.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let wrong = |problem: String| Error::Weights { path: path.into(), problem };
        let index = crate::files::read_json(&crate::files::read_file(path)?, path)?;
        let entries = index["weight_map"].as_object().ok_or_else(|| wrong("key \"weight_map\" is missing or no object".into()))?;
        let mut shards: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (tensor, shard) in entries {
            // A path could lead out of the directory, to files that do not belong to the checkpoint.
            let shard = shard.as_str().filter(|name| !name.contains(['/', '\\']) && !matches!(*name, "" | "." | ".."));
            let shard = shard.ok_or_else(|| wrong(format!("tensor \"{tensor}\": expected the name of a file beside the index")))?;
            shards.entry(shard.into()).or_default().insert(tensor.clone());
        }
        let missing = shards.keys().filter(|shard| !path.with_file_name(shard).exists()).cloned().collect::<Vec<_>>();
        if !missing.is_empty() {
            let message =
                format!("{} of {} shards are not there: {}; download them again", missing.len(), shards.len(), missing.join(", "));
            return Err(wrong(message));
        }
        Ok(ShardIndex { path: path.into(), shards })
    }

    /// The shards' file names, in order.
    pub(super) fn shards(&self) -> Vec<&String> {
        self.shards.keys().collect()
    }

    /// Refuses a shard that holds other tensors than the index says.
    pub(super) fn check(&self, shard: &str, found: &[String]) -> Result<()> {
        let (listed, found) = (&self.shards[shard], found.iter().cloned().collect::<BTreeSet<_>>());
        let wrong = |problem| Err(Error::Weights { path: self.path.clone(), problem });
        if let Some(tensor) = listed.difference(&found).next() {
            return wrong(format!("tensor \"{tensor}\" is not in {shard}, where the index puts it; do they belong together?"));
        }
        match found.difference(listed).next() {
            Some(tensor) => wrong(format!("tensor \"{tensor}\" is in {shard}, but not by the index; do they belong together?")),
            None => Ok(()),
        }
    }

    /// An index as `transformers` writes it: `total_bytes` is the sum over the tensors.
    pub(super) fn to_json(places: &BTreeMap<&str, String>, total_bytes: u64) -> Value {
        let map: Map<String, Value> = places.iter().map(|(tensor, shard)| ((*tensor).to_owned(), json!(shard))).collect();
        json!({"metadata": {"total_size": total_bytes}, "weight_map": map})
    }
}
