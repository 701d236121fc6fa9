//! Sampling against transformers, against the trainer's forward pass and against itself in other company.

use crate::fixture::{self, FIXTURES};
use starloop_lm::LanguageModel;
use starloop_lm::engine::{CacheDtype, Completion, EngineLimits, Progress, Request, SamplingParams, StopReason, sample};
use starloop_lm::score::Tail;
use std::ops::ControlFlow;

const SMALL: EngineLimits =
    EngineLimits { sequences: 256, step_rows: 1024, cache_bytes: 1 << 24, share_prefixes: true, kv_cache: CacheDtype::F32 };

fn run(model: &LanguageModel, requests: &[Request], limits: EngineLimits) -> Vec<Completion> {
    sample(model, requests, &limits, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn request(prompt: Vec<u32>, max_new_tokens: usize, temperature: f64, seed: u64) -> Request {
    Request { prompt, seeds: vec![seed], params: SamplingParams { temperature, ..SamplingParams::greedy(max_new_tokens) } }
}

/// Prompts of ragged lengths, many of them with a long common beginning.
fn ragged() -> Vec<Request> {
    let token = |i: usize| (2 + (i * 37 + 11) % 61) as u32;
    let prefix: Vec<u32> = (0..45).map(token).collect();
    (0..24)
        .map(|i| {
            let own: Vec<u32> = (0..=i % 7).map(|j| token(100 + 13 * i + j)).collect();
            let prompt = if i % 3 == 0 { own } else { [&prefix[..45 - (i % 4) * 9], &own].concat() };
            request(prompt, 3 + (i * 5) % 20, if i % 2 == 0 { 0.0 } else { 0.9 }, i as u64)
        })
        .collect()
}

#[test]
fn greedy_continuations_equal_transformers_token_for_token() {
    for name in FIXTURES {
        let (_dir, model) = fixture::endless(name, &[5, 9, 14]);
        let reference = fixture::reference(name);
        let prompts: Vec<Vec<u32>> = fixture::documents(&reference)
            .iter()
            .zip(&reference["prompt_lengths"])
            .map(|(document, length)| document.tokens()[..*length as usize].to_vec())
            .collect();
        let requests: Vec<Request> = prompts.into_iter().map(|prompt| request(prompt, 24, 0.0, 0)).collect();
        let tokens: Vec<f32> = run(&model, &requests, SMALL).iter().flat_map(|c| c.tokens.iter().map(|t| *t as f32)).collect();
        assert_eq!(tokens, reference["greedy"], "{name}");
    }
}

#[test]
fn a_completion_does_not_depend_on_its_company() {
    let model = fixture::model("llama-tiny");
    let requests = ragged();
    let together = run(&model, &requests, SMALL);
    let one_by_one: Vec<Completion> = requests.iter().flat_map(|r| run(&model, std::slice::from_ref(r), SMALL)).collect();
    assert_eq!(together, one_by_one);
    for (sequences, step_rows) in [(3, 5), (7, 64), (24, 17)] {
        let limits = EngineLimits { sequences, step_rows, ..SMALL };
        assert_eq!(together, run(&model, &requests, limits), "{sequences} sequences, {step_rows} rows a step");
    }
    assert_eq!(together, run(&model, &requests, EngineLimits { share_prefixes: false, ..SMALL }));
    // A cache of few pages: prefixes are evicted and computed again.
    let limits = EngineLimits { cache_bytes: 12 * model.decoder.page_bytes(CacheDtype::F32), ..SMALL };
    assert_eq!(together, run(&model, &requests, limits));
    let mut reversed: Vec<Request> = requests;
    reversed.reverse();
    let mut back = run(&model, &reversed, SMALL);
    back.reverse();
    assert_eq!(together, back);
}

#[test]
fn a_completion_does_not_depend_on_the_number_of_threads() {
    let model = fixture::model("llama-untied");
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(&model, &ragged(), SMALL))
    };
    assert_eq!(on(1), on(5));
}

#[test]
fn log_probabilities_equal_the_trainers_forward_pass() {
    for name in FIXTURES {
        let model = fixture::model(name);
        for (request, completion) in ragged().iter().zip(run(&model, &ragged(), SMALL)) {
            let scored = model.score(&[request.prompt.as_slice(), &completion.tokens].concat()).unwrap();
            for (sampled, trained) in completion.logprobs.iter().zip(&scored[request.prompt.len()..]) {
                assert!((sampled - trained.unwrap()).abs() < 2e-5, "{name}: {sampled} while sampling, {trained:?} while training");
            }
        }
    }
}

#[test]
fn the_scores_of_a_tail_depend_neither_on_its_company_nor_on_where_it_begins() {
    let model = fixture::model("llama-tiny");
    let tail = |(i, Request { prompt: tokens, .. }): (usize, Request)| Tail { from: (i % 5).min(tokens.len()), tokens };
    let documents: Vec<Tail> = ragged().into_iter().enumerate().map(tail).collect();
    // More than one batch of them.
    let documents: Vec<Tail> = documents.iter().cycle().take(300).cloned().collect();
    let mut calls = Vec::new();
    let scores = model.score_tails(&documents, &mut |progress| {
        calls.push(progress);
        ControlFlow::Continue(())
    });
    let scores = scores.unwrap();
    let tokens = documents.iter().map(|document| document.tokens.len() as u64).sum();
    assert!(calls.len() > 1 && calls.last() == Some(&Progress { finished: 300, tokens }), "{calls:?}");
    for (document, scores) in documents.iter().zip(&scores) {
        let whole: Vec<f32> = model.score(&document.tokens).unwrap().into_iter().flatten().collect();
        assert_eq!(*scores, whole[(document.from.max(1) - 1).min(whole.len())..]);
    }
}

#[test]
fn seeds_choose_the_sample_and_nothing_else() {
    let model = fixture::model("llama-tiny");
    let prompt = vec![5, 9, 14];
    let samples = run(&model, &(0..20).map(|seed| request(prompt.clone(), 8, 1.0, seed)).collect::<Vec<_>>(), SMALL);
    assert!(samples.iter().any(|s| s.tokens != samples[0].tokens));
    assert_eq!(samples[7], run(&model, &[request(prompt.clone(), 8, 1.0, 7)], SMALL)[0]);
    // The same in one request, and between others in the order of requests and seeds.
    let all = Request { seeds: (0..20).collect(), ..request(prompt, 8, 1.0, 0) };
    assert_eq!(samples, run(&model, std::slice::from_ref(&all), SMALL));
    let none = Request { seeds: Vec::new(), ..all.clone() };
    let between = run(&model, &[request(vec![3, 4], 5, 1.0, 1), none, all, request(vec![3, 4], 5, 1.0, 2)], SMALL);
    assert_eq!((between.len(), &between[1..21]), (22, &samples[..]));
}

#[test]
fn end_tokens_and_stop_strings_end_a_completion() {
    let (_dir, model) = fixture::endless("llama-tiny", &[5, 9, 14]);
    let whole = &run(&model, &[request(vec![5, 9, 14], 20, 0.0, 0)], SMALL)[0];
    assert_eq!((&whole.stop_reason, whole.tokens.len()), (&StopReason::Length, 20));
    let word = model.tokenizer().decode(&whole.tokens[4..5]).unwrap();
    let params = SamplingParams { stop: vec!["no such string".into(), word.clone()], ..SamplingParams::greedy(20) };
    let stopped = &run(&model, &[Request { params, ..request(vec![5, 9, 14], 20, 0.0, 0) }], SMALL)[0];
    assert_eq!(stopped.stop_reason, StopReason::StopString(word.clone()));
    assert!(stopped.tokens.len() <= 5 && !stopped.text.contains(&word));

    let copy = fixture::copy("llama-tiny");
    std::fs::write(copy.path().join("generation_config.json"), format!(r#"{{"eos_token_id": [63, {}]}}"#, whole.tokens[2])).unwrap();
    let model = LanguageModel::load(copy.path()).unwrap();
    let ended = &run(&model, &[request(vec![5, 9, 14], 20, 0.0, 0)], SMALL)[0];
    assert_eq!(ended.stop_reason, StopReason::EndToken);
    assert_eq!(ended.tokens.last(), Some(&whole.tokens[2]));
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let model = fixture::model("llama-tiny");
    let refuse = |request, limits| sample(&model, &[request], &limits, &mut |_| ControlFlow::Continue(())).unwrap_err().to_string();
    let message = refuse(request(vec![1; 100], 1000, 0.0, 0), SMALL);
    assert!(message.contains("100 prompt tokens") && message.contains("the model's context of"), "{message}");
    let message =
        refuse(request(vec![1; 40], 40, 0.0, 0), EngineLimits { cache_bytes: 2 * model.decoder.page_bytes(CacheDtype::F32), ..SMALL });
    assert!(message.contains("the key-value cache of 32 tokens"), "{message}");
    assert!(refuse(request(vec![], 4, 0.0, 0), SMALL).contains("the prompt is empty"));
}

#[test]
fn a_cache_of_half_precision_moves_log_probabilities_by_little() {
    let limits = EngineLimits { kv_cache: CacheDtype::F16, ..SMALL };
    for name in FIXTURES {
        let model = fixture::model(name);
        let requests = ragged();
        let completions = run(&model, &requests, limits);
        for (request, completion) in requests.iter().zip(&completions) {
            let scored = model.score(&[request.prompt.as_slice(), &completion.tokens].concat()).unwrap();
            for (sampled, trained) in completion.logprobs.iter().zip(&scored[request.prompt.len()..]) {
                assert!((sampled - trained.unwrap()).abs() < 5e-3, "{name}: {sampled} from the cache, {trained:?} in full");
            }
        }
        let few = EngineLimits { sequences: 3, step_rows: 5, ..limits };
        assert_eq!(completions, run(&model, &requests, few), "{name}: the same in any company");
    }
}

#[test]
fn a_budget_bounds_sequences_rows_and_cache_and_changes_no_completion() {
    let model = fixture::model("llama-tiny");
    let together = run(&model, &ragged(), SMALL);
    let generous = EngineLimits::default().within(1 << 30, &model.decoder).unwrap();
    assert_eq!((generous.sequences, generous.step_rows), (256, 1024));
    assert!(generous.cache_bytes < 1 << 30);
    let tight = EngineLimits::default().within((96 << 20) + 700_000, &model.decoder).unwrap();
    assert!(tight.sequences < 256 && tight.cache_bytes < 700_000, "{tight:?}");
    assert_eq!(together, run(&model, &ragged(), tight));
    let message = EngineLimits::default().within(50_000_000, &model.decoder).unwrap_err().to_string();
    assert!(message.starts_with("sampling needs at least 101 MB, but may use 50 MB; give more memory, or"), "{message}");
}
