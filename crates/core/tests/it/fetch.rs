//! Models over the network: whole or not at all, resumed, checked, and the token for the hub alone. `data` does the same for data sets.

mod data;
mod model;

use crate::server::{Reply, Request, Server};
use model::{COMMIT, Model, git_blob, sha256};
use serde_json::json;
use starloop_core::error::with_causes;
use starloop_core::external::fetch::DownloadProgress;
use starloop_core::external::fetch::dataset::PublishedDataset;
use starloop_core::external::fetch::hub::{FetchedModel, Hub};
use starloop_core::external::hub_cache::HubName;
use std::collections::BTreeMap;
use std::path::Path;
use tempfile::TempDir;

const TOKEN: &str = "hf_secret";

fn hub(server: &Server, more: &[(&str, &str)]) -> Hub {
    let all: BTreeMap<String, String> =
        more.iter().chain(&[("HF_ENDPOINT", server.address.as_str())]).map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Hub::from_environment(|name| all.get(name).cloned())
}

fn fetch(hub: &Hub, out: &Path) -> starloop_core::error::Result<FetchedModel> {
    hub.fetch_model("org/tiny", "main", out, &mut |_| {})
}

/// The message of a fetching that left nothing under the final name.
fn refused(hub: &Hub, place: &TempDir) -> String {
    let out = place.path().join("tiny");
    let message = with_causes(&fetch(hub, &out).unwrap_err());
    assert!(!out.exists());
    message
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn asked_for<'a>(seen: &'a [Request], name: &str) -> Vec<&'a Request> {
    seen.iter().filter(|request| request.path.ends_with(name)).collect()
}

#[test]
fn a_model_comes_with_what_it_needs_and_nothing_else() {
    let (model, place) = (Model::usual(), tempfile::tempdir().unwrap());
    let server = model.clone().serve();
    let out = place.path().join("deep/tiny");
    let mut last = BTreeMap::new();
    let fetched = hub(&server, &[])
        .fetch_model("org/tiny", "main", &out, &mut |DownloadProgress { file, done, size }| {
            last.insert(file.to_owned(), (done, size));
        })
        .unwrap();
    let expected = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];
    assert_eq!(fetched.commit, COMMIT);
    assert_eq!(names(&out), expected);
    for name in expected {
        assert_eq!(std::fs::read(out.join(name)).unwrap(), model.0[name]);
        assert_eq!(last[name], (model.0[name].len() as u64, model.0[name].len() as u64));
    }
    assert_eq!(names(out.parent().unwrap()), ["tiny"], "nothing unfinished is left");
    assert!(server.seen().iter().all(|request| !request.headers.contains_key("authorization")));
    assert!(fetch(&hub(&server, &[]), &out).unwrap_err().to_string().contains("exists already"));
}

#[test]
fn shards_follow_from_their_index_and_safetensors_are_preferred() {
    let index = |kind: &str| json!({"weight_map": {"a": format!("two.{kind}"), "b": format!("one.{kind}"), "c": format!("one.{kind}")}});
    let base = Model::new(&["config.json", "tokenizer.json"]);
    let safetensors = base
        .clone()
        .set("model.safetensors.index.json", index("safetensors").to_string())
        .set("one.safetensors", "1")
        .set("two.safetensors", "2")
        .set("three.safetensors", "3");
    let torch = base.clone().set("pytorch_model.bin.index.json", index("bin").to_string()).set("one.bin", "1").set("two.bin", "2");
    for (model, expected) in [
        (safetensors.clone(), &["model.safetensors.index.json", "one.safetensors", "two.safetensors"][..]),
        (safetensors.set("pytorch_model.bin", "4"), &["model.safetensors.index.json", "one.safetensors", "two.safetensors"]),
        (torch.clone(), &["one.bin", "pytorch_model.bin.index.json", "two.bin"]),
        (torch.clone().set("model.safetensors", "5"), &["model.safetensors"]),
    ] {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("tiny");
        fetch(&hub(&model.serve(), &[]), &out).unwrap();
        let got: Vec<_> = names(&out).into_iter().filter(|name| name != "config.json" && name != "tokenizer.json").collect();
        assert_eq!(got, expected);
    }
    let place = tempfile::tempdir().unwrap();
    for (shard, said) in [("../../etc/passwd", "names ../../etc/passwd"), ("four.bin", "org/tiny: four.bin: is in the index")] {
        let map = json!({"weight_map": {"a": shard}}).to_string();
        let message = refused(&hub(&base.clone().set("pytorch_model.bin.index.json", map).serve(), &[]), &place);
        assert!(message.contains(said), "{message}");
    }
}

#[test]
fn the_token_goes_to_the_hub_and_to_no_other_server() {
    let model = Model::usual();
    let elsewhere = {
        let model = model.clone();
        Server::start(move |request| Reply::file(request, &model.0[request.path.trim_start_matches("/storage/")]))
    };
    let storage = elsewhere.address.clone();
    let server = Server::start(move |request| {
        if request.path.ends_with("/model.safetensors") {
            return Reply::redirect(format!("{storage}/storage/model.safetensors"));
        }
        // A renamed model: the hub redirects to itself.
        match request.path.strip_prefix("/api/models/org/tiny/") {
            Some(rest) => Reply::redirect(format!("/moved/{rest}")),
            None => match request.path.strip_prefix("/moved/") {
                Some(rest) => model.answer(&Request { path: format!("/api/models/org/tiny/{rest}"), ..request.clone() }),
                None => model.answer(request),
            },
        }
    });
    let place = tempfile::tempdir().unwrap();
    fetch(&hub(&server, &[("HF_TOKEN", TOKEN)]), &place.path().join("tiny")).unwrap();
    assert!(server.seen().len() > 4);
    assert!(server.seen().iter().all(|request| request.headers["authorization"] == format!("Bearer {TOKEN}")));
    assert_eq!(elsewhere.seen().len(), 1);
    assert!(elsewhere.seen().iter().all(|request| !request.headers.contains_key("authorization")));
}

#[test]
fn a_token_that_was_saved_goes_to_the_hub_alone_and_is_never_shown() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("token"), format!("{TOKEN}\n")).unwrap();
    let home_variable = ("HF_HOME", home.path().to_str().unwrap());
    let server = Model::usual().serve();
    fetch(&hub(&server, &[home_variable]), &home.path().join("tiny")).unwrap();
    assert!(server.seen().iter().all(|request| !request.headers.contains_key("authorization")), "it is for the hub");
    fetch(&hub(&server, &[home_variable, ("HF_TOKEN", "hf_other")]), &home.path().join("asked")).unwrap();
    assert!(server.seen().iter().any(|request| request.headers.get("authorization").is_some_and(|sent| sent == "Bearer hf_other")));
    for endpoint in [None, Some("https://huggingface.co/")] {
        let hub = Hub::from_environment(|name| match name {
            "HF_HOME" => home.path().to_str().map(str::to_owned),
            "HF_ENDPOINT" => endpoint.map(str::to_owned),
            _ => None,
        });
        let shown = format!("{hub:?}");
        assert!(shown.contains("secret: Some(\"...\")") && !shown.contains(TOKEN), "{shown}");
    }
}

#[test]
fn a_token_that_the_hub_repeats_is_not_shown() {
    for list in [json!({ "sha": TOKEN, "siblings": [] }), json!({ "siblings": TOKEN }), json!({ "sha": [TOKEN] })] {
        let list = list.to_string();
        let server = Server::start(move |request| Reply::file(request, list.as_bytes()));
        let message = refused(&hub(&server, &[("HF_TOKEN", TOKEN)]), &tempfile::tempdir().unwrap());
        assert!(!message.contains(TOKEN) && message.contains("[API key]"), "{message}");
    }
}

#[test]
fn a_busy_hub_is_asked_again() {
    let (model, mut calls) = (Model::usual(), 0);
    let inner = model.clone().serve();
    let address = inner.address.clone();
    let server = Server::start(move |request| {
        calls += 1;
        if calls == 1 { Reply::status(429) } else { Reply::redirect(format!("{address}{}", request.path)) }
    });
    let place = tempfile::tempdir().unwrap();
    fetch(&hub(&server, &[]), &place.path().join("tiny")).unwrap();
    let busy = Server::start(|_| Reply::status(429));
    assert!(refused(&hub(&busy, &[]), &tempfile::tempdir().unwrap()).contains("the hub has too much to do; try again later"));
    assert_eq!(busy.seen().len(), 4);
}

#[test]
fn what_a_list_names_leads_nowhere_else() {
    for (sha, said) in
        [("/dev", "the commit \"/dev\""), ("../../x", "the commit \"../../x\""), ("", "the commit \"\""), ("abc", "the commit \"abc\"")]
    {
        let list = json!({ "sha": sha, "siblings": [] }).to_string();
        let server = Server::start(move |request| Reply::file(request, list.as_bytes()));
        let message = refused(&hub(&server, &[]), &tempfile::tempdir().unwrap());
        assert!(message.contains(said) && message.contains("expected 40 to 64 hexadecimal digits"), "{message}");
    }
    let place = tempfile::tempdir().unwrap();
    let hub = hub(&Model::usual().serve(), &[]);
    for (name, revision) in [("../x", "main"), ("org/tiny", "../../x"), ("/abs", "main"), ("org/tiny", "")] {
        let fetched = hub.fetch_model(name, revision, &place.path().join("out"), &mut |_| {});
        assert!(fetched.is_err_and(|error| error.to_string().contains("is not the")), "{name} {revision}");
    }
}

#[cfg(unix)]
#[test]
fn a_download_is_written_through_no_link() {
    let (model, place) = (Model::usual(), tempfile::tempdir().unwrap());
    let (secret, partial) = (place.path().join("secret"), place.path().join("tiny.partial"));
    std::fs::write(&secret, "secret").unwrap();
    std::fs::create_dir(&partial).unwrap();
    std::os::unix::fs::symlink(&secret, partial.join("config.json.partial")).unwrap();
    let server = model.clone().serve();
    let fetched = fetch(&hub(&server, &[]), &place.path().join("tiny"));
    assert_eq!(std::fs::read(&secret).unwrap(), b"secret");
    // The link is an error, or was replaced by the file.
    assert!(fetched.is_err() || std::fs::read(place.path().join("tiny/config.json")).unwrap() == model.0["config.json"]);
    std::fs::remove_dir_all(&partial).ok();
    // A link to a folder is removed, and what is in the folder stays.
    let (precious, partial) = (place.path().join("precious"), place.path().join("third.partial"));
    std::fs::create_dir_all(precious.join("sub")).unwrap();
    std::fs::write(precious.join("sub/mine"), "mine").unwrap();
    std::fs::create_dir(&partial).unwrap();
    std::os::unix::fs::symlink(&precious, partial.join("x")).unwrap();
    fetch(&hub(&server, &[]), &place.path().join("third")).unwrap();
    assert_eq!(std::fs::read(precious.join("sub/mine")).unwrap(), b"mine");
    assert!(!place.path().join("third/x").exists());
    let elsewhere = place.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, place.path().join("other.partial")).unwrap();
    let message = with_causes(&fetch(&hub(&server, &[]), &place.path().join("other")).unwrap_err());
    assert!(message.contains("other.partial` is a symbolic link") && names(&elsewhere).is_empty(), "{message}");
}

#[test]
fn servers_that_refuse_are_explained() {
    for (status, token, said) in [
        (401, false, "set HF_TOKEN to a token of yours"),
        (403, false, "if the model is gated accept its terms on its page"),
        (403, true, "the token (HF_TOKEN) does not give access"),
        (404, false, "there is no such file, model or revision; check the name"),
        (418, false, "HTTP 418"),
    ] {
        let server = Server::start(move |_| Reply::status(status));
        let variables: &[_] = if token { &[("HF_TOKEN", TOKEN)] } else { &[] };
        let message = refused(&hub(&server, variables), &tempfile::tempdir().unwrap());
        let address = format!("{}/api/models/org/tiny/revision/main?blobs=true: HTTP {status}", server.address);
        assert!(message.contains(said) && message.contains(&address), "{message}");
        assert!(!message.contains(TOKEN), "{message}");
        assert_eq!(server.seen().len(), 1, "it is not asked again");
    }
    let round = Server::start(|request| Reply::redirect(request.path.clone()));
    assert!(refused(&hub(&round, &[]), &tempfile::tempdir().unwrap()).contains("redirects"));
    let strange = Server::start(|request| Reply::file(request, b"<html>"));
    assert!(refused(&hub(&strange, &[]), &tempfile::tempdir().unwrap()).contains("the hub's list of its files cannot be read"));
}

#[test]
fn a_model_of_another_kind_is_refused_before_its_weights() {
    for (left_out, said) in [
        ("config.json", "org/tiny: config.json: is not among its files"),
        ("tokenizer.json", "org/tiny: tokenizer.json: is not among its files"),
        ("model.safetensors", "org/tiny: model.safetensors: is not among its files, nor is pytorch_model.bin"),
    ] {
        let mut model = Model::usual();
        model.0.remove(left_out);
        let server = model.serve();
        let message = refused(&hub(&server, &[]), &tempfile::tempdir().unwrap());
        assert!(message.contains(said), "{message}");
        assert_eq!(server.seen().len(), 1);
    }
}

#[test]
fn a_lost_connection_goes_on_where_it_was() {
    let (model, place) = (Model::usual(), tempfile::tempdir().unwrap());
    let weights = model.0["model.safetensors"].clone();
    let server = {
        let mut times = 0;
        Server::start(move |request| {
            let mut reply = model.answer(request);
            if request.path.ends_with("/model.safetensors") {
                times += 1;
                reply.cut = (times < 3).then_some(5000);
            }
            reply
        })
    };
    let out = place.path().join("tiny");
    fetch(&hub(&server, &[]), &out).unwrap();
    assert_eq!(std::fs::read(out.join("model.safetensors")).unwrap(), weights);
    let begins: Vec<_> = asked_for(&server.seen(), "/model.safetensors").iter().map(|request| request.from()).collect();
    assert_eq!(begins, [None, Some(5000), Some(10_000)]);
}

#[test]
fn an_interrupted_command_is_taken_up_by_the_next() {
    let (model, place) = (Model::usual(), tempfile::tempdir().unwrap());
    let (weights, out) = (model.0["model.safetensors"].clone(), place.path().join("tiny"));
    let broken = {
        let model = model.clone();
        Server::start(move |request| {
            let mut reply = model.answer(request);
            if request.path.ends_with("/model.safetensors") {
                reply.cut = Some(if request.from().is_none() { 7000 } else { 0 });
            }
            reply
        })
    };
    let message = refused(&hub(&broken, &[]), &place);
    assert!(message.contains("/model.safetensors: ") && message.contains("the same command continues from it"), "{message}");
    assert_eq!(
        names(&place.path().join("tiny.partial")),
        ["config.json", "model.safetensors.partial", "tokenizer.json", "tokenizer_config.json"]
    );
    // A file of an earlier list, which this model does not have any more.
    std::fs::write(place.path().join("tiny.partial/old.safetensors"), "x").unwrap();

    let server = model.serve();
    fetch(&hub(&server, &[]), &out).unwrap();
    assert_eq!(std::fs::read(out.join("model.safetensors")).unwrap(), weights);
    assert_eq!(names(&out), ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]);
    let seen = server.seen();
    assert_eq!(seen.len(), 2, "what was finished is not asked for again: {seen:?}");
    assert_eq!(seen[1].from(), Some(7000));
}

#[test]
fn servers_without_ranges_and_beginnings_of_other_versions_are_fetched_anew() {
    for ranges in [true, false] {
        let (model, place) = (Model::usual(), tempfile::tempdir().unwrap());
        let (weights, out) = (model.0["model.safetensors"].clone(), place.path().join("tiny"));
        std::fs::create_dir(place.path().join("tiny.partial")).unwrap();
        std::fs::write(place.path().join("tiny.partial/model.safetensors.partial"), "another version").unwrap();
        std::fs::write(place.path().join("tiny.partial/config.json"), "another version").unwrap();
        let server = Server::start(move |request| {
            let mut request = request.clone();
            if !ranges {
                request.headers.remove("range");
            }
            model.answer(&request)
        });
        fetch(&hub(&server, &[]), &out).unwrap();
        assert_eq!(std::fs::read(out.join("model.safetensors")).unwrap(), weights);
        assert_eq!(asked_for(&server.seen(), "/model.safetensors").len(), if ranges { 2 } else { 1 });
    }
}

#[test]
fn a_file_with_another_hash_is_refused() {
    for (damaged, said) in [("model.safetensors", "its SHA-256 is "), ("tokenizer.json", "its Git hash is ")] {
        let (model, place) = (Model::usual(), tempfile::tempdir().unwrap());
        let server = Server::start(move |request| {
            let mut reply = model.answer(request);
            if request.path.ends_with(damaged) {
                reply.body[100] ^= 1;
            }
            reply
        });
        let message = refused(&hub(&server, &[]), &place);
        assert!(message.contains(said) && message.contains(damaged) && message.contains("was refused"), "{message}");
        assert!(!names(&place.path().join("tiny.partial")).iter().any(|name| name.starts_with(damaged)));
    }
}

/// A cache as the hub's programs keep it, with one model.
#[cfg(unix)]
fn cache(model: &Model, at: &Path) {
    let root = at.join("models--org--tiny");
    let snapshot = root.join("snapshots").join(COMMIT);
    for directory in [&root.join("refs"), &root.join("blobs"), &snapshot] {
        std::fs::create_dir_all(directory).unwrap();
    }
    std::fs::write(root.join("refs/main"), COMMIT).unwrap();
    for (name, bytes) in model.0.iter().filter(|(name, _)| !name.contains('/')) {
        let blob = if name.ends_with("safetensors") { sha256(bytes) } else { git_blob(bytes) };
        std::fs::write(root.join("blobs").join(&blob), bytes).unwrap();
        std::os::unix::fs::symlink(Path::new("../../blobs").join(blob), snapshot.join(name)).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn the_cache_of_the_hubs_programs_is_used() {
    let (model, place) = (Model::usual(), tempfile::tempdir().unwrap());
    let cached = place.path().join("hub");
    cache(&model, &cached);
    let server = model.clone().serve();
    for (n, variables) in
        [vec![("HF_HOME", place.path().to_str().unwrap())], vec![("HF_HUB_CACHE", cached.to_str().unwrap()), ("HF_HUB_OFFLINE", "1")]]
            .iter()
            .enumerate()
    {
        let out = place.path().join(format!("tiny-{n}"));
        let fetched = fetch(&hub(&server, variables), &out).unwrap();
        assert_eq!(fetched.commit, COMMIT);
        assert_eq!(names(&out), ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]);
        assert_eq!(std::fs::read(out.join("model.safetensors")).unwrap(), model.0["model.safetensors"]);
        assert!(!out.join("model.safetensors").is_symlink());
    }
    assert_eq!(server.seen().len(), 1, "the list, the first time, and nothing else");

    let offline = hub(&server, &[("HF_HUB_CACHE", cached.to_str().unwrap()), ("HF_HUB_OFFLINE", "true")]);
    std::fs::write(cached.join("models--org--tiny/snapshots").join(COMMIT).join("model.safetensors"), "damaged").unwrap();
    assert!(refused(&offline, &place).contains("was refused"));
    let empty = hub(&server, &[("HF_HUB_CACHE", "/nowhere"), ("HF_HUB_OFFLINE", "1")]);
    let message = refused(&empty, &place);
    assert!(message.contains("HF_HUB_OFFLINE is set") && message.contains("/nowhere/models--org--tiny"), "{message}");
}

/// The same cache with plain copies, as on Windows and in some containers.
fn copied_cache(model: &Model, at: &Path) {
    let root = at.join("models--org--tiny");
    let snapshot = root.join("snapshots").join(COMMIT);
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::create_dir_all(root.join("refs")).unwrap();
    std::fs::write(root.join("refs/main"), COMMIT).unwrap();
    for (name, bytes) in model.0.iter().filter(|(name, _)| !name.contains('/')) {
        std::fs::write(snapshot.join(name), bytes).unwrap();
    }
}

#[test]
fn a_cache_of_plain_copies_is_used_offline() {
    let (model, place) = (Model::usual(), tempfile::tempdir().unwrap());
    let cached = place.path().join("hub");
    copied_cache(&model, &cached);
    let server = model.clone().serve();
    let offline = hub(&server, &[("HF_HUB_CACHE", cached.to_str().unwrap()), ("HF_HUB_OFFLINE", "1")]);
    let out = place.path().join("tiny");
    assert_eq!(fetch(&offline, &out).unwrap().commit, COMMIT);
    assert_eq!(std::fs::read(out.join("model.safetensors")).unwrap(), model.0["model.safetensors"]);
    let found = offline.find_model(&name("org/tiny")).unwrap();
    assert_eq!(found.directory, cached.join("models--org--tiny/snapshots").join(COMMIT));
    assert!(server.seen().is_empty());
    // Without one of its files, the model counts as missing.
    std::fs::remove_file(found.directory.join("model.safetensors")).unwrap();
    assert_eq!(offline.find_model(&name("org/tiny")), None);
}

fn name(text: &str) -> HubName {
    HubName::parse(text).unwrap()
}

#[test]
fn a_model_that_is_used_by_its_name_is_fetched_once() {
    let (model, place) = (Model::usual(), tempfile::tempdir().unwrap());
    let server = model.clone().serve();
    let variables = [("XDG_CACHE_HOME", place.path().to_str().unwrap())];
    let here = hub(&server, &variables);
    let wanted = name("org/tiny");
    let fetched = here.provide_model(&wanted, &mut |_| {}).unwrap();
    assert_eq!(fetched.directory, place.path().join("starloop/hub/models--org--tiny/snapshots").join(COMMIT));
    assert_eq!(names(&fetched.directory), ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]);
    let asked = server.seen().len();
    assert_eq!(here.provide_model(&wanted, &mut |_| {}).unwrap(), fetched);
    let offline = hub(&server, &[variables[0], ("HF_HUB_OFFLINE", "1")]);
    assert_eq!(offline.provide_model(&name(&format!("org/tiny@{COMMIT}")), &mut |_| {}).unwrap(), fetched);
    assert_eq!(server.seen().len(), asked, "what is there is not asked for again");

    let said = |hub: &Hub, text| with_causes(&hub.provide_model(&name(text), &mut |_| {}).unwrap_err());
    let places = format!("{}/huggingface/hub/models--org--other (revision v2), ", place.path().display());
    let message = said(&offline, "org/other@v2");
    assert!(
        message.contains("org/other@v2: no such model on this machine, and HF_HUB_OFFLINE is set") && message.contains(&places),
        "{message}"
    );
    assert!(message.contains("starloop/hub/models--org--other (revision v2)"), "{message}");
    let message = said(&here, "org/other@v2");
    assert!(message.contains("HTTP 404") && message.contains(&places), "{message}");
}

#[test]
fn without_a_network_it_says_what_to_do() {
    let place = tempfile::tempdir().unwrap();
    let nobody = Hub::from_environment(|name| (name == "HF_ENDPOINT").then(|| "http://127.0.0.1:1".into()));
    let message = refused(&nobody, &place);
    assert!(message.contains("cannot be reached") && message.contains("HF_HUB_OFFLINE=1"), "{message}");
    let out = place.path().join("gsm8k");
    let message = with_causes(&PublishedDataset::find("gsm8k").unwrap().fetch(&out, Some("http://127.0.0.1:1"), &mut |_| {}).unwrap_err());
    assert!(message.contains("without a network, put train.jsonl, test.jsonl of https://") && !out.exists(), "{message}");
}
