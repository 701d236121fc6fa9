//! `starloop score`: the log-probability of each token of a text.

use crate::access::Access;
use crate::console;
use crate::model::{MODEL_HELP, Model};
use anyhow::{Result, bail};
use serde::Serialize;
use std::path::PathBuf;

/// Print the log-probability (natural logarithm) of each token of a text, given the tokens before it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop score --model DIR --text 'The sky is blue.'
  starloop score --model DIR --text-file answer.txt --json")]
pub struct Arguments {
    #[arg(long, value_name = "MODEL", help = MODEL_HELP)]
    model: String,
    /// The text
    #[arg(long, value_name = "TEXT", required_unless_present = "text_file")]
    text: Option<String>,
    /// A file that holds the text
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    text_file: Option<PathBuf>,
    /// Print one line of JSON: `{"token_ids": [...], "logprobs": [null, ...]}`
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Output {
    token_ids: Vec<u32>,
    logprobs: Vec<Option<f32>>,
}

pub fn run(arguments: &Arguments, access: Access) -> Result<()> {
    let text = match (&arguments.text, &arguments.text_file) {
        (Some(text), _) => text.clone(),
        (None, Some(file)) => fs_err::read_to_string(file)?,
        (None, None) => String::new(),
    };
    let model = Model::find(&arguments.model, access)?.load()?;
    let token_ids = model.tokenizer().encode(&text, true)?;
    let logprobs = model.score(&token_ids)?;
    refuse_non_finite(&logprobs)?;
    if arguments.json {
        return console::print_json(&Output { token_ids, logprobs });
    }
    for (id, logprob) in token_ids.iter().zip(&logprobs) {
        let logprob = logprob.map_or_else(|| "-".into(), |logprob| format!("{logprob:.4}"));
        console::print(&format!("{id:>8} {logprob:>10}  {:?}", model.tokenizer().decode(&[*id])?))?;
    }
    let total: f64 = logprobs.iter().flatten().map(|logprob| f64::from(*logprob)).sum();
    console::print(&format!("   total {total:>10.4}"))
}

/// JSON has no such numbers, and a sum over them says nothing.
fn refuse_non_finite(logprobs: &[Option<f32>]) -> Result<()> {
    let found = logprobs.iter().enumerate().find_map(|(token, logprob)| logprob.filter(|logprob| !logprob.is_finite()).map(|l| (token, l)));
    match found {
        Some((token, logprob)) => bail!(
            "token {token} of the text has the log-probability {logprob}, expected a finite number; the weights or the config of the \
             checkpoint are damaged"
        ),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::refuse_non_finite;

    #[test]
    fn a_log_probability_that_is_not_finite_is_an_error() {
        assert!(refuse_non_finite(&[None, Some(-1.0)]).is_ok());
        for wrong in [f32::NAN, f32::NEG_INFINITY] {
            let error = refuse_non_finite(&[None, Some(-1.0), Some(wrong)]).map_err(|error| error.to_string());
            assert!(error.as_ref().is_err_and(|error| error.contains("token 2 of the text")), "{error:?}");
        }
    }
}
