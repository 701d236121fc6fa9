//! Templates with the constructs of published ones: their text, the end of a turn, and what cannot be read.

use crate::fixture;
use serde_json::{Value, json};
use starloop_lm::Tokenizer;
use starloop_lm::files::chat::{ChatTemplate, Message};
use starloop_lm::model::PromptEncoder;
use std::collections::BTreeMap;

/// The conversations of `expected.json` with which `styles.json` was made.
const FEW: [usize; 6] = [0, 1, 2, 4, 5, 10];

/// A template with the tokens of a tokenizer's config.
fn template(source: &str, config: Value) -> starloop_lm::Result<ChatTemplate> {
    let mut config = config;
    config["chat_template"] = source.into();
    ChatTemplate::from_files(&BTreeMap::from([("tokenizer_config.json".into(), config.to_string().into_bytes())])).map(Option::unwrap)
}

pub fn read(source: &str) -> starloop_lm::Result<ChatTemplate> {
    template(source, json!({"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}))
}

fn render(source: &str) -> String {
    read(source).unwrap().render(&[Message::new("user", "hi")], false).unwrap()
}

/// The name and the source of each template of `styles.txt`.
pub fn styles() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(fixture::dir("chat/styles.txt")).unwrap();
    let mut styles: BTreeMap<String, String> = BTreeMap::new();
    let mut name = String::new();
    for line in text.split_inclusive('\n') {
        match line.strip_prefix("### ") {
            Some(new) if new.trim_end().chars().all(|c| c.is_alphanumeric() || c == '_') => new.trim_end().clone_into(&mut name),
            _ => styles.entry(name.clone()).or_default().push_str(line),
        }
    }
    styles
}

fn json_file(path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(fixture::dir(path)).unwrap()).unwrap()
}

#[test]
fn the_constructs_of_published_templates_render_as_jinja2_renders_them() {
    let conversations: Vec<Vec<Message>> = json_file("chat/expected.json")["conversations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|conversation| {
            let text = |m: &Value, key: &str| m[key].as_str().unwrap().to_owned();
            conversation.as_array().unwrap().iter().map(|m| Message::new(&text(m, "role"), &text(m, "content"))).collect()
        })
        .collect();
    let (styles, expected) = (styles(), json_file("chat/styles.json"));
    assert_eq!(styles.len(), expected.as_object().unwrap().len());
    assert!(styles.len() >= 60, "{}", styles.len());
    let mut failures = Vec::new();
    for (name, source) in &styles {
        let template = read(source).unwrap_or_else(|error| panic!("{name}: {error}"));
        for (both, at) in expected[name].as_array().unwrap().iter().zip(FEW) {
            let without = both[0].as_str().map(str::to_owned);
            let begun = both[1].as_str().map(|text| match text.split_at(1) {
                ("+", added) => without.clone().unwrap() + added,
                (_, whole) => whole.to_owned(),
            });
            for (begins, expected) in [(false, without), (true, begun)] {
                match (template.render(&conversations[at], begins), expected) {
                    (Ok(found), Some(expected)) if found != expected => {
                        failures.push(format!("{name}, conversation {at}:\n{found:?}\nexpected\n{expected:?}"));
                    }
                    (Err(error), Some(_)) => failures.push(format!("{name}, conversation {at}: {error}")),
                    (Ok(found), None) => failures.push(format!("{name}, conversation {at} was not refused: {found:?}")),
                    _ => {}
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n\n"));
}

/// A tokenizer of words with these special tokens, the first of which have the ids from 3 on.
fn tokenizer_with(source: &str, special: &[&str], config: Value, generation: &Value) -> starloop_lm::Result<Tokenizer> {
    Tokenizer::from_files(&tokenizer_files(source, special, config, generation), &json!({}))
}

/// The files of [`tokenizer_with`].
fn tokenizer_files(source: &str, special: &[&str], config: Value, generation: &Value) -> BTreeMap<String, Vec<u8>> {
    let words = ["<s>", "</s>", "<unk>"].iter().chain(special).enumerate().map(|(id, token)| ((*token).to_owned(), json!(id)));
    let added = ["<s>", "</s>", "<unk>"].iter().chain(special).enumerate().map(|(id, token)| {
        json!({
            "id": id, "content": token, "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
        })
    });
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "pre_tokenizer": null, "post_processor": null,
        "decoder": null, "added_tokens": added.collect::<Vec<_>>(),
        "model": {"type": "WordLevel", "vocab": words.collect::<serde_json::Map<_, _>>(), "unk_token": "<unk>"},
    });
    let mut config = config;
    config["chat_template"] = source.into();
    BTreeMap::from([
        ("tokenizer.json".to_owned(), tokenizer.to_string().into_bytes()),
        ("tokenizer_config.json".to_owned(), config.to_string().into_bytes()),
        ("generation_config.json".to_owned(), generation.to_string().into_bytes()),
    ])
}

#[test]
fn an_answer_ends_with_the_token_that_the_template_writes_after_it() {
    let styles = styles();
    for (style, end) in [
        ("llama3", "<|eot_id|>"),
        ("llama3_1", "<|eot_id|>"),
        ("llama3_2_clock", "<|eot_id|>"),
        ("qwen2_5", "<|im_end|>"),
        ("qwen3", "<|im_end|>"),
        ("gemma", "<end_of_turn>"),
        ("gemma3", "<end_of_turn>"),
        ("mistral_v1", "</s>"),
        ("mistral_v3", "</s>"),
        ("mistral_v7", "</s>"),
        ("llama2", "</s>"),
        ("phi3", "<|end|>"),
        ("phi4", "<|im_end|>"),
        ("phi4_mini", "<|end|>"),
        ("smollm2", "<|im_end|>"),
        ("smollm3", "<|im_end|>"),
        ("olmo2", "</s>"),
        // This one writes nothing after an answer, so it ends as a text does.
        ("solar", "</s>"),
    ] {
        let special = ["<|end_of_text|>", "<|eot_id|>", "<|im_end|>", "<end_of_turn>", "<|end|>"];
        let id = ["<s>", "</s>", "<unk>"].iter().chain(&special).position(|token| *token == end).unwrap() as u32;
        let config = json!({"bos_token": "<s>", "eos_token": "</s>"});
        let tokenizer = tokenizer_with(&styles[style], &special, config, &json!({"eos_token_id": [3, 4]})).unwrap();
        assert_eq!(tokenizer.end_of_turn(), id, "{style}");
        assert_eq!(tokenizer.end_of_text(), 1, "{style}");
        let stops = tokenizer.eos_token_ids();
        assert!([1, 3, 4, id].iter().all(|token| stops.contains(token)), "{style}: {stops:?}");
        assert_eq!(&stops[..2], [3, 4], "{style}");
    }
}

#[test]
fn training_learns_the_end_of_the_template_in_a_conversation_and_the_tokenizers_end_without_one() {
    let place = tempfile::tempdir().unwrap();
    let config = json!({"bos_token": "<s>", "eos_token": "</s>"});
    for (name, bytes) in tokenizer_files(&styles()["llama3"], &["<|end_of_text|>", "<|eot_id|>"], config, &json!({"eos_token_id": [3, 4]}))
    {
        std::fs::write(place.path().join(name), bytes).unwrap();
    }
    std::fs::write(place.path().join("config.json"), "{}").unwrap();
    let end = |chat: bool| PromptEncoder::load(place.path(), chat).unwrap().end_token();
    assert_eq!((end(true), end(false)), (4, 1));
}

#[test]
fn without_an_end_of_its_own_a_template_uses_the_tokenizers() {
    let config = json!({"eos_token": "</s>"});
    for source in ["{{ messages[0].content }}", "{{ raise_exception('no') }}", "{% if", "{{ messages[-1].content }} <|im_end|>x"] {
        let expected = if source.contains("im_end") { 3 } else { 1 };
        let tokenizer = tokenizer_with(source, &["<|im_end|>"], config.clone(), &json!({})).unwrap();
        assert_eq!(tokenizer.end_of_turn(), expected, "{source}");
    }
}

#[test]
fn the_end_of_a_turn_is_found_in_templates_of_every_form() {
    let turn = "<|im_start|> {{ m.role }} {{ m.content }}";
    let needs_system = "{% if messages[0].role != 'system' %}{{ raise_exception('no system message') }}{% endif %}";
    let needs_user = "{% if messages[-1].role != 'user' %}{{ raise_exception('no user message') }}{% endif %}";
    let between = format!("{{% for m in messages %}}{turn}{{% if not loop.last %}} <|im_end|>\n{{% endif %}}{{% endfor %}}");
    let always = format!("{{% for m in messages %}}{turn} <|im_end|>\n{{% endfor %}}");
    let end = 3;
    for source in [
        format!("{needs_system}{always}"),
        format!("{needs_user}{always}"),
        format!("{needs_system}{needs_user}{always}"),
        format!("{needs_system}{between}"),
        between,
        always.replace(" <|im_end|>", " . <|im_end|>"),
        always.replace(" <|im_end|>", " text \n<|im_end|>"),
    ] {
        let tokenizer = spaced(&source, &["<|im_end|>", "<|im_start|>"]);
        assert_eq!(tokenizer.end_of_turn(), end, "{source}");
        assert!(tokenizer.eos_token_ids().contains(&end), "{source}");
    }
    // The token is in the vocabulary and is not special.
    let tokenizer = spaced(&always, &["<|im_end|>"]);
    assert_eq!(tokenizer.end_of_turn(), end);
    // A token that only begins a user's turn ends no answer, nor does a text without tokens.
    let begins = "{% for m in messages %}<|{{ m.role }}|> {{ m.content }} {% endfor %}";
    assert_eq!(spaced(begins, &["<|user|>", "<|assistant|>", "<|system|>"]).end_of_turn(), 1);
    assert_eq!(spaced(&always.replace("<|im_end|>", ""), &["<|im_start|>"]).end_of_turn(), 1);
    assert_eq!(spaced(&always.replace("<|im_end|>", "THE END."), &["<|im_start|>"]).end_of_turn(), 1);
}

/// A tokenizer with words between blanks, of which `<|im_end|>` is one, and with special tokens from the id 3 on.
fn spaced(source: &str, special: &[&str]) -> Tokenizer {
    let mut files = tokenizer_files(source, special, json!({"eos_token": "</s>"}), &json!({}));
    let mut tokenizer: Value = serde_json::from_slice(&files["tokenizer.json"]).unwrap();
    tokenizer["pre_tokenizer"] = json!({"type": "WhitespaceSplit"});
    if special == ["<|im_end|>"] {
        tokenizer["added_tokens"].as_array_mut().unwrap().pop();
    }
    files.insert("tokenizer.json".into(), tokenizer.to_string().into_bytes());
    Tokenizer::from_files(&files, &json!({})).unwrap()
}

#[test]
fn an_id_beyond_the_vocabulary_names_the_file_and_the_key() {
    for (id, shown) in
        [(json!(5000), "5000"), (json!([1, 5000]), "5000"), (json!(-1), "-1"), (json!("</s>"), "\"</s>\""), (json!(1.5), "1.5")]
    {
        let error = tokenizer_with("x", &[], json!({}), &json!({"eos_token_id": id})).unwrap_err().to_string();
        let expected = format!("generation_config.json: key \"eos_token_id\": {shown} is no token; expected whole numbers below");
        assert!(error.starts_with(&expected) && error.ends_with("size, 3"), "{error}");
    }
}

#[test]
fn what_python_refuses_is_an_error() {
    for source in [
        "{{ '%s' % ('a', 'b') }}",
        "{{ '%s %s' % 'a' }}",
        "{{ 'a' % 1 }}",
        "{{ ','.join([1, 2]) }}",
        "{{ 'a' < 1 }}",
        "{{ none < 1 }}",
        "{% for x in none %}{% endfor %}",
        "{{ 1 in 'a' }}",
        "{{ [1] + (1,) }}",
        "{{ 'a' + 1 }}",
        "{{ 1 / 0 }}",
        "{{ missing | tojson }}",
        "{{ [1].index(2) }}",
        "{{ 'abc'.index('z') }}",
    ] {
        let error = read(source).unwrap().render(&[], false).unwrap_err().to_string();
        assert!(error.contains("(in chat_template:1)"), "{source}: {error}");
    }
}

#[test]
fn a_pointer_of_git_lfs_is_no_template() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 3\n";
    let files = BTreeMap::from([("chat_template.jinja".to_owned(), pointer.as_bytes().to_vec())]);
    for (found, file) in
        [(ChatTemplate::from_files(&files).map(|_| ()), "chat_template.jinja"), (read(pointer).map(|_| ()), "tokenizer_config.json")]
    {
        let error = found.unwrap_err().to_string();
        assert!(error.starts_with(&format!("{file}: is a Git LFS pointer")), "{error}");
    }
}

#[test]
fn line_ends_of_other_systems_are_newlines() {
    let files = BTreeMap::from([("chat_template.jinja".to_owned(), b"{% if true %}\r\na\r\nb\r{{ 'c' }}\r\n{% endif %}\r\n".to_vec())]);
    let template = ChatTemplate::from_files(&files).unwrap().unwrap();
    assert_eq!(template.render(&[], false).unwrap(), "a\nb\nc\n");
}

#[test]
fn special_tokens_come_from_both_files() {
    let render = |config: Value, map: Option<Value>| {
        let mut config = config;
        config["chat_template"] = "{{ bos_token }}|{{ eos_token }}|{{ image_token }}|{{ boi_token }}".into();
        let mut files = BTreeMap::from([("tokenizer_config.json".to_owned(), config.to_string().into_bytes())]);
        files.extend(map.map(|map| ("special_tokens_map.json".to_owned(), map.to_string().into_bytes())));
        ChatTemplate::from_files(&files).unwrap().unwrap().render(&[], false).unwrap()
    };
    let map = json!({"bos_token": {"content": "<map>", "lstrip": false}, "eos_token": "</map>"});
    assert_eq!(render(json!({}), Some(map.clone())), "<map>|</map>||");
    assert_eq!(render(json!({"bos_token": "<s>"}), None), "<s>|||");
    // As in transformers: a config that lists its tokens is complete.
    assert_eq!(render(json!({"eos_token": "</s>", "added_tokens_decoder": {}}), Some(map)), "|</s>||");
    assert_eq!(render(json!({"extra_special_tokens": {"image_token": "<image>"}, "boi_token": "<boi>"}), None), "||<image>|<boi>");
}

#[test]
fn further_special_tokens_are_left_out_of_texts() {
    let config = json!({"eos_token": "</s>", "extra_special_tokens": ["<|call|>", "plain"]});
    let tokenizer = tokenizer_with("x", &["<|call|>"], config, &json!({})).unwrap();
    assert_eq!(tokenizer.encode("<|call|>plain</s>", false).unwrap(), [3, 4, 1]);
    assert_eq!(tokenizer.decode(&[3, 4, 1]).unwrap(), "");
}

#[test]
fn variables_reach_the_template() {
    let template = read(&styles()["qwen3"]).unwrap();
    let ends = |template: &ChatTemplate| template.render(&[Message::new("user", "hi")], true).unwrap();
    assert!(ends(&template).ends_with("<|im_start|>assistant\n"));
    let off = json!({"enable_thinking": false}).as_object().unwrap().clone();
    assert!(ends(&template.with_variables(off)).ends_with("<think>\n\n</think>\n\n"));
}

#[test]
fn a_template_among_named_ones_is_the_default() {
    let named = |templates: Value| {
        let files = BTreeMap::from([("tokenizer_config.json".to_owned(), json!({"chat_template": templates}).to_string().into_bytes())]);
        ChatTemplate::from_files(&files).map(|template| template.unwrap().render(&[], false).unwrap())
    };
    assert_eq!(named(json!({"default": "one", "tool_use": "two"})).unwrap(), "one");
    assert_eq!(named(json!([{"name": "default", "template": "one"}, {"name": "rag", "template": "two"}])).unwrap(), "one");
    let error = named(json!({"rag": "one", "tool_use": "two"})).unwrap_err().to_string();
    assert!(error.contains("expected a text, or texts of which one is named \"default\", found [rag, tool_use]"), "{error}");
}

#[test]
fn tests_are_those_of_jinja() {
    for (source, expected) in [
        ("{{ none is iterable }}", "False"),
        ("{{ 'x' is sequence }}", "True"),
        ("{{ {} is sequence }}", "True"),
        ("{{ 3 is sequence }}", "False"),
        ("{{ tools is iterable and tools | length > 0 }}", "False"),
        ("{{ '%s-%d' % ('a', 2) }}", "a-2"),
        ("{{ 'a b c'.rsplit(' ', 1) | join('|') }}", "a b|c"),
        ("{{ 'a=b'.partition('=') | join('|') }}", "a|=|b"),
        ("{{ 'abc'.removeprefix('a') }}", "bc"),
        ("{{ 'hello world again' | truncate(11, leeway=0) }}", "hello..."),
        ("{{ 'one two_three, four' | wordcount }}", "3"),
        ("{{ [[3, 2], [5, 1]] | sort(attribute=1) }}", "[[5, 1], [3, 2]]"),
        ("{{ [[3, 2], [5, 1]] | map(attribute=0) | list }}", "[3, 5]"),
        ("{{ '%a %a' % ('é', '😀') }}", "'\\xe9' '\\U0001f600'"),
    ] {
        assert_eq!(render(source), expected, "{source}");
    }
}
