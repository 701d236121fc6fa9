//! `starloop.Model`: sampling and scoring with a checkpoint, as `starloop sample` and `starloop score` do.

use crate::arguments::{Texts, misuse, text, whole, wrong_type};
use crate::errors::{Misuse, OrRaise, released};
use crate::interrupt::Interrupts;
use crate::numpy;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use starloop_lm::LanguageModel;
use starloop_lm::engine::{self, EngineLimits, Request, SamplingParams, StopReason};
use starloop_lm::files::chat::{ChatVariables, Message};
use starloop_lm::score::Tail;
use std::path::PathBuf;

/// The most completions of one call.
const MOST_COMPLETIONS: u64 = 1_000_000;

/// A language model with its tokenizer.
#[pyclass(frozen, module = "starloop")]
pub struct Model {
    name: String,
    model: LanguageModel,
}

/// The arguments of a call that samples, with the defaults of the command line.
struct Sampling {
    params: SamplingParams,
    seeds: Vec<u64>,
    has_logprobs: bool,
}

impl Sampling {
    fn read(arguments: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let mut params = SamplingParams::greedy(128);
        let (mut n, mut seed, mut has_logprobs) = (1, 1, false);
        for (name, value) in arguments.into_iter().flatten() {
            let name = name.cast_into::<PyString>()?;
            match name.to_str()? {
                name @ "n" => n = whole(name, &value, 1)?,
                name @ "seed" => seed = whole(name, &value, 0)?,
                name @ "temperature" => params.temperature = value.extract().map_err(|_| wrong_type(name, "a number", &value))?,
                name @ "top_k" => params.top_k = whole(name, &value, 0)? as usize,
                name @ "top_p" => params.top_p = value.extract().map_err(|_| wrong_type(name, "a number", &value))?,
                name @ "max_new_tokens" => params.max_new_tokens = whole(name, &value, 1)? as usize,
                name @ "stop" => params.stop = Texts::read(name, &value)?.all().to_vec(),
                name @ "logprobs" => has_logprobs = value.extract().map_err(|_| wrong_type(name, "True or False", &value))?,
                name => return Err(unknown(name, &value)),
            }
        }
        if n > MOST_COMPLETIONS {
            let message = format!("n = {n}: a call gives at most {MOST_COMPLETIONS} completions");
            return Err(exception_about(arguments, message));
        }
        Ok(Sampling { params, seeds: (0..n).map(|place| seed.wrapping_add(place)).collect(), has_logprobs })
    }
}

fn exception_about(arguments: Option<&Bound<'_, PyDict>>, message: String) -> PyErr {
    arguments.map_or_else(|| pyo3::exceptions::PyValueError::new_err(message.clone()), |found| misuse(found.py(), message.clone()))
}

fn unknown(name: &str, value: &Bound<'_, PyAny>) -> PyErr {
    let known = "n, temperature, top_k, top_p, seed, max_new_tokens, stop, logprobs";
    misuse(value.py(), format!("there is no argument {name:?}; there are: {known}"))
}

#[pymethods]
impl Model {
    /// Reads a checkpoint directory, a GGUF file, or a model that comes with starloop, such as `builtin:arithmetic`.
    #[staticmethod]
    fn load(py: Python<'_>, path_or_name: PathBuf) -> PyResult<Self> {
        let Some(name) = path_or_name.to_str().map(str::to_owned) else {
            return Err(misuse(py, format!("{}: the path is not UTF-8", path_or_name.display())));
        };
        let model =
            released(py, || starloop::model::Model::find(&name, starloop::access::Access { trust: false, no_programs: false })?.load())
                .or_raise(py)?;
        Ok(Model { name, model })
    }

    /// Completes each prompt `n` times. Completion `i` of each prompt has the seed `seed + i`.
    #[pyo3(signature = (prompts, *, chat=false, **sampling))]
    fn generate<'py>(
        &self,
        py: Python<'py>,
        prompts: &Bound<'py, PyAny>,
        chat: bool,
        sampling: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (prompts, sampling) = (Texts::read("prompts", prompts)?, Sampling::read(sampling)?);
        let encode = || {
            let encoder = self.model.prompt_encoder(chat)?;
            prompts.all().iter().map(|prompt| encoder.encode(prompt)).collect::<starloop_lm::Result<Vec<_>>>()
        };
        let tokens = released(py, encode).or_raise(py)?;
        let completions = self.sample(py, tokens, &sampling)?;
        prompts.result(py, completions)
    }

    /// The assistant's answer to a conversation.
    #[pyo3(signature = (messages, **sampling))]
    fn chat(&self, py: Python<'_>, messages: &Bound<'_, PyAny>, sampling: Option<&Bound<'_, PyDict>>) -> PyResult<Completion> {
        let (messages, sampling) = (conversation(messages)?, Sampling::read(sampling)?);
        if sampling.seeds.len() > 1 {
            return Err(misuse(py, "n: a chat has one answer; call generate(..., chat=True) for several".to_owned()));
        }
        let tokens = released(py, || self.model.encode_conversation(&messages, ChatVariables::new())).or_raise(py)?;
        let answer = self.sample(py, vec![tokens], &sampling)?.into_iter().flatten().next();
        answer.ok_or_else(|| misuse(py, "the model gave no answer".to_owned()))
    }

    /// The log-probability of each token of each text, given the tokens before it.
    fn score<'py>(&self, py: Python<'py>, texts: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let texts = Texts::read("texts", texts)?;
        let encode = |text: &String| Ok(Tail { tokens: self.model.tokenizer().encode(text, true)?, from: 1 });
        let mut interrupts = Interrupts::new();
        let computed = released(py, || {
            let tails = texts.all().iter().map(encode).collect::<starloop_lm::Result<Vec<_>>>()?;
            let logprobs = self.model.score_tails(&tails, &mut |_| interrupts.look())?;
            for (place, logprobs) in logprobs.iter().enumerate() {
                if let Some(wrong) = logprobs.iter().find(|logprob| !logprob.is_finite()) {
                    anyhow::bail!(
                        "text {place}: a token has the log-probability {wrong}, expected a finite number; the weights or the config of the \
                         checkpoint are damaged"
                    );
                }
            }
            Ok(tails.into_iter().zip(logprobs).collect::<Vec<_>>())
        });
        let computed = interrupts.finish(py, computed)?;
        let scores = computed.into_iter().map(|(tail, logprobs)| Score::new(py, &tail.tokens, &logprobs));
        texts.result(py, scores.collect::<PyResult<Vec<Score>>>()?)
    }

    /// The most tokens of a prompt and its completion together.
    #[getter]
    fn context(&self) -> usize {
        self.model.spec().context
    }

    fn __repr__(&self) -> String {
        let millions = self.model.spec().parameter_count() as f64 / 1e6;
        format!("<starloop.Model {:?}: {millions:.1} M parameters, context {}>", self.name, self.context())
    }
}

impl Model {
    /// The completions of each prompt.
    fn sample(&self, py: Python<'_>, prompts: Vec<Vec<u32>>, sampling: &Sampling) -> PyResult<Vec<Vec<Completion>>> {
        let Sampling { params, seeds, has_logprobs } = sampling;
        let mut interrupts = Interrupts::new();
        let sampled = released(py, || {
            if prompts.len() as u64 * seeds.len() as u64 > MOST_COMPLETIONS {
                let (prompts, n) = (prompts.len(), seeds.len());
                let message = format!("{prompts} prompts with n = {n}: a call gives at most {MOST_COMPLETIONS} completions");
                return Err(anyhow::Error::new(Misuse(message)));
            }
            let request = |prompt| Request { prompt, seeds: seeds.clone(), params: params.clone() };
            let requests: Vec<Request> = prompts.into_iter().map(request).collect();
            Ok(engine::sample(&self.model, &requests, &EngineLimits::default(), &mut |_| interrupts.look())?)
        });
        let mut sampled = interrupts.finish(py, sampled)?.into_iter();
        let mut all = Vec::new();
        while sampled.len() > 0 {
            let of_prompt = seeds.iter().zip(sampled.by_ref()).map(|(&seed, sampled)| Completion::new(py, sampled, seed, *has_logprobs));
            all.push(of_prompt.collect::<PyResult<Vec<Completion>>>()?);
        }
        Ok(all)
    }
}

/// A list of `{"role": ..., "content": ...}`.
fn conversation(messages: &Bound<'_, PyAny>) -> PyResult<Vec<Message>> {
    let expected = "a list of messages such as {\"role\": \"user\", \"content\": \"...\"}";
    if messages.is_instance_of::<PyString>() || messages.is_instance_of::<PyDict>() {
        return Err(wrong_type("messages", expected, messages));
    }
    let read = |(place, message): (usize, PyResult<Bound<'_, PyAny>>)| {
        let message = message?;
        let name = format!("messages[{place}]");
        let fields = message.cast::<PyDict>().map_err(|_| wrong_type(&name, "a dict with the keys role and content", &message))?;
        let field = |key: &str| match fields.get_item(key)? {
            Some(value) => text(&format!("{name}[{key:?}]"), &value),
            None => Err(misuse(message.py(), format!("{name}: the key {key:?} is missing"))),
        };
        Ok(Message { role: field("role")?, content: field("content")? })
    };
    messages.try_iter().map_err(|_| wrong_type("messages", expected, messages))?.enumerate().map(read).collect()
}

/// A completion of a prompt.
#[pyclass(frozen, get_all, module = "starloop")]
pub struct Completion {
    /// The text, without end token and without stop string.
    text: String,
    /// The generated tokens, the end token included: an array of `uint32`.
    token_ids: Py<PyAny>,
    /// The log-probability of each token (natural logarithm, temperature 1): an array of `float32`, or `None` without `logprobs=True`.
    logprobs: Option<Py<PyAny>>,
    /// The sum of the log-probabilities.
    logprob: f64,
    /// `end_token`, `stop_string` or `length`.
    stop_reason: &'static str,
    /// The stop string, if one ended the completion.
    stop_string: Option<String>,
    /// The seed of its random generator.
    seed: u64,
}

impl Completion {
    fn new(py: Python<'_>, sampled: engine::Completion, seed: u64, has_logprobs: bool) -> PyResult<Self> {
        let engine::Completion { tokens, logprobs, text, stop_reason } = sampled;
        let (stop_reason, stop_string) = match stop_reason {
            StopReason::EndToken => ("end_token", None),
            StopReason::StopString(stop) => ("stop_string", Some(stop)),
            StopReason::Length => ("length", None),
        };
        Ok(Completion {
            token_ids: numpy::tokens(py, &tokens)?,
            logprob: logprobs.iter().map(|&logprob| f64::from(logprob)).sum(),
            logprobs: has_logprobs.then(|| numpy::floats(py, &logprobs)).transpose()?,
            text,
            stop_reason,
            stop_string,
            seed,
        })
    }
}

#[pymethods]
impl Completion {
    fn __str__(&self) -> &str {
        &self.text
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<starloop.Completion {}, {}>", PyString::new(py, &self.text).repr()?, self.stop_reason))
    }
}

/// The log-probabilities of the tokens of a text.
#[pyclass(frozen, get_all, module = "starloop")]
pub struct Score {
    /// The tokens: an array of `uint32`.
    token_ids: Py<PyAny>,
    /// The log-probability of each token (natural logarithm): an array of `float32`. The first token has no context, so its value is NaN.
    logprobs: Py<PyAny>,
    /// The sum over all tokens but the first.
    total: f64,
}

impl Score {
    fn new(py: Python<'_>, tokens: &[u32], logprobs: &[f32]) -> PyResult<Self> {
        let first = (!tokens.is_empty()).then_some(f32::NAN);
        let all: Vec<f32> = first.into_iter().chain(logprobs.iter().copied()).collect();
        let total = logprobs.iter().map(|&logprob| f64::from(logprob)).sum();
        Ok(Score { token_ids: numpy::tokens(py, tokens)?, logprobs: numpy::floats(py, &all)?, total })
    }
}

#[pymethods]
impl Score {
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<starloop.Score of {} tokens, total {:.4}>", self.token_ids.bind(py).len()?, self.total))
    }
}
