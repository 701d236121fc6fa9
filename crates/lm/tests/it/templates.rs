//! Templates with the constructs of published ones: their text, the end of a turn, their budget and what cannot be read.

use crate::fixture;
use serde_json::{Value, json};
use starloop_lm::Tokenizer;
use starloop_lm::files::chat::{ChatTemplate, Message};
use starloop_lm::model::PromptEncoder;
use std::collections::BTreeMap;
use std::time::Instant;

/// The conversations of `expected.json` with which `styles.json` was made.
const FEW: [usize; 6] = [0, 1, 2, 4, 5, 10];

/// A template with the tokens of a tokenizer's config.
fn template(source: &str, config: Value) -> starloop_lm::Result<ChatTemplate> {
    let mut config = config;
    config["chat_template"] = source.into();
    ChatTemplate::from_files(&BTreeMap::from([("tokenizer_config.json".into(), config.to_string().into_bytes())])).map(Option::unwrap)
}

fn read(source: &str) -> starloop_lm::Result<ChatTemplate> {
    template(source, json!({"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}))
}

fn render(source: &str) -> String {
    read(source).unwrap().render(&[Message::new("user", "hi")], false).unwrap()
}

/// The name and the source of each template of `styles.txt`.
fn styles() -> BTreeMap<String, String> {
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
fn a_template_has_a_budget() {
    let endless =
        "{% for a in range(100000) %}{% for b in range(100000) %}{% for c in range(100000) %}{% endfor %}{% endfor %}{% endfor %}";
    for source in [
        endless,
        "{% for a in range(100000) %}{{ 'a' * 1000 }}{% endfor %}",
        "{{ '%2000000000d' | format(1) }}",
        "{{ '%2000000000d' % 1 }}",
        "{{ '%.2000000000f' % 1.5 }}",
        "{{ '{:2000000000}'.format(1) }}",
        "{{ 'a' | indent(2000000000, true) }}",
        "{{ {'a': 1} | tojson(indent=2000000000) }}",
        "{% set x = 'a' * 50000000 %}{{ x | replace('a', x) }}",
        "{% set x = 'a' * 50000000 %}{{ x.replace('a', x) }}",
        "{{ range(100000) | join('a' * 1000000) }}",
        "{{ ('a' * 1000000).join(range(100000)) }}",
        "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
        "{% set ns = namespace(x='a') %}{% for i in range(100) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{{ range(100000) | map('string') | list | batch(1) | list | tojson * 1000 }}",
    ] {
        let begun = Instant::now();
        let error = read(&format!("\n{source}")).unwrap().render(&[Message::new("user", "hi")], false).unwrap_err().to_string();
        assert!(error.starts_with("tokenizer_config.json: ") && error.contains("(in chat_template:2)"), "{source}: {error}");
        assert!(begun.elapsed().as_secs() < 10, "{source}: {:?}", begun.elapsed());
    }
}

#[test]
fn all_work_counts_against_the_budget() {
    let doubled = |double: &str| {
        format!(
            "{{% macro f(x, n) %}}{{% if n %}}{{{{ f({double}, n - 1) }}}}{{% else %}}{{{{ x }}}}{{% endif %}}{{% endmacro %}}{{{{ f([1], 40) }}}}"
        )
    };
    let doubles = ["x + x", "x * 2", "[x, x]", "(x, x)", "{1: x, 2: x}", "dict(a=x, b=x)", "[x, x]|sum(start=[])"].map(doubled);
    let repeated = |work: &str| {
        let values = "{% set y = 'a' * 900000 %}{% set z = 'a' * 900000 %}{% set l = [y, z] %}{% set d = {y: 1} %}{% set r = range(90000) | list %}\
                      {% set rows = [{'k': y}, {'k': z}] %}";
        format!("{values}{{% for i in range(90000) %}}{{% set x = {work} %}}{{% endfor %}}")
    };
    let works = [
        "y is upper",
        "y is lower",
        "y is eq z",
        "y is sameas z",
        "{y: 1}",
        "d[y]",
        "d.get(y)",
        "y in d",
        "y == z",
        "y != z",
        "y < z",
        "y in [z]",
        "y.find('aaaaab')",
        "'b'.find(y)",
        "y.strip('b')",
        "'a'.replace(y, 'b')",
        "'a' | replace(y, 'b')",
        "y.isupper()",
        "y.count('b')",
        "l | sort",
        "l | unique | list",
        "l | max",
        "[l] | map('sort') | list",
        "rows | groupby('k')",
        "rows | sort(attribute='k')",
        "l.index(z)",
        "rows | selectattr('k', 'eq', 'a' ~ z) | list",
        "l | select('equalto', z) | list",
        "l.count(z)",
        "l == [z, y]",
        "r == range(90000) | list",
        "r[::-1]",
        "r[1:]",
        "r | reverse",
        "r | batch(2) | list",
        "r | slice(2) | list",
        "r | tojson",
        "r | string",
        "r ~ ''",
        "r | sum",
        "r | list",
        "r | map('string') | first",
        "'%s' % [r]",
        "r | join",
        "','.join(r | map('string'))",
        "99999 in r",
        "y[-1]",
        "y[899999]",
        "loop.changed(y)",
        "[1] | map(attribute=y) | list",
        "y.split()",
        "y | wordcount",
        "y | int",
        "y | e",
        "y | striptags",
        "y.isalpha()",
        "dict(l | batch(2))",
        "namespace(d)",
        "y % ()",
        "y.splitlines()",
        "range(100000) | last",
        "range(100000)[99999]",
        "y.ljust(10000000)",
        "'a'.zfill(10000000)",
    ]
    .map(repeated);
    let loops = [
        "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x | length }}",
        "{% set y = 'a' * 900000 %}{% for i in range(90000) %}{% for c in y %}{% break %}{% endfor %}{% endfor %}",
        "{% set y = {'x': range(90000) | list} %}{% macro f(x) %}{% endmacro %}{% for i in range(90000) %}{{ f(**y) }}{% endfor %}",
        "{{ 'a' * 2 ** 62 }}",
        "{{ [1] * 2 ** 62 }}",
        "{{ 'a'.ljust(2 ** 40) }}",
    ]
    .map(str::to_owned);
    for source in doubles.iter().chain(&works).chain(&loops) {
        let begun = Instant::now();
        let error = read(source).unwrap().render(&[Message::new("user", "hi")], false).map(|text| text.len()).unwrap_err().to_string();
        assert!(error.contains("engine ran out of fuel") || error.contains("more than 50 levels"), "{source}: {error}");
        assert!(begun.elapsed().as_secs() < 10, "{source}: {:?}", begun.elapsed());
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
fn values_cannot_exhaust_the_stack() {
    let rendered = |source: &str| read(source).and_then(|template| template.render(&[Message::new("user", "hi")], false));
    let (open, close) = ("[".repeat(18), "]".repeat(18));
    let again = format!("{{% set x = {open}x{close} %}}");
    for (source, said) in [
        ("{% set n = namespace() %}{% set n.x = [n] %}{{ n.x }}", "a namespace is put into another value"),
        ("{% set n = namespace() %}{%- set n.x = n -%}{{ n }}", "a namespace is put into another value"),
        ("{% set n = namespace() %}{% set n.x, n.y = 1, {'a': n} %}{{ n }}", "a namespace is put into another value"),
        ("{% set n = namespace(x=1) %}{% for i in range(100000) %}{% set n.x = [n.x] %}{% endfor %}", "more than 50 levels"),
        ("{% set n = namespace(x=1) %}{% for i in range(100000) %}{% set n.x = {'a': n.x} %}{% endfor %}", "more than 50 levels"),
        (&*format!("{{% set x = 1 %}}{}", again.repeat(1000)), "more than 50 levels"),
        (
            &*format!(
                "{{% macro f(x, n) %}}{{% if n %}}{{{{ f({open}x{close}, n - 1) }}}}{{% else %}}{{{{ x }}}}{{% endif %}}{{% endmacro %}}{{{{ f(1, 60) }}}}"
            ),
            "more than 50 levels",
        ),
        (&*format!("{{{{ {}1{} }}}}", "[".repeat(21), "]".repeat(21)), "more than 20 brackets"),
    ] {
        let error = rendered(source).unwrap_err().to_string();
        assert!(error.contains(said), "{source}: {error}");
    }
    // Published templates collect messages in a namespace.
    let usual = "{% set n = namespace(all=[], last=none) %}{% for m in messages %}{% set n.all = n.all + [{'is': m}] %}\
                 {% set n.last = m %}{% endfor %}{{ n.last.role }} {{ n.all | length }}";
    assert_eq!(rendered(usual).unwrap(), "user 1");
}

#[test]
fn long_conversations_fit_the_budget() {
    let text = "A sentence of a conversation. ".repeat(2000);
    let messages: Vec<Message> = (0..40).map(|i| Message::new(["user", "assistant"][i % 2], &text)).collect();
    for (style, source) in styles() {
        let rendered = read(&source).unwrap().render(&messages, true);
        let methods = ["python_methods", "filters"].contains(&style.as_str());
        assert!(methods || rendered.is_ok(), "{style}: {rendered:?}");
    }
}

#[test]
fn what_no_parser_can_read_is_an_error() {
    let deep = |open: &str, close: &str| open.repeat(100_000) + close;
    for source in [
        "{%}".to_owned(),
        "{{".into(),
        "{{ ' }}".into(),
        "{%- raw %}".into(),
        deep("{{ (", "}}"),
        deep("(", "") + "{{ x",
        format!("{{{{ {} }}}}", deep("(", "")),
        format!("{{{{ {} }}}}", deep("[", "")),
        format!("{{{{ {} }}}}", deep("{'a':", "")),
        format!("{{{{ {} }}}}", deep("not ", "x")),
        format!("{{{{ {} }}}}", deep("-", "x")),
        format!("{{{{ {} }}}}", deep("a if b else ", "x")),
        format!("{{{{ {} }}}}", deep("'a' % (", "x")),
        format!("{{{{ {}x }}}}", deep("f(", "")),
        deep("{% if a %}", ""),
        deep("{% for a in b %}", ""),
        deep("{% generation %}", ""),
        deep("{% macro m() %}", ""),
        format!("{{{{ 'a'{} }}}}", " ~ 'a'".repeat(20_000)),
        format!("{{{{ 'a'{} }}}}", "|trim".repeat(20_000)),
        "a".repeat((1 << 20) + 1),
    ] {
        let shown: String = source.chars().take(20).collect();
        let error = read(&source).map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with("tokenizer_config.json: "), "{shown}: {error}");
    }
}

#[test]
fn the_stack_holds_the_longest_chains() {
    for (chain, words) in [(" ~ 'a'", 2), (" + 'a'", 2), (" and 'a'", 2), ("|trim", 2), (".strip()", 4), ("[0:]", 4), (" in 'a'", 2)] {
        let source = format!("{{{{ 'a'{} }}}}", chain.repeat(990 / words));
        let rendered = read(&source).and_then(|template| template.render(&[Message::new("user", "hi")], false));
        assert!(rendered.is_ok(), "{chain}: {rendered:?}");
    }
    let branches = |count| format!("{{% if false %}}{}{{% endif %}}", "{% elif false %}".repeat(count));
    assert_eq!(read(&branches(500)).unwrap().render(&[], false).unwrap(), "");
    let error = read(&branches(501)).unwrap_err().to_string();
    assert!(error.contains("more than 500 elif tags (line 1 of the template)"), "{error}");
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
    ] {
        assert_eq!(render(source), expected, "{source}");
    }
}

#[test]
fn a_panic_of_the_template_engine_is_an_error_of_the_file() {
    let template = read("{% for i in [1] %}{{ loop.cycle() }}{% endfor %}").unwrap();
    let error = template.render(&[Message::new("user", "hi")], false).unwrap_err().to_string();
    assert!(error.contains("the template engine failed") && error.contains("tokenizer_config.json"), "{error}");
    // Columns beyond 65,535 do not fit into the engine's counter.
    let wide = format!("{}{{{{ 'x' }}}}", "a".repeat(70_000));
    assert!(read(&wide).is_ok_and(|template| template.render(&[Message::new("user", "hi")], false).is_ok()) || read(&wide).is_err());
}
