//! Every kind of tokenizer against the ids and texts of `transformers`.

use crate::fixture;
use serde_json::{Value, json};
use starloop_lm::files::contained::contains_panics;
use starloop_lm::model::PromptEncoder;
use starloop_lm::{Error, Tokenizer};
use std::collections::BTreeMap;
use std::path::Path;

const KINDS: [&str; 8] = ["gpt2", "gpt-neox", "llama3", "qwen", "llama2", "mistral", "gemma", "unigram"];

/// The kinds that put a token before a text.
const BEGIN: [(&str, &str); 4] = [("llama3", "<|begin_of_text|>"), ("llama2", "<s>"), ("mistral", "<s>"), ("gemma", "<bos>")];

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn texts() -> Vec<String> {
    serde_json::from_value(json(&fixture::dir("tokenizers/texts.json"))).unwrap()
}

fn tokenizer(kind: &str) -> Tokenizer {
    Tokenizer::load(&fixture::dir("tokenizers").join(kind)).unwrap()
}

fn ids(list: &Value) -> Vec<u32> {
    list.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

#[test]
fn ids_and_texts_are_those_of_transformers() {
    let texts = texts();
    for kind in KINDS {
        let tokenizer = tokenizer(kind);
        let expected = json(&fixture::dir("tokenizers").join(kind).join("expected.json"));
        assert_eq!(expected["ids"].as_array().unwrap().len(), texts.len());
        for (at, text) in texts.iter().enumerate() {
            let plain = ids(&expected["ids"][at]);
            assert_eq!(tokenizer.encode_lossy(text, false).unwrap(), plain, "{kind}: {text:?}");
            assert_eq!(tokenizer.decode(&plain).unwrap(), expected["decoded"][at].as_str().unwrap_or(text), "{kind}: {text:?}");
            let mut special = ids(&expected["special"][at]);
            // The one difference that is meant.
            if BEGIN.iter().any(|(with, begin)| *with == kind && text.starts_with(begin)) {
                special.remove(0);
            }
            assert_eq!(tokenizer.encode_lossy(text, true).unwrap(), special, "{kind}: {text:?}");
        }
    }
}

#[test]
fn the_beginning_token_is_put_there_once() {
    for (kind, begin) in BEGIN {
        let tokenizer = tokenizer(kind);
        let with_its_text = tokenizer.encode(&format!("{begin}hello"), true).unwrap();
        let begin_id = tokenizer.encode(begin, false).unwrap();
        assert_eq!(begin_id.len(), 1, "{kind}");
        assert_eq!(with_its_text.iter().filter(|id| **id == begin_id[0]).count(), 1, "{kind}");
        assert_eq!(tokenizer.encode("", true).unwrap(), begin_id);
        assert_eq!(tokenizer.encode(begin, true).unwrap(), begin_id);
    }
    // A tokenizer that only puts a token behind every text has no beginning token to take away.
    let end_twice = tokenizer("unigram").encode("</s></s>", true).unwrap();
    assert_eq!(end_twice, [2, 2, 2]);
}

#[test]
fn text_that_is_decoded_in_parts_is_whole() {
    for kind in KINDS {
        let tokenizer = tokenizer(kind);
        for text in texts() {
            let ids = tokenizer.encode_lossy(&text, true).unwrap();
            let whole = tokenizer.decode(&ids).unwrap();
            for cut in 0..=ids.len() {
                let (before, after) = ids.split_at(cut);
                let begun = tokenizer.decode(before).unwrap();
                // If the cut is inside a character, the text does not start with the decoded part.
                if whole.starts_with(&begun) {
                    assert_eq!(begun + &tokenizer.decode_after(before, after).unwrap(), whole, "{kind}: {text:?} cut at {cut}");
                }
            }
        }
    }
}

#[test]
fn tokens_end_where_the_text_before_them_does() {
    for kind in KINDS {
        let tokenizer = tokenizer(kind);
        for text in texts() {
            let ids = tokenizer.encode_lossy(&text, false).unwrap();
            for from in [0, ids.len() / 3] {
                let (context, ids) = ids.split_at(from);
                let text = tokenizer.decode_after(context, ids).unwrap();
                let ends = tokenizer.ends_in(&text, context, ids).unwrap();
                assert_eq!(ends.len(), ids.len(), "{kind}: {text:?}");
                assert!(ends.is_sorted() && ends.last().is_none_or(|end| *end == text.len()), "{kind}: {text:?} {ends:?}");
                // The context ends inside a character, and no token has the rest of it for itself.
                if text.contains(char::REPLACEMENT_CHARACTER) {
                    continue;
                }
                for (at, end) in ends.iter().enumerate() {
                    let so_far = tokenizer.decode_after(context, &ids[..=at]).unwrap();
                    // Where a token splits a character, the text so far ends in a replacement character.
                    if text.starts_with(&so_far) {
                        assert_eq!(*end, so_far.len(), "{kind}: {text:?} up to token {at}");
                    } else {
                        assert!(text.is_char_boundary(*end) && *end > 0, "{kind}: {text:?} {ends:?}");
                    }
                }
                // A text that a stop string has cut.
                let cut = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at);
                let expected: Vec<usize> = ends.iter().map(|end| *end.min(&cut)).collect();
                let mut found = tokenizer.ends_in(&text[..cut], context, ids).unwrap();
                found.truncate(expected.iter().take_while(|end| **end < cut).count() + 1);
                assert_eq!(found, expected[..found.len()], "{kind}: {text:?} cut at {cut}");
            }
        }
    }
}

#[test]
fn each_part_of_a_character_ends_after_it() {
    let tokenizer = tokenizer("gpt2");
    let text = "a\u{1f9d1}b";
    let ids = tokenizer.encode(text, false).unwrap();
    assert_eq!(ids.len(), 6, "the four bytes of the character are four tokens: {ids:?}");
    assert_eq!(tokenizer.ends_in(text, &[], &ids).unwrap(), [1, 5, 5, 5, 5, 6]);
    // The token limit cut the character, and the text shows that.
    let cut = tokenizer.decode(&ids[..3]).unwrap();
    assert_eq!(tokenizer.ends_in(&cut, &[], &ids[..3]).unwrap().last(), Some(&cut.len()), "{cut:?}");
}

#[test]
fn end_tokens_come_from_the_first_file_that_has_them() {
    let place = tempfile::tempdir().unwrap();
    let source = fixture::dir("tokenizers/mistral");
    std::fs::copy(source.join("tokenizer.json"), place.path().join("tokenizer.json")).unwrap();
    let load = || Tokenizer::load(place.path()).map(|tokenizer| tokenizer.eos_token_ids().to_vec());
    assert!(load().unwrap_err().to_string().contains("no eos_token_id"));
    let write = |name: &str, text: &str| std::fs::write(place.path().join(name), text).unwrap();
    write("tokenizer_config.json", r#"{"eos_token": "</s>"}"#);
    assert_eq!(load().unwrap(), [2]);
    write("tokenizer_config.json", r#"{"eos_token": {"__type": "AddedToken", "content": "[INST]"}}"#);
    assert_eq!(load().unwrap(), [3]);
    write("config.json", r#"{"eos_token_id": 7}"#);
    assert_eq!(load().unwrap(), [7, 3], "the tokenizer's own ends a text that was trained");
    write("generation_config.json", r#"{"eos_token_id": [8, 9, 8]}"#);
    assert_eq!(load().unwrap(), [8, 9, 3]);
    write("generation_config.json", r#"{"eos_token_id": null}"#);
    assert_eq!(load().unwrap(), [7, 3]);
    write("config.json", "{");
    assert!(load().unwrap_err().to_string().contains("config.json"));
}

#[test]
fn tokens_that_only_the_config_lists_are_added() {
    let place = tempfile::tempdir().unwrap();
    std::fs::copy(fixture::dir("tokenizers/qwen/tokenizer.json"), place.path().join("tokenizer.json")).unwrap();
    let load = |id: u32| {
        let token = |content: &str, special: bool| {
            serde_json::json!({
                "content": content, "special": special, "lstrip": false, "rstrip": false, "normalized": !special, "single_word": false,
            })
        };
        let listed =
            serde_json::json!({"378": token("<|im_end|>", true), "380": token("plain", false), id.to_string(): token("<|tool|>", true)});
        let config = serde_json::json!({"eos_token": "<|im_end|>", "added_tokens_decoder": listed});
        std::fs::write(place.path().join("tokenizer_config.json"), config.to_string()).unwrap();
        Tokenizer::load(place.path())
    };
    // As transformers has it.
    let tokenizer = load(379).unwrap();
    assert_eq!(tokenizer.encode("a<|tool|>plain b<|im_end|>", true).unwrap(), [64, 379, 380, 316, 378]);
    assert_eq!(tokenizer.decode(&[64, 379, 380]).unwrap(), "aplain");
    assert_eq!(tokenizer.vocabulary(), 381);
    let message = load(900).unwrap_err().to_string();
    assert!(message.contains("tokenizer_config.json: token \"plain\" has id 380 here"), "{message}");
}

#[test]
fn tokens_of_the_vocabulary_that_a_file_beside_it_marks_are_found_in_texts() {
    let mut tokenizer = json(&fixture::dir("tokenizers/gpt2/tokenizer.json"));
    tokenizer["model"]["vocab"]["<x>"] = 376.into();
    tokenizer["added_tokens"][0]["id"] = 377.into();
    tokenizer["model"]["vocab"]["<|endoftext|>"] = 377.into();
    let encoded = |name: &str, content: Value, text: &str| {
        let mut config = json!({"eos_token": "<|endoftext|>"});
        let mut files = BTreeMap::from([("tokenizer.json".to_owned(), tokenizer.to_string().into_bytes())]);
        if name == "tokenizer_config.json" {
            config.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
        } else {
            files.insert(name.to_owned(), content.to_string().into_bytes());
        }
        files.insert("tokenizer_config.json".to_owned(), config.to_string().into_bytes());
        Tokenizer::from_files(&files, &json!({})).and_then(|tokenizer| tokenizer.encode(text, true))
    };
    let ids = |name: &str, content: Value, text: &str| encoded(name, content, text).unwrap();
    let plain = ids("tokenizer_config.json", json!({}), "a");
    let [a, b] = [plain[0], ids("tokenizer_config.json", json!({}), "b")[0]];
    assert!(!ids("tokenizer_config.json", json!({}), "a<x>b").contains(&376), "nothing marks it");
    let described = json!({"content": "<x>", "special": true, "lstrip": false, "rstrip": false, "normalized": false, "single_word": false});
    for (name, content) in [
        ("tokenizer_config.json", json!({"added_tokens_decoder": {"376": described}})),
        ("tokenizer_config.json", json!({"pad_token": "<x>"})),
        ("tokenizer_config.json", json!({"additional_special_tokens": ["<x>"]})),
        ("tokenizer_config.json", json!({"extra_special_tokens": {"image_token": "<x>"}})),
        ("special_tokens_map.json", json!({"additional_special_tokens": ["<x>"]})),
        ("special_tokens_map.json", json!({"pad_token": {"content": "<x>"}})),
        ("added_tokens.json", json!({"<x>": 376})),
    ] {
        assert_eq!(ids(name, content.clone(), "a<x>b"), [a, 376, b], "{name}: {content}");
    }
    // Blanks around a token belong to it where a file says so, also if tokenizer.json does not.
    let mut wide = described.clone();
    (wide["lstrip"], wide["rstrip"]) = (true.into(), true.into());
    assert_eq!(ids("tokenizer_config.json", json!({"added_tokens_decoder": {"376": wide}}), "a <x> b"), [a, 376, b]);
    assert_eq!(ids("tokenizer_config.json", json!({"pad_token": wide}), "a <x> b"), [a, 376, b]);
    let blank = ids("tokenizer_config.json", json!({"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": true}), "a");
    assert_eq!(blank, ids("tokenizer_config.json", json!({}), " a"));
    let error = encoded("tokenizer_config.json", json!({"split_special_tokens": true}), "a").unwrap_err().to_string();
    assert!(error.contains("key \"split_special_tokens\": true is not supported"), "{error}");
}

#[test]
fn a_token_around_each_text_has_a_row() {
    let place = fixture::copy("llama-tiny");
    let file = place.path().join("tokenizer.json");
    let mut tokenizer = json(&file);
    tokenizer["post_processor"] = json!({
        "type": "TemplateProcessing", "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "single": [{"SpecialToken": {"id": "b", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "special_tokens": {"b": {"id": "b", "ids": [2_147_483_648_u32], "tokens": ["b"]}},
    });
    std::fs::write(&file, tokenizer.to_string()).unwrap();
    let error = starloop_lm::LanguageModel::load(place.path()).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json: key \"post_processor\": puts the token 2147483648 around each text"), "{error}");
}

#[test]
fn adapters_have_the_tokenizer_that_was_saved_with_them() {
    let place = tempfile::tempdir().unwrap();
    let (base, adapter) = (place.path().join("llama-tiny"), place.path().join("adapters/llama"));
    for (from, to) in [("llama-tiny", &base), ("adapters/llama", &adapter)] {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(fixture::dir(from)).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
    let prompt = || PromptEncoder::load(&adapter, true).and_then(|encoder| encoder.text("a b"));
    std::fs::write(base.join("chat_template.jinja"), "{{ messages[0].content }} B").unwrap();
    assert_eq!(prompt().unwrap(), "a b B");
    for name in ["tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(base.join(name), adapter.join(name)).unwrap();
    }
    std::fs::write(adapter.join("chat_template.jinja"), "{{ messages[0].content }} A").unwrap();
    assert_eq!(prompt().unwrap(), "a b A");
    let model = starloop_lm::LanguageModel::load(&adapter).unwrap();
    assert_eq!(model.prompt_encoder(true).unwrap().text("a b").unwrap(), "a b A");
    assert_eq!(model.merged().to_checkpoint().unwrap().companions["chat_template.jinja"], b"{{ messages[0].content }} A");
}

#[test]
fn an_answer_is_what_the_template_writes() {
    let place = fixture::copy("llama-tiny");
    let message = |role: &str, content: &str| starloop_lm::files::chat::Message::new(role, content);
    let answer = |template: &str, content: &str| {
        std::fs::write(place.path().join("chat_template.jinja"), template).unwrap();
        let encoder = PromptEncoder::load(place.path(), true).unwrap();
        let messages = vec![message("user", "u")];
        let prompt = encoder.conversation(&messages).unwrap();
        encoder.answer(messages, &prompt, content.to_owned())
    };
    let mistral = "{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]{% else %} {{ m.content }}<|endoftext|>{% endif %}{% endfor %}";
    assert_eq!(answer(mistral, "q"), " q");
    let trimmed = "{% for m in messages %}{{ m.role }} {{ m.content|trim }}<|endoftext|>\n{% endfor %}{% if add_generation_prompt %}assistant {% endif %}";
    assert_eq!(answer(trimmed, " q\n"), "q");
    let thinking = "{% for m in messages %}{{ m.role }} {% if m.role == 'assistant' %}think {% endif %}{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant {% endif %}";
    assert_eq!(answer(thinking, "q"), "think q");
    let refusing = "{% if messages[-1].role == 'assistant' %}{{ raise_exception('no') }}{% endif %}{{ messages[0].content }}";
    assert_eq!(answer(refusing, " q"), " q");
}

#[test]
fn nothing_is_cut_off_or_filled_up() {
    let mut json = json(&fixture::dir("tokenizers/gpt2/tokenizer.json"));
    json["truncation"] = serde_json::json!({"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0});
    json["padding"] = serde_json::json!({
        "strategy": {"Fixed": 50}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "!",
    });
    let files = BTreeMap::from([("tokenizer.json".to_owned(), json.to_string().into_bytes())]);
    let tokenizer = Tokenizer::from_files(&files, &serde_json::json!({"eos_token_id": 0})).unwrap();
    let text = "The cat sat on the mat.";
    assert_eq!(tokenizer.encode(text, true).unwrap(), self::tokenizer("gpt2").encode(text, true).unwrap());
}

/// The error of loading a tokenizer after `edit`, or of encoding and decoding a letter with it.
fn error_after(edit: impl FnOnce(&mut Value)) -> Error {
    let mut json = json(&fixture::dir("tokenizers/gpt2/tokenizer.json"));
    edit(&mut json);
    let files = BTreeMap::from([("tokenizer.json".to_owned(), json.to_string().into_bytes())]);
    let used =
        Tokenizer::from_files(&files, &json!({"eos_token_id": 0})).and_then(|tokenizer| tokenizer.decode(&tokenizer.encode("a", true)?));
    used.unwrap_err()
}

#[test]
fn a_panic_of_the_tokenizers_crate_is_an_error() {
    let template = json!({
        "type": "TemplateProcessing", "pair": [], "special_tokens": {},
        "single": [{"SpecialToken": {"id": "absent", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    });
    let errors = [
        error_after(|json| json["decoder"] = json!({"type": "Strip", "content": "a", "start": 1, "stop": 1})),
        error_after(|json| json["post_processor"] = template),
        error_after(|json| json["model"]["continuing_subword_prefix"] = "a long prefix".into()),
    ];
    for error in errors {
        let Error::Tokenizer { path, message } = &error else { panic!("{error:?}") };
        assert!(path.ends_with("tokenizer.json") && message.contains("the program that reads it failed"), "{error}");
        assert!(!contains_panics(), "the boundary is left");
    }
}

#[test]
fn a_decoder_that_is_no_json_is_an_error() {
    // The `tokenizers` crate panics if it cannot read the JSON of a decoder.
    let whole = std::fs::read_to_string(fixture::dir("llama-tiny/tokenizer.json")).unwrap();
    for decoder in [r#"{"type": "#, r#"{"type": 1e999}"#, r#"{"type": "\ud800"}"#, &"[".repeat(200)] {
        let changed = whole.replace("\"decoder\": null", &format!("\"decoder\": {decoder}"));
        assert_ne!(changed, whole);
        let files = BTreeMap::from([("tokenizer.json".to_owned(), changed.into_bytes())]);
        let error = Tokenizer::from_files(&files, &json!({"eos_token_id": 0})).unwrap_err().to_string();
        assert!(error.contains("tokenizer.json"), "{decoder}: {error}");
        assert!(!contains_panics(), "the boundary is left");
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_tokenizer() {
    let place = fixture::copy("tokenizers/gpt2");
    let file = place.path().join("tokenizer.json");
    std::fs::write(&file, [b"\xef\xbb\xbf", &*std::fs::read(&file).unwrap()].concat()).unwrap();
    let ids = |tokenizer: Tokenizer| tokenizer.encode("The cat", true).unwrap();
    assert_eq!(ids(Tokenizer::load(place.path()).unwrap()), ids(tokenizer("gpt2")));
}

/// A directory with `vocab.json` and `merges.txt` in the place of the `tokenizer.json` of a kind.
fn in_older_files(kind: &str, class: &str) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let directory = fixture::dir("tokenizers").join(kind);
    let tokenizer = json(&directory.join("tokenizer.json"));
    let mut vocabulary = tokenizer["model"]["vocab"].clone();
    for token in tokenizer["added_tokens"].as_array().unwrap() {
        vocabulary[token["content"].as_str().unwrap()] = token["id"].clone();
    }
    let merge = |merge: &Value| {
        merge.as_str().map_or_else(|| format!("{} {}", merge[0].as_str().unwrap(), merge[1].as_str().unwrap()), str::to_owned)
    };
    let merges: Vec<String> = tokenizer["model"]["merges"].as_array().unwrap().iter().map(merge).collect();
    let mut config = json(&directory.join("tokenizer_config.json"));
    config["tokenizer_class"] = class.into();
    config["additional_special_tokens"] =
        tokenizer["added_tokens"].as_array().unwrap().iter().map(|token| token["content"].clone()).collect();
    std::fs::write(place.path().join("vocab.json"), vocabulary.to_string()).unwrap();
    std::fs::write(place.path().join("merges.txt"), format!("#version: 0.2\n{}\n", merges.join("\n"))).unwrap();
    std::fs::write(place.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    place
}

#[test]
fn older_files_of_a_vocabulary_give_the_ids_of_transformers() {
    for (kind, class) in [("gpt2", "GPT2Tokenizer"), ("qwen", "Qwen2TokenizerFast")] {
        let tokenizer = Tokenizer::load(in_older_files(kind, class).path()).unwrap();
        let expected = json(&fixture::dir("tokenizers").join(kind).join("expected.json"));
        for (at, text) in texts().iter().enumerate() {
            let plain = ids(&expected["ids"][at]);
            assert_eq!(tokenizer.encode_lossy(text, false).unwrap(), plain, "{kind}: {text:?}");
            assert_eq!(tokenizer.encode_lossy(text, true).unwrap(), ids(&expected["special"][at]), "{kind}: {text:?}");
            assert_eq!(tokenizer.decode(&plain).unwrap(), expected["decoded"][at].as_str().unwrap_or(text), "{kind}: {text:?}");
        }
    }
}

#[test]
fn added_tokens_of_older_files_are_those_of_transformers() {
    for (kind, class, first) in [("gpt2", "GPT2Tokenizer", 377), ("qwen", "Qwen2Tokenizer", 379)] {
        let place = in_older_files(kind, class);
        let add = |tokens: Value| std::fs::write(place.path().join("added_tokens.json"), tokens.to_string()).unwrap();
        add(json!({"<|y|>": first, "<|x|>": first + 1}));
        let tokenizer = Tokenizer::load(place.path()).unwrap();
        let ids = tokenizer.encode("a<|x|>b <|y|> c", false).unwrap();
        assert_eq!(ids, [64, first + 1, 65, 220, first, 280], "{kind}");
        // They have no name, so they are shown.
        assert_eq!(tokenizer.decode(&ids).unwrap(), "a<|x|>b <|y|> c");
        for wrong in [json!({"<|x|>": first + 5}), json!({"<|x|>": 3}), json!({"<|x|>": first, "<|y|>": first})] {
            add(wrong);
            let message = Tokenizer::load(place.path()).unwrap_err().to_string();
            assert!(message.contains("added_tokens.json: token \"<|") && message.contains("but it would get"), "{message}");
        }
    }
}

#[test]
fn faults_of_older_files_name_the_file() {
    let place = in_older_files("gpt2", "GPT2Tokenizer");
    let file = |name: &str| place.path().join(name);
    let merges = std::fs::read(file("merges.txt")).unwrap();
    std::fs::write(file("merges.txt"), [b"\xef\xbb\xbf", &*merges].concat()).unwrap();
    assert!(Tokenizer::load(place.path()).is_ok(), "a byte order mark is no part of the merges");
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 4567\n";
    let vocabulary = std::fs::read_to_string(file("vocab.json")).unwrap();
    for (name, content, said) in [
        ("merges.txt", pointer.to_owned(), "merges.txt: is a Git LFS pointer"),
        ("merges.txt", "#version: 0.2\na Zqx\n".to_owned(), "merges.txt: line 2: \"a Zqx\" is no merge"),
        ("vocab.json", pointer.to_owned(), "vocab.json: is a Git LFS pointer"),
        ("vocab.json", vocabulary.replacen(":64,", ":-1,", 1), "vocab.json: token \"a\" has the id -1"),
    ] {
        let before = std::fs::read(file(name)).unwrap();
        std::fs::write(file(name), content).unwrap();
        let message = Tokenizer::load(place.path()).unwrap_err().to_string();
        assert!(message.contains(said), "{message}");
        std::fs::write(file(name), before).unwrap();
    }
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("tokenizer.model"), pointer).unwrap();
    let message = Tokenizer::load(other.path()).unwrap_err().to_string();
    assert!(message.contains("tokenizer.model: is a Git LFS pointer"), "{message}");
}

#[test]
fn an_end_token_that_is_none_is_an_error() {
    let place = fixture::copy("tokenizers/gpt2");
    for (name, content, said) in [
        ("tokenizer_config.json", r#"{"eos_token": "nope"}"#, "tokenizer.json: has no token \"nope\""),
        ("tokenizer_config.json", r#"{"eos_token": ""}"#, "tokenizer.json: has no token \"\""),
        ("tokenizer_config.json", r#"{"eos_token": 5}"#, "tokenizer_config.json: key \"eos_token\": 5 is no token; expected its text"),
        ("special_tokens_map.json", r#"{"bos_token": {"x": 1}}"#, "special_tokens_map.json: key \"bos_token\": {\"x\":1} is no token"),
    ] {
        let before = std::fs::read(place.path().join(name)).ok();
        std::fs::write(place.path().join(name), content).unwrap();
        let message = Tokenizer::load(place.path()).unwrap_err().to_string();
        assert!(message.contains(said), "{message}");
        std::fs::write(place.path().join(name), before.unwrap_or_else(|| b"{}".to_vec())).unwrap();
    }
}

#[test]
fn files_beside_the_tokenizer_are_objects() {
    for name in ["tokenizer_config.json", "special_tokens_map.json", "generation_config.json"] {
        for content in ["[]", "\"x\"", "5"] {
            let place = fixture::copy("tokenizers/gpt2");
            let config = r#"{"eos_token": "<|endoftext|>"}"#;
            std::fs::write(place.path().join("tokenizer_config.json"), config).unwrap();
            std::fs::write(place.path().join(name), content).unwrap();
            let message = Tokenizer::load(place.path()).unwrap_err().to_string();
            assert!(message.contains(name) && message.contains("expected a JSON object"), "{message}");
        }
    }
}

#[test]
fn vocabularies_that_are_not_read_are_refused_with_the_command_that_converts_them() {
    let place = tempfile::tempdir().unwrap();
    let message = |place: &Path| Tokenizer::load(place).unwrap_err().to_string();
    assert!(
        message(place.path()).contains("tokenizer.json: is missing, and so are vocab.json and merges.txt"),
        "{}",
        message(place.path())
    );
    for name in ["tokenizer.model", "tekken.json"] {
        std::fs::write(place.path().join(name), "").unwrap();
        let said = message(place.path());
        assert!(said.contains(name) && said.contains("AutoTokenizer.from_pretrained("), "{said}");
        std::fs::remove_file(place.path().join(name)).unwrap();
    }
    let other = in_older_files("gpt2", "RobertaTokenizer");
    assert!(message(other.path()).contains("vocab.json and merges.txt of the class RobertaTokenizer, which is not read"));
    let damaged = in_older_files("gpt2", "GPT2Tokenizer");
    std::fs::write(damaged.path().join("vocab.json"), "[]").unwrap();
    assert!(message(damaged.path()).contains("vocab.json: expected an object of tokens and ids"), "{}", message(damaged.path()));
}
