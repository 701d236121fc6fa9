//! Requests that join and leave a batch while it runs.

use crate::fixture;
use starloop_lm::engine::{Batch, Completion, Delivery, EngineLimits, Request, SamplingParams, Update, sample};
use starloop_lm::{Error, LanguageModel};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

const SMALL: EngineLimits = EngineLimits { sequences: 6, step_rows: 24, cache_bytes: 1 << 22, ..DEFAULT };
const DEFAULT: EngineLimits = EngineLimits {
    sequences: 256,
    step_rows: 1024,
    cache_bytes: 1 << 29,
    share_prefixes: true,
    kv_cache: starloop_lm::engine::CacheDtype::F32,
};

/// Prompts with a long common beginning, of three samples each.
fn requests() -> Vec<Request> {
    let token = |i: usize| (2 + (i * 37 + 11) % 61) as u32;
    let prompt = |i: usize| (0..40).map(token).chain((0..=i % 5).map(|j| token(100 + 13 * i + j))).collect();
    let params = |i| SamplingParams { temperature: 0.9, ..SamplingParams::greedy(3 + (i * 5) % 20) };
    (0..12).map(|i| Request { prompt: prompt(i), seeds: vec![i as u64, 50, 51], params: params(i) }).collect()
}

fn sampled(model: &LanguageModel, requests: &[Request]) -> Vec<Completion> {
    sample(model, requests, &SMALL, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn keep(ends: &mut BTreeMap<(u64, usize), Completion>, updates: Vec<Update>) {
    for Update { request, sample, end, .. } in updates {
        if let Some(end) = end {
            assert!(ends.insert((request, sample), end.unwrap()).is_none(), "one end");
        }
    }
}

#[test]
fn completions_do_not_depend_on_when_their_requests_join() {
    let model = fixture::model("llama-tiny");
    let requests = requests();
    let mut batch = Batch::new(&model, &SMALL).unwrap();
    let mut ends = BTreeMap::new();
    for (place, request) in requests.iter().enumerate() {
        assert_eq!(batch.submit(request.clone(), Delivery::Completions).unwrap(), place as u64);
        for _ in 0..place % 3 {
            keep(&mut ends, batch.step());
        }
    }
    while !batch.is_idle() {
        keep(&mut ends, batch.step());
    }
    assert_eq!(ends.into_values().collect::<Vec<_>>(), sampled(&model, &requests));
    assert!(batch.step().is_empty() && batch.waiting() == 0);
}

#[test]
fn requests_that_leave_change_no_other() {
    let model = fixture::model("llama-tiny");
    let requests = requests();
    let expected = sampled(&model, &requests);
    // A request leaves before it has pages, while its prompt is computed (others share its pages), or while it is sampled.
    for steps in 0..8 {
        let mut batch = Batch::new(&model, &SMALL).unwrap();
        let (mut ends, gone) = (BTreeMap::new(), [0, 3, 7]);
        for request in &requests {
            batch.submit(request.clone(), Delivery::Completions).unwrap();
        }
        for _ in 0..steps {
            keep(&mut ends, batch.step());
        }
        batch.cancel(&gone);
        let before: Vec<_> = ends.keys().copied().filter(|(request, _)| gone.contains(request)).collect();
        while !batch.is_idle() {
            keep(&mut ends, batch.step());
        }
        for (&(request, sample), completion) in &ends {
            assert_eq!(completion, &expected[request as usize * 3 + sample], "request {request} after {steps} steps");
            assert!(!gone.contains(&request) || before.contains(&(request, sample)), "request {request} was cancelled");
        }
        assert_eq!(ends.len(), 27 + before.len());
    }
}

#[test]
fn a_batch_refuses_what_it_cannot_complete() {
    let model = fixture::model("llama-tiny");
    let tiny = EngineLimits { cache_bytes: 3 * model.decoder.page_bytes(SMALL.kv_cache), ..SMALL };
    let mut batch = Batch::new(&model, &tiny).unwrap();
    assert_eq!(tiny.longest_sequence(&model).unwrap(), 48);
    let request = |prompt: Vec<u32>, new| Request { prompt, seeds: vec![1], params: SamplingParams::greedy(new) };
    for (refused, said) in [
        (request(vec![], 1), "request 0: the prompt is empty"),
        (request(vec![5; 40], 9), "exceed the key-value cache of 48 tokens"),
        (request(vec![9_999], 9), "token 9999"),
    ] {
        let error = batch.submit(refused, Delivery::Completions).expect_err(said);
        assert!(error.to_string().contains(said), "{error}");
    }
    assert!(matches!(Batch::new(&model, &EngineLimits { sequences: 0, ..SMALL }), Err(Error::InvalidSetting(_))));
    batch.submit(request(vec![5; 40], 8), Delivery::Completions).unwrap();
    let mut ends = BTreeMap::new();
    while !batch.is_idle() {
        keep(&mut ends, batch.step());
    }
    assert_eq!(ends.len(), 1);
}

#[test]
fn the_likeliest_tokens_are_reported_beside_each_token() {
    let model = fixture::model("llama-tiny");
    let mut batch = Batch::new(&model, &SMALL).unwrap();
    let request = Request { prompt: vec![5, 9, 14], seeds: vec![1], params: SamplingParams::greedy(8) };
    batch.submit(request.clone(), Delivery::Tokens { alternatives: 3 }).unwrap();
    let (mut tokens, mut completion) = (Vec::new(), None);
    while !batch.is_idle() {
        for Update { token, end, .. } in batch.step() {
            tokens.extend(token);
            completion = completion.or(end);
        }
    }
    let completion = completion.unwrap().unwrap();
    let document = [request.prompt, completion.tokens.clone()].concat();
    let scored = model.score_with_alternatives(&document, 3).unwrap();
    assert_eq!(model.score(&document).unwrap(), scored.iter().map(|s| s.as_ref().map(|s| s.logprob)).collect::<Vec<_>>());
    for ((token, id), scored) in tokens.iter().zip(&completion.tokens).zip(&scored[3..]) {
        assert_eq!((token.alternatives.len(), token.alternatives[0]), (3, (*id, token.logprob)), "the greedy token is the likeliest");
        assert!(token.alternatives.is_sorted_by(|a, b| a.1 >= b.1));
        // The forward pass of training adds in another order.
        for (sampled, scored) in token.alternatives.iter().zip(&scored.as_ref().unwrap().alternatives) {
            assert!(sampled.0 == scored.0 && (sampled.1 - scored.1).abs() < 1e-4, "{sampled:?} {scored:?}");
        }
    }
    assert_eq!(tokens.iter().map(|token| token.text.as_str()).collect::<String>(), completion.text);
}
