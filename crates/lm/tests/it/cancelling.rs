//! Callbacks see each token, each batch and each step, and stop the work.

use crate::fixture::{self, FIXTURES};
use starloop_lm::engine::{EngineLimits, Request, SamplingParams, StopReason, sample, sample_streaming};
use starloop_lm::score::Tail;
use starloop_lm::train::{Document, Hyperparameters, LearningRate, PackedEpochs, TrainingSession};
use starloop_lm::{Error, LanguageModel};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Two requests of three samples each, of different lengths.
fn requests() -> Vec<Request> {
    let params = |max_new_tokens| SamplingParams { temperature: 1.0, ..SamplingParams::greedy(max_new_tokens) };
    let request = |prompt: &[u32], longest| Request { prompt: prompt.to_vec(), seeds: vec![4, 5, 6], params: params(longest) };
    vec![request(&[5, 9, 14], 20), request(&[7], 9)]
}

#[derive(Default)]
struct Streamed {
    tokens: Vec<u32>,
    logprobs: Vec<f32>,
    text: String,
    stop_reason: Option<StopReason>,
}

/// Samples `requests` and compares what was streamed with the completions.
fn check_stream(model: &LanguageModel, requests: &[Request]) -> usize {
    let limits = EngineLimits { sequences: 4, ..EngineLimits::default() };
    let mut streamed: BTreeMap<(usize, usize), Streamed> = BTreeMap::new();
    let mut pieces = 0;
    let completions = sample_streaming(model, requests, &limits, &mut |token| {
        let of = streamed.entry((token.request, token.sample)).or_default();
        assert_eq!(of.stop_reason, None, "nothing follows the last token");
        of.tokens.push(token.token);
        of.logprobs.push(token.logprob);
        of.text += token.text;
        of.stop_reason = token.stop_reason.cloned();
        pieces += usize::from(!token.text.is_empty());
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(completions, sample(model, requests, &limits, &mut |_| ControlFlow::Continue(())).unwrap());
    assert_eq!(streamed.len(), completions.len());
    for (completion, streamed) in completions.iter().zip(streamed.values()) {
        assert_eq!((&streamed.tokens, &streamed.logprobs), (&completion.tokens, &completion.logprobs));
        assert_eq!((&streamed.text, streamed.stop_reason.as_ref()), (&completion.text, Some(&completion.stop_reason)));
    }
    pieces
}

#[test]
fn streamed_tokens_and_text_are_those_of_the_completions() {
    for name in FIXTURES {
        let pieces = check_stream(&fixture::model(name), &requests());
        assert!(pieces > 6, "{name}: text arrives in {pieces} pieces");
    }
}

#[test]
fn no_part_of_a_stop_string_is_streamed() {
    let (_dir, model) = fixture::endless("llama-tiny", &[5, 9, 14]);
    let request = |stop: Vec<String>| Request {
        prompt: vec![5, 9, 14],
        seeds: vec![0],
        params: SamplingParams { stop, ..SamplingParams::greedy(20) },
    };
    let whole = sample(&model, &[request(Vec::new())], &EngineLimits::default(), &mut |_| ControlFlow::Continue(())).unwrap().remove(0);
    // A stop string of the ends of several tokens, and one that only begins in the text.
    let (from, to) = (whole.text.len() / 3, whole.text.len() * 2 / 3);
    let cut = whole.text.get(from..to).unwrap();
    for stop in [vec![cut.to_owned()], vec![format!("{cut}, never")], vec![format!("{cut}, never"), cut.to_owned()]] {
        check_stream(&model, &[request(stop)]);
    }
}

/// A byte-level tokenizer, whose tokens may be a part of a character, on random weights.
fn byte_level() -> LanguageModel {
    let dir = fixture::dir("tokenizers").join("gpt2");
    let file = |name: &str| (name.to_owned(), std::fs::read(dir.join(name)).unwrap());
    let companions = ["tokenizer.json", "tokenizer_config.json"].map(file).into();
    let config = serde_json::json!({
        "model_type": "llama", "vocab_size": 400, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 16, "max_position_embeddings": 128, "tie_word_embeddings": true, "eos_token_id": 399,
    });
    let scale = starloop_lm::initialize::Initialization { embedding_std: 0.1, linear_gain: 0.7 };
    LanguageModel::from_checkpoint(starloop_lm::initialize::initialize(config, companions, scale, 1).unwrap()).unwrap()
}

#[test]
fn a_character_of_several_tokens_is_streamed_whole() {
    let model = byte_level();
    let params = SamplingParams { temperature: 1.0, ..SamplingParams::greedy(60) };
    let request = Request { prompt: model.tokenizer().encode("a", true).unwrap(), seeds: (0..8).collect(), params };
    check_stream(&model, &[request]);
}

#[test]
fn sampling_stops_at_the_token_at_which_the_caller_cancels() {
    let model = fixture::model("llama-tiny");
    let mut seen = 0;
    let cancelled = sample_streaming(&model, &requests(), &EngineLimits::default(), &mut |_| {
        seen += 1;
        if seen == 8 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(cancelled, Err(Error::Cancelled { work: "sampling" })), "{cancelled:?}");
    assert_eq!(seen, 8);

    let mut steps = 0;
    let cancelled = sample(&model, &requests(), &EngineLimits::default(), &mut |progress| {
        steps += 1;
        if progress.tokens >= 12 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(cancelled, Err(Error::Cancelled { work: "sampling" })), "{cancelled:?}");
    assert_eq!(steps, 2, "six sequences generate one token each in a step");
}

#[test]
fn scoring_stops_at_the_batch_at_which_the_caller_cancels() {
    let model = fixture::model("llama-tiny");
    let documents = vec![Tail { tokens: vec![5; 100], from: 1 }; 100];
    let mut calls = 0;
    let cancelled = model.score_tails(&documents, &mut |_| {
        calls += 1;
        ControlFlow::Break(())
    });
    assert!(matches!(cancelled, Err(Error::Cancelled { work: "scoring" })), "{cancelled:?}");
    assert_eq!(calls, 1);
}

#[test]
fn a_cancelled_training_is_continued_bit_for_bit() {
    let documents: Vec<Document> = (0..12).map(|i: u32| Document::whole((0..10).map(|j| 1 + (i * 7 + j * 3) % 60).collect())).collect();
    let epochs = || PackedEpochs::new(documents.clone(), 2, 30, 3).unwrap();
    let hyperparameters = Hyperparameters { learning_rate: LearningRate::constant(1e-3), ..Hyperparameters::default() };
    let session = || TrainingSession::new(fixture::model("llama-tiny"), hyperparameters).unwrap();
    let mut whole = session();
    let mut steps = Vec::new();
    whole
        .train(&mut epochs(), 6, &mut |step, report| {
            steps.push((step, report));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(steps.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);

    let mut cut = session();
    let cancelled = cut.train(&mut epochs(), 6, &mut |step, _| if step == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
    assert!(matches!(cancelled, Err(Error::Cancelled { work: "training" })), "{cancelled:?}");
    assert_eq!(cut.steps_done(), 2);
    let place = tempfile::tempdir().unwrap();
    let state = place.path().join("state.safetensors");
    cut.save_state(&state, &serde_json::Map::new()).unwrap();
    let mut resumed = session();
    resumed.load_state(&state).unwrap();
    for session in [&mut cut, &mut resumed] {
        let mut again = Vec::new();
        session
            .train(&mut epochs(), 6, &mut |step, report| {
                again.push((step, report));
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(again, steps[2..]);
        assert_eq!(session.model().decoder.download(), whole.model().decoder.download());
    }
}

#[test]
fn a_state_that_cannot_be_used_changes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let state = place.path().join("state.safetensors");
    let session = |name: &str| TrainingSession::new(fixture::model(name), Hyperparameters::default()).unwrap();
    session("llama-untied").save_state(&state, &serde_json::Map::new()).unwrap();
    let mut other = session("llama-tiny");
    assert!(matches!(other.load_state(&state), Err(Error::TrainingState { .. })));
    assert_eq!(other.model().decoder.download(), fixture::model("llama-tiny").decoder.download());
    assert_eq!(other.steps_done(), 0);
}
