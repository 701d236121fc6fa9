//! `pretrain` on files of the user's.

use crate::program::{assert_same, numbers, snapshot, starloop, start, state_of, text, wait_until};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A recipe with a corpus of a few hundred short sums in words, and a paragraph or two of plain text.
pub struct Corpus {
    place: TempDir,
}

impl Corpus {
    pub fn new() -> Self {
        let corpus = Corpus { place: tempfile::tempdir().unwrap() };
        let row = |n: usize| format!("{{\"question\": \"How much is {} and {}?\", \"answer\": \"{}\"}}\n", n % 20, n / 20, n % 20 + n / 20);
        fs::write(corpus.path("sums.jsonl"), (0..300).map(row).collect::<String>()).unwrap();
        fs::write(corpus.path("notes.txt"), "One and one is two.\n\nTwo and two is four, und fünf ist ungerade.\n").unwrap();
        let recipe = format!(
            r#"
            name = "sums"
            seed = 1
            [model]
            hidden_size = 32
            num_hidden_layers = 1
            num_attention_heads = 2
            intermediate_size = 32
            max_position_embeddings = 128
            rope_theta = 10000.0
            rms_norm_eps = 1e-5
            embedding_std = 0.1
            linear_gain = 0.7
            [tokenizer]
            kind = "byte_pair"
            vocabulary = 270
            [corpus]
            kind = "text"
            [[corpus.files]]
            path = {:?}
            template = """
Q: {{{{ question }}}}
A: {{{{ answer }}}}"""
            max_rows = 3
            [[corpus.files]]
            path = {:?}
            [training]
            steps = 100
            batch_size = 4
            sequence_length = 64
            learning_rate = 0.01
            warmup_steps = 5
            checkpoint_every = 10
            "#,
            text(&corpus.path("sums.jsonl")),
            text(&corpus.path("notes.txt"))
        );
        fs::write(corpus.path("recipe.toml"), recipe).unwrap();
        corpus
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// The arguments that train into `out`.
    fn pretraining(&self, out: &Path) -> Vec<String> {
        [text(&self.path("recipe.toml")), "--quiet", "--json", "--out", text(out)].map(str::to_owned).to_vec()
    }

    /// Trains a model whose tokenizer knows every byte.
    pub fn pretrain(&self, out: &Path, more: &[&str]) -> crate::program::Outcome {
        let arguments = self.pretraining(out);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
        starloop("pretrain", &arguments)
    }
}

#[test]
fn a_model_learns_the_text_and_the_same_text_gives_the_same_model() {
    let corpus = Corpus::new();
    let (one, two) = (corpus.path("one"), corpus.path("two"));
    let outcome = corpus.pretrain(&one, &[]);
    assert!(!outcome.err.contains("warning"), "{}", outcome.err);
    let log = outcome.json();
    let (first, last) = (numbers(&log["first_losses"])[0], numbers(&log["curve"][1])[1]);
    assert!(first > 5.0 && last < 2.0, "from {first} to {last}");
    let documents: Vec<&Value> = log["text"]["files"].as_array().unwrap().iter().map(|file| &file["documents"]).collect();
    assert_eq!(documents, [150, 2]);
    assert_eq!(log["text"]["documents_cut"], 0);
    corpus.pretrain(&two, &[]).done();
    assert_same(&one, &two);
    let text = starloop("sample", &["--model", text(&one), "--prompt", "Q: How", "--max-new-tokens", "12", "--temperature", "0"]).done();
    assert!(text.contains("much is"), "{text}");
}

#[test]
fn a_training_that_is_killed_ends_in_the_same_model() {
    let corpus = Corpus::new();
    let (cut, whole) = (corpus.path("cut"), corpus.path("whole"));
    let arguments = corpus.pretraining(&cut);
    let mut child = start("pretrain", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    wait_until(&mut child, "a saved state", || state_of(&cut).is_some());
    child.kill().unwrap();
    child.wait().unwrap();
    corpus.pretrain(&cut, &[]).done();
    corpus.pretrain(&whole, &[]).done();
    assert_same(&cut, &whole);
}

#[test]
fn what_is_left_out_or_cut_is_told() {
    let corpus = Corpus::new();
    let more = ["--set", "training.steps=1", "--set", "training.sequence_length=20", "--set", "tokenizer.vocabulary=5000"];
    let outcome = corpus.pretrain(&corpus.path("out"), &more);
    for words in ["of 152 documents are longer than training.sequence_length = 20", "fewer than tokenizer.vocabulary = 5000"] {
        assert!(outcome.err.contains(words), "no {words:?} in {}", outcome.err);
    }
    assert!(outcome.json()["text"]["documents_cut"].as_u64().unwrap() > 10);
}

#[test]
fn a_model_is_kept_until_its_text_changes() {
    let corpus = Corpus::new();
    let out = corpus.path("out");
    let short = ["--set", "training.steps=2"];
    let first = corpus.pretrain(&out, &short).json();
    let before = snapshot(&out);
    assert_eq!(corpus.pretrain(&out, &short).json(), first);
    fs::write(corpus.path("notes.txt"), "Something else.").unwrap();
    corpus.pretrain(&out, &short).failed(1, &[text(&out), "notes.txt has changed", "choose another place"]);
    assert!(snapshot(&out) == before);
    let second = corpus.pretrain(&corpus.path("other"), &short).json();
    assert_ne!(second["recipe_sha256"], first["recipe_sha256"]);
}

#[test]
fn bad_text_is_told_with_file_and_line() {
    let corpus = Corpus::new();
    let broken = corpus.path("broken");
    for (content, file, said) in [
        (&b"{\"question\": \"?\"}\n"[..], "template = \"{{ answer }}\"", "line 1: the template asks for `answer`"),
        (b"\n{\"question\": \n", "template = \"{{ question }}\"", "line 2"),
        (b"good\n\xFF", "document = \"file\"", "line 2 is not UTF-8"),
        (b" \n", "document = \"paragraph\"", "holds no document"),
    ] {
        fs::write(&broken, content).unwrap();
        let files = format!("corpus.files=[{{ path = {:?}, {file} }}]", text(&broken));
        corpus.pretrain(&corpus.path("out"), &["--set", &files]).failed(1, &[text(&broken), said]);
    }
    corpus.pretrain(&corpus.path("out"), &["--set", "corpus.files=[{ path = 'nowhere.txt' }]"]).failed(2, &["nowhere.txt"]);
    assert!(!corpus.path("out").exists() && !corpus.path("out.training-state").exists());
}

#[test]
fn bad_recipes_are_told_by_their_key() {
    let corpus = Corpus::new();
    for (set, said) in [
        ("corpus.kind=txt", "`corpus.kind`: there is no kind \"txt\"; one of: arithmetic, text; did you mean \"text\"?"),
        ("corpus.files=[]", "`corpus.files`: names no file"),
        ("corpus.files=[{ path = 'x', tmplate = '' }]", "did you mean `corpus.files[0].template`?"),
        ("corpus.files=[{ path = 'x', template = '{{ a' }]", "`corpus.files[0].template`: a tag does not end"),
        ("corpus.files=[{ path = 'x', max_rows = 2 }]", "`corpus.files[0].max_rows`: is for JSON lines"),
        ("corpus.files=[{ path = 'x', template = 'y', document = 'file' }]", "`corpus.files[0].document`: is for plain text"),
        ("corpus.known_digits=2", "unknown key `corpus.known_digits`"),
        ("tokenizer.vocabulary=256", "`tokenizer.vocabulary`: must be at least 257"),
        ("tokenizer.kind=word_pair", "`tokenizer.kind`: unknown variant `word_pair`, expected `byte_pair`"),
    ] {
        corpus.pretrain(&corpus.path("out"), &["--set", set]).failed(2, &[said]);
    }
    starloop("pretrain arithmetic --set tokenizer.kind=byte_pair --set tokenizer.vocabulary=300", &[])
        .failed(2, &["`tokenizer`: the arithmetic corpus has a fixed vocabulary"]);
    let without = fs::read_to_string(corpus.path("recipe.toml")).unwrap().replace("[tokenizer]", "").replace("vocabulary = 270", "");
    fs::write(corpus.path("recipe.toml"), without.replace("kind = \"byte_pair\"", "")).unwrap();
    corpus.pretrain(&corpus.path("out"), &[]).failed(2, &["`tokenizer`: is missing", "byte_pair"]);
}
