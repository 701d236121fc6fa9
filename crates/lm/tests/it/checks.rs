//! Every public input that cannot be used is refused by an error that names it, before anything is computed.

use crate::fixture::{self, chain};
use starloop_lm::engine::{EngineLimits, Request, SamplingParams, sample};
use starloop_lm::error::InvalidSetting;
use starloop_lm::initialize::{Initialization, initialize};
use starloop_lm::lora::LoraConfig;
use starloop_lm::score::Tail;
use starloop_lm::train::{
    BatchSize, Document, Hyperparameters, LearningRate, LengthNormalization, Objective, PackedEpochs, Pair, PolicyGradient, Preference,
    Rewarded, TrainingSession, UnitLoss,
};
use starloop_lm::weights::HalfKind;
use starloop_lm::{Checkpoint, Error, LanguageModel};
use std::ops::ControlFlow;
use std::path::Path;

fn refuse(request: Request, limits: &EngineLimits) -> Error {
    let good = Request { prompt: vec![5, 9], seeds: vec![0], params: SamplingParams::greedy(2) };
    sample(&fixture::model("llama-tiny"), &[good, request], limits, &mut |_| ControlFlow::Continue(())).unwrap_err()
}

fn request(prompt: Vec<u32>, params: SamplingParams) -> Request {
    Request { prompt, seeds: vec![0], params }
}

fn session() -> TrainingSession {
    TrainingSession::new(fixture::model("llama-tiny"), Hyperparameters::default()).unwrap()
}

#[test]
fn a_request_that_cannot_be_sampled_is_named_with_its_setting() {
    let limits = EngineLimits::default();
    let greedy = SamplingParams::greedy(4);
    for (params, key) in [
        (SamplingParams { temperature: f64::NAN, ..greedy.clone() }, "temperature"),
        (SamplingParams { top_p: f64::INFINITY, ..greedy.clone() }, "top_p"),
        (SamplingParams::greedy(0), "max_new_tokens"),
        (SamplingParams { stop: vec![String::new()], ..greedy.clone() }, "stop"),
    ] {
        let error = refuse(request(vec![5], params), &limits);
        assert!(matches!(&error, Error::InvalidRequest { request: 1, source } if source.key == key), "{error:?}");
        assert!(chain(&error).starts_with(&format!("request 1 cannot be sampled: {key} must be ")), "{}", chain(&error));
    }
    let error = refuse(request(vec![5], SamplingParams::greedy(usize::MAX)), &limits);
    assert!(matches!(error, Error::PromptTooLong { request: 1, prompt_tokens: 1, new_tokens: usize::MAX, .. }), "{error:?}");
    let error = refuse(request(vec![], greedy.clone()), &limits);
    assert!(matches!(error, Error::EmptyPrompt { request: 1 }), "{error:?}");
    for (limits, key) in [(EngineLimits { sequences: 0, ..limits }, "sequences"), (EngineLimits { step_rows: 0, ..limits }, "step_rows")] {
        let error = refuse(request(vec![5], greedy.clone()), &limits);
        assert!(matches!(&error, Error::InvalidSetting(setting) if setting.key == key), "{error:?}");
    }
}

#[test]
fn a_token_that_is_not_in_the_vocabulary_is_named_wherever_it_is_given() {
    let outside = |error: &Error, expected: &str| {
        assert!(matches!(error, Error::UnknownToken { index: 1, position: 2, token: 64, vocabulary: 64, .. }), "{error:?}");
        assert_eq!(
            error.to_string(),
            format!("{expected} 1: token 64 at position 2 is not in the vocabulary; the model has the tokens 0 to 63")
        );
    };
    let tokens = vec![5, 63, 64];
    outside(&refuse(request(tokens.clone(), SamplingParams::greedy(2)), &EngineLimits::default()), "request");
    let model = fixture::model("llama-tiny");
    let tails = [Tail { tokens: vec![1, 2], from: 1 }, Tail { tokens: tokens.clone(), from: 1 }];
    outside(&model.score_tails(&tails, &mut |_| ControlFlow::Continue(())).unwrap_err(), "document");
    assert!(matches!(model.score(&tokens), Err(Error::UnknownToken { position: 2, .. })));
    let documents = [Document::whole(vec![1, 2]), Document::whole(tokens.clone())];
    let mut session = session();
    outside(&session.step(&documents).unwrap_err(), "document");
    let pairs = documents.map(|document| Pair { documents: [Document::whole(vec![1, 2]), document], reference: [-1.0, -1.0] });
    outside(&session.step_toward(&Preference::default(), &pairs).unwrap_err(), "document");
    assert_eq!(session.model().decoder.download(), model.decoder.download(), "a refused step changes nothing");
}

#[test]
fn documents_that_cannot_be_scored_or_trained_are_refused() {
    let error = Document::masked(vec![1, 2, 3], vec![true, true]).unwrap_err();
    assert!(matches!(error, Error::MaskLength { tokens: 3, mask: 2 }), "{error:?}");
    assert_eq!(error.to_string(), "the document has 3 tokens, but its target mask has 2 entries; give one entry for each token");

    let model = fixture::model("llama-tiny");
    let score = |tail: Tail| model.score_tails(&[tail], &mut |_| ControlFlow::Continue(()));
    let error = score(Tail { tokens: vec![1, 2], from: 3 }).unwrap_err();
    assert!(matches!(error, Error::TailBeginsAfterEnd { document: 0, tokens: 2, from: 3 }), "{error:?}");
    assert_eq!(score(Tail { tokens: vec![1, 2], from: 2 }).unwrap(), [Vec::<f32>::new()], "an empty completion has no scores");
    let long = vec![1; model.spec().context + 1];
    assert!(matches!(model.score(&long), Err(Error::DocumentTooLong { document: 0, .. })));

    assert!(matches!(session().step(&[]), Err(Error::NothingToLearn)));
    assert!(matches!(session().step(&[Document::whole(vec![1])]), Err(Error::NothingToLearn)), "a first token carries no loss");
    let error = session().step(&[Document::whole(vec![1, 2]), Document::whole(long)]).unwrap_err();
    assert!(matches!(error, Error::DocumentTooLong { document: 1, .. }), "{error:?}");
    assert!(matches!(PackedEpochs::new(Vec::<Document>::new(), 1, 8, 0), Err(Error::NothingToLearn)));
}

#[test]
fn hyperparameters_out_of_range_are_named_before_a_step() {
    let good = Hyperparameters::default();
    let rate = LearningRate::constant(1e-3);
    let with_rate = |learning_rate| Hyperparameters { learning_rate, ..good };
    let mut refused = Vec::new();
    // In the `f32` of the kernels, 1e-50 is 0, 1e50 is infinite, and 1 - 1e-12 is 1.
    for learning_rate in [f64::NAN, f64::INFINITY, 0.0, -1e-3, 1e-50, 1e50] {
        refused.push((with_rate(LearningRate::constant(learning_rate)), "learning_rate"));
    }
    for wrong in [f64::NAN, -0.1, 1.1] {
        refused.push((with_rate(LearningRate { decay_start: wrong, ..rate }), "decay_start"));
        refused.push((with_rate(LearningRate { final_fraction: wrong, ..rate }), "final_fraction"));
    }
    refused.push((with_rate(LearningRate { steps: 0, ..rate }), "steps"));
    for wrong in [f64::NAN, -0.1, 1.0, 1.0 - 1e-12] {
        refused.push((Hyperparameters { betas: [wrong, 0.9], ..good }, "betas"));
        refused.push((Hyperparameters { betas: [0.9, wrong], ..good }, "betas"));
    }
    for wrong in [f64::NAN, 0.0, -1.0, 1e-50] {
        refused.push((Hyperparameters { epsilon: wrong, ..good }, "epsilon"));
        refused.push((Hyperparameters { max_grad_norm: wrong, ..good }, "max_grad_norm"));
    }
    for wrong in [f64::NAN, f64::INFINITY, -0.1] {
        refused.push((Hyperparameters { weight_decay: wrong, ..good }, "weight_decay"));
    }
    refused.push((Hyperparameters { micro_batch_tokens: 0, ..good }, "micro_batch_tokens"));
    for (hyperparameters, key) in refused {
        let error = TrainingSession::new(fixture::model("llama-tiny"), hyperparameters).unwrap_err();
        assert!(
            matches!(&error, Error::InvalidSetting(InvalidSetting { key: found, .. }) if *found == key),
            "{hyperparameters:?}: {error:?}"
        );
    }
    let unclipped = Hyperparameters { max_grad_norm: f64::INFINITY, ..with_rate(rate) };
    TrainingSession::new(fixture::model("llama-tiny"), unclipped).unwrap().step(&[Document::whole(vec![1, 2, 3])]).unwrap();
}

#[test]
fn settings_of_objectives_and_data_that_do_not_fit_them_are_named() {
    let pair = Pair { documents: [Document::whole(vec![1, 2]), Document::whole(vec![1, 3])], reference: [-1.0, -1.0] };
    for beta in [f64::NAN, f64::INFINITY, 0.0, -1.0] {
        let error = session().step_toward(&Preference { beta }, std::slice::from_ref(&pair)).unwrap_err();
        assert!(matches!(&error, Error::InvalidSetting(setting) if setting.key == "beta"), "{error:?}");
    }
    let infinite = Pair { reference: [f64::NEG_INFINITY, -1.0], ..pair.clone() };
    let error = session().step_toward(&Preference::default(), &[pair, infinite]).unwrap_err();
    assert!(matches!(&error, Error::InvalidUnit { unit: 1, .. }), "{error:?}");

    let good = PolicyGradient { clip: [0.2, 0.2], kl: 0.1, length: LengthNormalization::Constant, max_new_tokens: 8 };
    for (objective, key) in [
        (PolicyGradient { clip: [f64::NAN, 0.2], ..good }, "clip"),
        (PolicyGradient { clip: [0.2, -0.1], ..good }, "clip"),
        (PolicyGradient { kl: f64::NAN, ..good }, "kl"),
        (PolicyGradient { kl: -0.1, ..good }, "kl"),
        (PolicyGradient { max_new_tokens: 0, ..good }, "max_new_tokens"),
    ] {
        assert_eq!(objective.check().unwrap_err().key, key, "{objective:?}");
    }
    let sample = Rewarded { document: Document::whole(vec![1, 2, 3]), advantage: 0.5, sampled: vec![-1.0; 2], anchor: vec![-1.0; 2] };
    for (sample, problem) in [
        (Rewarded { advantage: f32::NAN, ..sample.clone() }, "the advantage is NaN, expected a finite number"),
        (
            Rewarded { sampled: vec![-1.0], ..sample.clone() },
            "1 log-probabilities under the sampling model, expected one for each of the 2 targets",
        ),
        (
            Rewarded { anchor: Vec::new(), ..sample.clone() },
            "0 log-probabilities under the anchor model, expected one for each of the 2 targets",
        ),
        (
            Rewarded { sampled: vec![-1.0, f32::NAN], ..sample.clone() },
            "a log-probability under the sampling model is NaN, expected a finite number",
        ),
    ] {
        let error = session().step_toward(&good, &[sample]).unwrap_err();
        assert_eq!(error.to_string(), format!("training example 0: {problem}"));
    }
    session().step_toward(&PolicyGradient { kl: 0.0, ..good }, &[Rewarded { anchor: Vec::new(), ..sample }]).unwrap();
}

/// An objective that omits the derivative of its last target.
struct Forgetful;

impl Objective for Forgetful {
    type Unit = Document;

    fn unit_loss(&self, _: &Document, logprobs: &[f32], _: BatchSize) -> UnitLoss {
        UnitLoss { loss: 0.0, logprob_grads: vec![0.0; logprobs.len() - 1] }
    }
}

#[test]
fn an_objective_with_too_few_derivatives_is_an_error_that_names_the_example() {
    // One token at once, so that each document is a micro-batch.
    let hyperparameters = Hyperparameters { micro_batch_tokens: 1, ..Hyperparameters::default() };
    let mut session = TrainingSession::new(fixture::model("llama-tiny"), hyperparameters).unwrap();
    let error = session.step_toward(&Forgetful, &[Document::whole(vec![1, 2, 3])]).unwrap_err();
    let expected = "training example 0: the objective returned 1 derivatives, expected one for each of its 2 targets";
    assert_eq!(error.to_string(), expected);
    assert_eq!(session.steps_done(), 0);
}

#[test]
fn adapter_settings_out_of_range_are_named() {
    let good = LoraConfig::default();
    for (lora, key) in [
        (LoraConfig { rank: 0, ..good.clone() }, "rank"),
        (LoraConfig { rank: usize::MAX, ..good.clone() }, "rank"),
        (LoraConfig { alpha: f64::NAN, ..good.clone() }, "alpha"),
        (LoraConfig { alpha: 0.0, ..good.clone() }, "alpha"),
        (LoraConfig { dropout: 1.0, ..good.clone() }, "dropout"),
        (LoraConfig { dropout: f64::NAN, ..good.clone() }, "dropout"),
        (LoraConfig { target_modules: Vec::new(), ..good.clone() }, "target_modules"),
    ] {
        let error = fixture::model("llama-tiny").with_fresh_adapters(&lora, 0).unwrap_err();
        assert!(matches!(&error, Error::InvalidSetting(setting) if setting.key == key), "{lora:?}: {error:?}");
    }
    let one_misspelt = LoraConfig { target_modules: vec!["q_proj".into(), "k_porj".into()], ..good };
    let error = fixture::model("llama-tiny").with_fresh_adapters(&one_misspelt, 0).unwrap_err();
    assert!(error.to_string().starts_with("no module is called k_porj; the layers have q_proj, "), "{error}");
}

#[test]
fn a_scale_of_random_weights_that_is_not_a_number_is_refused() {
    let checkpoint = Checkpoint::load(&fixture::dir("llama-tiny")).unwrap();
    let good = Initialization { embedding_std: 0.1, linear_gain: 0.7 };
    for (scale, key) in [
        (Initialization { embedding_std: f64::NAN, ..good }, "embedding_std"),
        (Initialization { linear_gain: -1.0, ..good }, "linear_gain"),
    ] {
        let error = initialize(checkpoint.config.clone(), checkpoint.companions.clone(), scale, 0).unwrap_err();
        assert!(matches!(&error, Error::InvalidSetting(setting) if setting.key == key), "{error:?}");
    }
}

#[test]
fn text_without_a_token_is_an_error_unless_the_caller_chooses_the_unknown_token() {
    let tokenizer = fixture::model("llama-tiny").tokenizer().clone();
    let known = tokenizer.decode(&[5, 9]).unwrap();
    assert_eq!(tokenizer.encode(&known, false).unwrap(), tokenizer.encode_lossy(&known, false).unwrap());
    let text = format!("{known} Ω");
    let error = tokenizer.encode(&text, false).unwrap_err();
    assert!(matches!(&error, Error::UnknownText { text, at, .. } if text == "Ω" && *at == known.len() + 1), "{error:?}");
    assert!(error.to_string().contains("the tokenizer has no token for \"Ω\" at byte"), "{error}");
    let ids = tokenizer.encode_lossy(&text, false).unwrap();
    // A text with the name of the unknown token loses nothing.
    assert_eq!(tokenizer.encode("<unk>", false).unwrap(), ids[ids.len() - 1..]);
}

#[test]
fn weights_in_16_bits_cannot_be_trained_and_the_error_says_what_to_do() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("half");
    Checkpoint::load(&fixture::dir("llama-tiny")).unwrap().halved(HalfKind::Bf16).save(&dir).unwrap();
    let sampled = LanguageModel::load(&dir).unwrap();
    let error = TrainingSession::new(sampled, Hyperparameters::default()).unwrap_err();
    let Error::NotTrainable { frozen, trained } = error else { panic!("{error:?}") };
    assert!(0 < frozen && frozen < trained, "{frozen} of {trained}");
    assert!(error.to_string().contains("`LanguageModel::load_to_train`"), "{error}");

    let whole = LanguageModel::load_to_train(&dir).unwrap();
    let learn = |model: LanguageModel| {
        let rate = LearningRate::constant(1e-2);
        let mut session = TrainingSession::new(model, Hyperparameters { learning_rate: rate, ..Hyperparameters::default() }).unwrap();
        let mut step = || session.step(&[Document::whole(vec![5, 9, 14, 3])]).unwrap().loss;
        (step(), (0..20).map(|_| step()).last().unwrap())
    };
    let (first, last) = learn(whole);
    assert!(last < first / 2.0, "{first} {last}");
    // The adapters of a frozen model are in `f32`.
    let adapted = LanguageModel::load(&dir).unwrap().with_fresh_adapters(&LoraConfig::default(), 0).unwrap();
    let (first, last) = learn(adapted);
    assert!(last < first, "{first} {last}");
}

#[test]
fn a_model_with_adapters_is_saved_as_an_adapter_or_merged_and_never_as_a_whole() {
    let parent = tempfile::tempdir().unwrap();
    let base = fixture::dir("llama-tiny");
    let at = |name: &str| parent.path().join(name);
    let adapted = || fixture::model("llama-tiny").with_fresh_adapters(&LoraConfig::default(), 0).unwrap();
    let error = adapted().save(&at("whole")).unwrap_err();
    assert!(matches!(error, Error::HasAdapters { action: "save" }) && !at("whole").exists(), "{error:?}");
    assert!(matches!(adapted().to_checkpoint(), Err(Error::HasAdapters { .. })));
    assert!(matches!(adapted().with_fresh_adapters(&LoraConfig::default(), 1), Err(Error::HasAdapters { .. })));
    let error = fixture::model("llama-tiny").save_adapter(&at("none"), &base).unwrap_err();
    assert!(matches!(error, Error::NoAdapters) && !at("none").exists(), "{error:?}");

    adapted().save_adapter(&at("adapter"), &base).unwrap();
    adapted().merged().save(&at("merged")).unwrap();
    let tokens = [5, 9, 14];
    let expected = fixture::model("llama-tiny").score(&tokens).unwrap();
    for name in ["adapter", "merged"] {
        assert_eq!(LanguageModel::load(&at(name)).unwrap().score(&tokens).unwrap(), expected, "{name}");
    }
}

#[test]
fn a_missing_directory_and_a_directory_without_a_checkpoint_are_different_errors() {
    let place = tempfile::tempdir().unwrap();
    let nowhere = place.path().join("nowhere");
    let file = place.path().join("file");
    std::fs::write(&file, "").unwrap();
    for load in [LanguageModel::load, LanguageModel::load_to_train] {
        let not_found = load(&nowhere).unwrap_err();
        assert!(matches!(&not_found, Error::NotFound { path } if *path == nowhere), "{not_found:?}");
        for path in [place.path(), file.as_path()] {
            let not_a_checkpoint = load(path).unwrap_err();
            assert!(matches!(&not_a_checkpoint, Error::NotACheckpoint { path: found, .. } if found == path), "{not_a_checkpoint:?}");
        }
    }
}

#[test]
fn models_sessions_and_errors_can_be_sent_to_another_thread() {
    fn is_send<T: Send + 'static>() {}
    is_send::<LanguageModel>();
    is_send::<TrainingSession>();
    is_send::<PackedEpochs>();
    is_send::<Error>();
    is_send::<starloop_lm::Tokenizer>();
}

#[test]
fn no_message_of_the_library_names_an_option_of_the_program() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![source];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            read += 1;
            let text = std::fs::read_to_string(&path).unwrap();
            for option in ["--set", "--memory", "model.chat", "training.lora", "training.recompute_activations"] {
                assert!(!text.contains(option), "{} has {option}", path.display());
            }
        }
    }
    assert!(read > 50, "{read} files");
}
