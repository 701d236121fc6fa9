//! `starloop model`, adapters from training to merging, and prompts in a conversation.

use crate::program::{base, repository, starloop, text};
use serde_json::{Value, json};
use std::path::Path;

#[test]
fn info_tells_what_a_checkpoint_is_and_needs() {
    let info = starloop("model info --json --tokens 1000", &[text(&repository("fixtures/gemma3"))]).json();
    assert_eq!((info["family"].as_str(), info["dtype"].as_str(), info["layers"].as_u64()), (Some("gemma3_text"), Some("F32"), Some(3)));
    let total = |job: usize| info["memory"][job]["total"].as_u64().unwrap();
    let jobs: Vec<&str> = info["memory"].as_array().unwrap().iter().map(|job| job["job"].as_str().unwrap()).collect();
    assert_eq!(jobs[1..4], ["LoRA of rank 16, 1000 tokens", "  activations recomputed", "full fine-tuning, 1000 tokens"]);
    assert!(total(2) < total(1) && total(4) < total(3));
    let shown = starloop("model info", &[text(&base())]).done();
    assert!(shown.contains("family      llama\nparameters  446496 in F32 (1.8 MB on disk)\n"), "{shown}");
}

#[test]
fn a_checkpoint_is_converted_to_16_bits_and_back() {
    let place = tempfile::tempdir().unwrap();
    let (half, full) = (place.path().join("half"), place.path().join("full"));
    starloop("model convert --dtype bf16", &[text(&base()), text(&half)]).done();
    let info = starloop("model info --json", &[text(&half)]).json();
    assert_eq!(info["dtype"], "BF16");
    starloop("model convert --dtype f32", &[text(&half), text(&full)]).done();
    let logprobs = |model: &Path| starloop("score --json --text", &["6 2 4 + 2 5 9", "--model", text(model)]).json()["logprobs"].clone();
    assert_eq!(logprobs(&half), logprobs(&full), "a frozen weight of 16 bits computes as the same weight in full");
    starloop("model convert", &[text(&half), text(&full)]).failed(2, &["exists already"]);
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_directory_is_not_converted() {
    let place = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors", "tokenizer.json", "generation_config.json"] {
        let (model, secret, out) =
            (place.path().join(format!("with-{name}")), place.path().join(format!("secret-{name}")), place.path().join("out"));
        crate::views::copy(&base(), &model);
        std::fs::rename(model.join(name), &secret).unwrap();
        std::os::unix::fs::symlink(&secret, model.join(name)).unwrap();
        starloop("model convert", &[text(&model), text(&out)]).failed(1, &[&format!("{name}: is a link to "), "not in the directory"]);
        assert!(!out.exists());
    }
}

#[test]
fn an_adapter_is_trained_sampled_and_merged() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    let line = "{\"prompt\": \"Input:\\n6 + 9\\nTarget:\\n\", \"completion\": \"9 9 9\"}\n";
    std::fs::write(path("pairs.jsonl"), line.repeat(4)).unwrap();
    let settings = "--set lora.rank=4 --set lora.alpha=8 --set steps=30 --set learning_rate=2e-2 --set warmup_steps=0 --set batch_size=1 \
                    --set sequence_length=128";
    let (data, out) = (path("pairs.jsonl"), path("adapter"));
    starloop(&format!("train --quiet {settings}"), &["--model", text(&base()), "--data", text(&data), "--out", text(&out)]).done();
    assert!(path("adapter/adapter_config.json").exists() && !path("adapter/model.safetensors").exists());

    let answer = |model: &Path| {
        let sampled = starloop("sample --json --max-new-tokens 8 --prompt", &["Input:\n6 + 9\nTarget:\n", "--model", text(model)]).json();
        sampled["completions"][0]["text"].as_str().unwrap().to_owned()
    };
    assert_eq!(answer(&path("adapter")), "9 9 9");
    starloop("model convert", &[text(&path("adapter")), text(&path("merged"))]).done();
    assert_eq!(answer(&path("merged")), "9 9 9");
    assert_ne!(answer(&base()), "9 9 9");
}

#[test]
fn a_prompt_in_a_conversation_is_trained_and_sampled_alike() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    // A template whose text the arithmetic vocabulary has words for.
    starloop("model convert", &[text(&base()), text(&path("base"))]).done();
    let template = "{% for m in messages %}Input:\n{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}Target:\n{% endif %}";
    std::fs::write(path("base/chat_template.jinja"), template).unwrap();
    let message = |role: &str, content: &str| json!({"role": role, "content": content});
    let conversation = [message("system", "1 + 1"), message("user", "6 + 9"), message("assistant", "9 9 9"), message("user", "6 + 9")];
    let last = message("assistant", "9 9 9");
    let rows = json!([
        {"prompt": "6 + 9", "completion": "9 9 9"},
        {"messages": conversation.iter().chain([&last]).collect::<Vec<_>>()},
        {"prompt": conversation, "completion": [last]},
    ]);
    std::fs::write(path("pairs.json"), rows.to_string()).unwrap();
    let (data, out) = (path("pairs.json"), path("tuned"));
    let settings = "--set steps=30 --set learning_rate=1e-2 --set warmup_steps=0 --set batch_size=1 --set sequence_length=128";
    let model = path("base");
    starloop(&format!("train --quiet --chat {settings}"), &["--model", text(&model), "--data", text(&data), "--out", text(&out)]).done();
    let sampled = |prompt: &str, more: &str| {
        let sampled = starloop(&format!("sample --json --max-new-tokens 8 {more} --prompt"), &[prompt, "--model", text(&out)]).json();
        (sampled["prompt_token_ids"].clone(), sampled["completions"][0]["text"].as_str().unwrap().to_owned())
    };
    let prompting: Value = serde_json::from_slice(&std::fs::read(out.join("prompting.json")).unwrap()).unwrap();
    assert_eq!(prompting, json!({"chat": true}));
    for (option, warned) in [("--chat", false), ("", true)] {
        let sampled = starloop(&format!("sample --max-new-tokens 1 {option} --prompt 6"), &["--model", text(&out)]);
        assert_eq!(sampled.err.contains("it was trained with its chat template, and is asked without it"), warned, "{}", sampled.err);
    }
    let in_chat = sampled("6 + 9", "--chat");
    assert_eq!(in_chat, sampled("Input:\n6 + 9\nTarget:\n", ""));
    assert_eq!(in_chat.1, "9 9 9");
    starloop("sample --chat --prompt", &["6 + 9", "--model", text(&base())]).failed(1, &["there is no chat_template"]);
}
