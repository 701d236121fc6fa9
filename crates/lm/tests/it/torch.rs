//! Weights in PyTorch's own format: every layout is read, and nothing in a pickle is executed.

use crate::fixture;
use starloop_lm::checkpoint::{Checkpoint, weights_sha256};
use std::io::Write;
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A directory with the tiny model's config and files of the fixture under other names.
fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for (from, to) in files.iter().chain(&[("config.json", "config.json")]) {
        std::fs::copy(fixture::dir("torch").join(from), place.path().join(to)).unwrap();
    }
    place
}

fn sharded() -> tempfile::TempDir {
    let names = ["shard-1.bin", "shard-2.bin", "pytorch_model.bin.index.json"];
    directory(&names.map(|name| (name, name)))
}

fn refused(place: &Path) -> String {
    fixture::chain(&Checkpoint::load(place).unwrap_err())
}

#[test]
fn every_form_holds_the_same_weights() {
    let expected = Checkpoint::load(&fixture::dir("torch")).unwrap().widened().parameters;
    for place in [directory(&[("plain.bin", "pytorch_model.bin")]), directory(&[("views.bin", "pytorch_model.bin")]), sharded()] {
        assert_eq!(Checkpoint::load(place.path()).unwrap().widened().parameters, expected);
    }
}

#[test]
fn safetensors_are_preferred() {
    let place = directory(&[("model.safetensors", "model.safetensors")]);
    std::fs::write(place.path().join("pytorch_model.bin"), "damaged").unwrap();
    Checkpoint::load(place.path()).unwrap();
}

#[test]
fn the_hash_runs_over_the_shards() {
    let place = sharded();
    let bytes = ["shard-1.bin", "shard-2.bin"].map(|name| std::fs::read(place.path().join(name)).unwrap()).concat();
    assert_eq!(weights_sha256(place.path()).unwrap(), starloop_lm::checkpoint::sha256(&bytes));
}

#[test]
fn a_tied_head_is_passed_over_only_where_it_is_tied() {
    let place = directory(&[("plain.bin", "pytorch_model.bin")]);
    let path = place.path().join("config.json");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, config.replace("\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false")).unwrap();
    let untied = Checkpoint::load(place.path()).unwrap();
    assert_eq!(untied.parameters.last(), untied.parameters.first());
}

#[test]
fn damaged_shards_are_named() {
    for (damage, expected) in [
        (
            &(|dir: &Path| std::fs::remove_file(dir.join("shard-2.bin")).unwrap()) as &dyn Fn(&Path),
            "1 of 2 shards are not there: shard-2.bin",
        ),
        (&|dir| copy(dir, "shard-1.bin", "shard-2.bin"), "is not in shard-2.bin, where the index puts it"),
        (&|dir| edit(dir, "model.norm.weight", "model.norm.wight"), "tensor \"model.norm.wight\" is not in shard-2.bin"),
        (&|dir| edit(dir, "shard-2.bin", "../shard-2.bin"), "expected the name of a file beside the index"),
        (&|dir| edit(dir, "\"shard-2.bin\"", "\"..\""), "expected the name of a file beside the index"),
        (&|dir| edit(dir, "weight_map", "weights"), "key \"weight_map\" is missing"),
        (&|dir| edit(dir, "{", "["), "line 2"),
        (&|dir| copy(dir, "shard-1.bin", "pytorch_model.bin"), "there is also"),
    ] {
        let place = sharded();
        damage(place.path());
        let message = refused(place.path());
        assert!(message.contains(expected) && message.contains("pytorch_model.bin"), "{message}");
    }
    let message = refused(directory(&[]).path());
    assert!(message.contains("holds no weights; expected one of model.safetensors, "), "{message}");
}

fn copy(dir: &Path, from: &str, to: &str) {
    std::fs::copy(dir.join(from), dir.join(to)).unwrap();
}

fn edit(dir: &Path, from: &str, to: &str) {
    let path = dir.join("pytorch_model.bin.index.json");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from));
    std::fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn files_that_are_no_archives_are_told_apart() {
    for (bytes, expected) in [
        (&b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9 and so on"[..], "before 1.6"),
        (b"version https://example.invalid/lfs", "not a PyTorch file"),
        (b"PK", "not a PyTorch file"),
        (b"PK\x03\x04 cut off", "not a complete PyTorch file"),
    ] {
        let place = directory(&[]);
        std::fs::write(place.path().join("pytorch_model.bin"), bytes).unwrap();
        let message = refused(place.path());
        assert!(message.contains(expected) && message.contains("pytorch_model.bin"), "{message}");
    }
    let place = directory(&[("plain.bin", "pytorch_model.bin")]);
    let path = place.path().join("pytorch_model.bin");
    let bytes = std::fs::read(&path).unwrap();
    // One bit of a storage.
    let mut flipped = bytes.clone();
    let at = bytes.windows(6).position(|window| window == b"data/0").unwrap() + 100;
    flipped[at] ^= 1;
    std::fs::write(&path, flipped).unwrap();
    assert!(refused(place.path()).contains("checksum"), "{}", refused(place.path()));
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(refused(place.path()).contains("not a complete PyTorch file"));
}

/// A checkpoint directory whose weights are this pickle and this one storage.
fn archive(pickle: &[u8], storage: &[u8], compression: CompressionMethod) -> tempfile::TempDir {
    archive_of(&[("data.pkl", pickle), ("data/0", storage)], compression)
}

fn archive_of(entries: &[(&str, &[u8])], compression: CompressionMethod) -> tempfile::TempDir {
    let place = directory(&[]);
    let mut zip = ZipWriter::new(std::fs::File::create(place.path().join("pytorch_model.bin")).unwrap());
    for (name, bytes) in entries {
        zip.start_file(format!("archive/{name}"), SimpleFileOptions::default().compression_method(compression)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    place
}

fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

/// The pickled entry of a float tensor over storage 0, which is said to have so many elements.
fn tensor(name: &str, shape: &[u8], strides: &[u8], elements: u8) -> Vec<u8> {
    let storage = [b"(", &text("storage")[..], b"ctorch\nFloatStorage\n", &text("0"), &text("cpu"), &[b'K', elements], b"tQ"].concat();
    [&text(name)[..], b"ctorch._utils\n_rebuild_tensor_v2\n(", &storage, b"K\x00", shape, strides, b"\x89}tR"].concat()
}

fn dictionary(entries: &[u8]) -> Vec<u8> {
    [b"\x80\x02}(", entries, b"u."].concat()
}

#[test]
fn hostile_pickles_are_refused_and_nothing_is_executed() {
    let vector = |shape: &[u8], strides: &[u8]| dictionary(&tensor("model.embed_tokens.weight", shape, strides, 32));
    let norm = |name: &str| dictionary(&[&text("x")[..], name.as_bytes(), b"(X\x02\x00\x00\x00lstR"].concat());
    let deep = [&b"\x80\x02)"[..], &b"\x85".repeat(300_000), b"."].concat();
    for (pickle, expected) in [
        (norm("cos\nsystem\n"), "it asks for \"os.system\", which no file of plain tensors needs"),
        (norm("cbuiltins\neval\n"), "\"builtins.eval\""),
        (norm("ctorch._utils\n_rebuild_sparse_tensor\n"), "\"torch._utils._rebuild_sparse_tensor\""),
        (norm("ccollections\nOrderedDict\n"), "OrderedDict cannot be called with these 1 arguments"),
        (norm("ctorch\nFloatStorage\n"), "cannot be called"),
        (b"\x80\x02X\x01\x00\x00\x00a)R.".to_vec(), "a call of a text with a tuple"),
        (deep, "expected a dictionary of tensors, found a tuple"),
        (b"\x80\x02}q\x00h\x00h\x00s.".to_vec(), "a key is a dictionary, expected a text"),
        (b"\x80\x02s.".to_vec(), "a value is used that was never made"),
        (b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.".to_vec(), "entry \"a\" is a dictionary, expected a tensor"),
        (b"\x80\x02h\x07.".to_vec(), "entry 7 of the memo is used before it is set"),
        (b"\x80\x02j\xff\xff\xff\xff.".to_vec(), "entry 4294967295 of the memo"),
        (b"\x80\x02t.".to_vec(), "no mark was set"),
        (b"\x80\x02}(NN0u.".to_vec(), "opcode 0x30"),
        (b"\x80\x02N}(0".to_vec(), "opcode 0x30"),
        (b"\x80\x04}.".to_vec(), "pickle protocol 4, expected 2"),
        (b"\x80\x02X\xff\xff\xff\xffa".to_vec(), "it ends in the middle"),
        (b"\x80\x02}".to_vec(), "it ends in the middle"),
        (b"".to_vec(), "it ends in the middle"),
        (b"\x80\x02\x8a\x09123456789.".to_vec(), "an integer of 9 bytes"),
        (b"\x80\x02\x8a\xff.".to_vec(), "it ends in the middle"),
        (b"\x80\x02cos".to_vec(), "a name has no end"),
        (b"\x80\x02NQ.".to_vec(), "a reference that is no storage's"),
        (vector(b"K\x08\x8a\x01\xff\x86", b"K\x04K\x01\x86"), "expected a size, found -1"),
        (vector(b"K\x08K\x04\x86", b"K\x01\x85"), "a tensor of 2 dimensions has 1 strides"),
        (vector(b"K\x08K\x04\x86", b"K\x05K\x01\x86"), "reach beyond its storage"),
        (vector(b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\x04\x86", b"K\x04K\x01\x86"), "reach beyond its storage"),
        (vector(b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86", b"K\x00K\x00\x86"), "reach beyond its storage"),
        (vector(b"K\x08K\x05\x86", b"K\x03K\x01\x86"), "reach beyond its storage"),
        (vector(b"K\x08K\x02\x86", b"K\x04K\x01\x86"), "has shape [8, 2], expected [8, 4]"),
        (vector(&[b"(".to_vec(), b"K\x01".repeat(65), b"t".to_vec()].concat(), b")"), "a tensor of 65 dimensions"),
    ] {
        let message = refused(archive(&pickle, &[0; 128], CompressionMethod::Stored).path());
        assert!(message.contains(expected) && message.contains("pytorch_model.bin"), "expected {expected}: {message}");
    }
}

#[test]
fn archives_that_torch_would_not_write_are_refused() {
    let whole = dictionary(&tensor("model.embed_tokens.weight", b"K\x08K\x04\x86", b"K\x04K\x01\x86", 32));
    for (entries, expected) in [
        (vec![("data.pkl", &whole[..]), ("data/0", &[0; 127])], "its storage archive/data/0 has 127 bytes, expected 128"),
        (vec![("data.pkl", &whole), ("data/0", &[0; 129])], "archive/data/0 has 129 bytes, expected at most 128"),
        (vec![("data.pkl", &whole)], "archive/data/0"),
        (vec![("code.py", &whole)], "holds no data.pkl"),
        (vec![("data.pkl", &whole), ("byteorder", b"big"), ("data/0", &[0; 128])], "big-endian"),
    ] {
        let message = refused(archive_of(&entries, CompressionMethod::Stored).path());
        assert!(message.contains(expected), "expected {expected}: {message}");
    }
}
