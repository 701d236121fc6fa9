//! The fields that `[record]` adds to the attempts of a run.

use crate::completions::{Act, Completions, completion};
use crate::doubles::{self, CONFIG, experiment};
use crate::serving;
use serde_json::{Value, json};
use starloop_core::error::{Error, with_causes};
use starloop_core::experiment::Experiment;
use starloop_core::policy::embedded::EmbeddedPolicy;
use starloop_core::types::{Attempt, GradedAttempt, Mode, StopReason};

/// Embedded sampling with few tokens, recorded as the config says.
fn recorded(further: &[&str]) -> (Vec<GradedAttempt>, String) {
    let bench = serving::bench();
    let experiment = experiment(&[&["run=['partial']", "sampling.max_new_tokens=12", "sampling.temperature=1.0"], further].concat());
    let mut policy = EmbeddedPolicy::new(&experiment.config().model).recording(experiment.config().record);
    let (outcome, _) = bench.run_policy("recorded", &experiment, &mut policy);
    // Random weights solve nothing, and what they tried is kept.
    assert!(matches!(outcome, Err(Error::NothingSolved { .. })), "{}", with_causes(&outcome.err().unwrap()));
    let attempts = bench.open("recorded").iteration("partial", 1).attempts().unwrap().unwrap();
    let path = bench.place.path().join("recorded/partial/iter-001/attempts.jsonl");
    (attempts, std::fs::read_to_string(path).unwrap())
}

/// The tokens of an attempt fit its text and its sum.
fn check(attempt: &Attempt) {
    let (logprobs, ends) = (attempt.token_logprobs.as_ref().unwrap(), attempt.token_ends.as_ref().unwrap());
    assert_eq!((logprobs.len(), ends.len()), (attempt.completion_tokens, attempt.completion_tokens));
    assert!(ends.is_sorted() && ends.last() == Some(&attempt.completion.len()), "{ends:?} in {:?}", attempt.completion);
    assert!(ends.iter().all(|end| attempt.completion.is_char_boundary(*end)), "{ends:?} in {:?}", attempt.completion);
}

#[test]
fn token_log_probabilities_add_up_and_are_read_back() {
    let (attempts, text) = recorded(&["record.token_logprobs=true"]);
    assert!(attempts.iter().any(|graded| graded.attempt.mode == Mode::Hinted));
    for GradedAttempt { attempt, .. } in &attempts {
        check(attempt);
        let sum: f64 = attempt.token_logprobs.iter().flatten().map(|&logprob| f64::from(logprob)).sum();
        assert_eq!(Some(sum), attempt.logprob, "the same numbers in the same order");
    }
    // A hinted completion begins with a part of the rationale that no token of it wrote.
    let hinted = attempts.iter().filter(|graded| graded.attempt.mode == Mode::Hinted);
    assert!(hinted.clone().all(|graded| graded.attempt.token_ends.as_ref().unwrap()[0] >= "seven times".len()), "{text}");
    for (line, graded) in text.lines().zip(&attempts) {
        assert_eq!(serde_json::to_string(graded).unwrap(), line);
    }
}

#[test]
fn attempts_are_the_same_without_their_tokens() {
    let (recorded_attempts, _) = recorded(&["record.token_logprobs=true"]);
    let (attempts, text) = recorded(&[]);
    assert!(!text.contains("token_logprobs") && !text.contains("token_ends"));
    let bare = |graded: &GradedAttempt| {
        let attempt = Attempt { token_logprobs: None, token_ends: None, ..graded.attempt.clone() };
        GradedAttempt { attempt, ..graded.clone() }
    };
    assert_eq!(recorded_attempts.iter().map(bare).collect::<Vec<_>>(), attempts);
}

#[test]
fn servers_tokens_are_recorded_where_they_add_up_to_the_text() {
    let bench = serving::bench();
    let server = Completions::start(|asked| {
        let mut body = completion(asked, "ab", -1.0);
        let tokens = if asked.seed() % 2 == 0 { json!(["ab", "</s>"]) } else { json!(["\u{fffd}", "\u{fffd}"]) };
        body["choices"][0]["logprobs"]["tokens"] = tokens;
        Act::Answer(body)
    });
    let experiment = serving::served(&[&server.endpoint], &["run=['few_shot']", "record.token_logprobs=true"]);
    let (policy, log) = (serving::policy, bench.place.path().join("server.log"));
    let mut policy = policy(&experiment, &log).unwrap().recording(experiment.config().record);
    bench.run_policy("served", &experiment, &mut policy).0.unwrap();
    let answers = bench.open("served").iteration("few_shot", 0).evaluation().unwrap().unwrap();
    let (with, without): (Vec<_>, Vec<_>) = answers.iter().map(|graded| &graded.attempt).partition(|a| a.token_ends.is_some());
    assert!(!with.is_empty() && !without.is_empty());
    for attempt in with {
        check(attempt);
        assert_eq!((attempt.token_logprobs.as_deref(), attempt.token_ends.as_deref()), (Some(&[-0.25, -0.75][..]), Some(&[2, 2][..])));
    }
    assert!(without.iter().all(|attempt| attempt.token_logprobs.is_none() && attempt.logprob == Some(-1.0)));
}

#[test]
fn the_section_is_echoed_only_where_it_says_something() {
    let parse = |overrides: &[&str]| doubles::parse("my.toml", CONFIG, &overrides.iter().map(|&text| text.to_owned()).collect::<Vec<_>>());
    assert!(!parse(&[]).unwrap().to_toml().contains("[record]"));
    let experiment: Experiment = parse(&["record.token_logprobs=true"]).unwrap();
    assert!(experiment.to_toml().contains("[record]\ntoken_logprobs = true\n"), "{}", experiment.to_toml());
    let again = doubles::parse("echo", &experiment.to_toml(), &[]).unwrap();
    assert!(again.config().record.token_logprobs && experiment.changed_keys(&again).is_empty());
    assert_eq!(parse(&[]).unwrap().changed_keys(&experiment), ["record.token_logprobs (true -> unset)"]);
    let error = parse(&["record.token_logprob=true"]).unwrap_err().to_string();
    assert!(error.contains("unknown key `record.token_logprob`; did you mean `record.token_logprobs`?"), "{error}");
}

#[test]
fn a_stop_reason_has_one_form_in_json() {
    for (reason, form, is_cut) in [
        (StopReason::EndToken, json!("end_token"), false),
        (StopReason::StopString("\n\n".into()), json!({ "stop_string": "\n\n" }), false),
        (StopReason::Unspecified, json!("unspecified"), false),
        (StopReason::Length, json!("length"), true),
    ] {
        assert_eq!(serde_json::to_value(&reason).unwrap(), form);
        assert_eq!(serde_json::from_value::<StopReason>(form).unwrap(), reason);
        assert_eq!(reason.is_cut(), is_cut);
    }
    assert!(serde_json::from_value::<StopReason>(Value::from("stop")).is_err());
}
