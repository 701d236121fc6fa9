//! Pipes and devices in place of the files of a checkpoint.

use crate::fixture;
use starloop_lm::LanguageModel;
use starloop_lm::checkpoint::Checkpoint;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_pipe_or_a_device_in_a_checkpoint_is_not_opened() {
    for name in [
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "chat_template.jinja",
        "adapter_config.json",
        "model.safetensors",
    ] {
        for make in [make_pipe as fn(&Path), |path: &Path| symlink("/dev/zero", path).unwrap()] {
            let copy = fixture::copy("llama-tiny");
            let path = copy.path().join(name);
            // Not every fixture has every file.
            let _ = std::fs::remove_file(&path);
            make(&path);
            let error = LanguageModel::load(copy.path()).unwrap_err().to_string();
            let said = ["is a pipe or a device, expected a regular file", "is a link to /dev/zero, which is not in the directory"];
            assert!(error.contains(name) && said.iter().any(|said| error.contains(said)), "{name}: {error}");
        }
    }
    let copy = fixture::copy("llama-tiny");
    std::fs::remove_file(copy.path().join("model.safetensors")).unwrap();
    make_pipe(&copy.path().join("pytorch_model.bin"));
    assert!(LanguageModel::load(copy.path()).unwrap_err().to_string().contains("pytorch_model.bin: is a pipe"));
    let gguf = copy.path().join("model.gguf");
    make_pipe(&gguf);
    assert!(Checkpoint::load_gguf(&gguf).unwrap_err().to_string().contains("model.gguf: is a pipe"));
}
