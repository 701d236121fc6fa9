//! How a checkpoint was asked while it was trained and measured. The checkpoint keeps it in a file, so that a command that asks it otherwise can say
//! so: a model that was trained with a chat template or without worked examples often fails with another prompt.

use crate::config::ModelConfig;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use starloop_lm::files::chat::ChatVariables;
use starloop_record::atomic::{self, regular};
use std::path::Path;

/// The file's name in a checkpoint directory.
pub const PROMPTING: &str = "prompting.json";

/// The form of a model's prompts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompting {
    /// True if the checkpoint's chat template renders each prompt.
    pub chat: bool,
    /// The variables of the chat template.
    #[serde(default, skip_serializing_if = "crate::config::is_default")]
    pub chat_variables: ChatVariables,
    /// Worked examples in front of each problem. `None` if it was trained on rows of prompts, whose form is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub few_shot: Option<usize>,
    /// The task's template of a prompt, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
}

impl Prompting {
    /// The prompts of a config's model with so many worked examples.
    pub fn new(model: &ModelConfig, few_shot: usize, template: Option<&str>) -> Self {
        let template = template.map(str::to_owned);
        Prompting { chat: model.chat, chat_variables: model.chat_variables.clone(), few_shot: Some(few_shot), template }
    }

    /// Reads the record of a checkpoint directory. `None` for a model that this program did not train.
    ///
    /// # Errors
    /// The file cannot be read, or does not hold such a record.
    pub fn of_checkpoint(directory: &Path) -> Result<Option<Self>> {
        let path = directory.join(PROMPTING);
        if !path.exists() {
            return Ok(None);
        }
        let text = regular::read_to_string(&path)?;
        serde_json::from_str(&text).map(Some).map_err(|source| Error::Json { path, source })
    }

    /// Writes the record into a checkpoint directory.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, directory: &Path) -> Result<()> {
        let path = directory.join(PROMPTING);
        let text = serde_json::to_string_pretty(self).map_err(|source| Error::Json { path: path.clone(), source })?;
        Ok(atomic::write(&path, (text + "\n").as_bytes())?)
    }

    /// How `asked` differs from this record of a checkpoint, one sentence for each difference.
    pub fn differences(&self, asked: &Prompting) -> Vec<String> {
        let of_chat = self.chat_difference(asked.chat);
        let mut found: Vec<String> = of_chat.map(|difference| format!("{difference} (model.chat = {})", self.chat)).into_iter().collect();
        if self.chat && asked.chat && self.chat_variables != asked.chat_variables {
            found.push("its chat template had other variables (model.chat_variables) while it was trained".to_owned());
        }
        if let (Some(measured), Some(now)) = (self.few_shot, asked.few_shot)
            && measured != now
        {
            found.push(format!(
                "it was measured with {measured} worked examples in its prompt, and is asked with {now} (sampling.few_shot)"
            ));
        }
        if let (Some(trained), Some(now)) = (&self.template, &asked.template)
            && trained != now
        {
            found.push(format!("it was trained with the prompt template {trained:?}, and is asked with {now:?} (task.prompt)"));
        }
        found
    }

    /// How asking with or without a chat template differs from this record.
    pub fn chat_difference(&self, chat: bool) -> Option<&'static str> {
        match (self.chat, chat) {
            (true, false) => Some("it was trained with its chat template, and is asked without it"),
            (false, true) => Some("it was trained without a chat template, and is asked with one"),
            _ => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_remembers_its_prompts_and_names_what_differs() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(Prompting::of_checkpoint(place.path()).unwrap(), None);
        let trained = Prompting { chat: true, few_shot: Some(0), template: Some("Q: {{ question }}".into()), ..Prompting::default() };
        trained.write(place.path()).unwrap();
        assert_eq!(Prompting::of_checkpoint(place.path()).unwrap().as_ref(), Some(&trained));
        assert_eq!(trained.differences(&trained), [""; 0]);
        let asked = Prompting { chat: false, few_shot: Some(3), template: Some("{{ question }}".into()), ..Prompting::default() };
        let said = trained.differences(&asked).join("\n");
        for words in
            ["asked without it (model.chat = true)", "with 0 worked examples in its prompt, and is asked with 3", "\"Q: {{ question }}\""]
        {
            assert!(said.contains(words), "no {words:?} in {said}");
        }
        assert_eq!(trained.differences(&Prompting { template: None, ..trained.clone() }), [""; 0], "a task without a template");
        std::fs::write(place.path().join(PROMPTING), "{").unwrap();
        assert!(Prompting::of_checkpoint(place.path()).unwrap_err().to_string().contains(PROMPTING));
    }
}
