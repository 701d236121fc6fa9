//! Data sets over the network: from their authors, from a mirror, and from the hub.

use super::model::Model;
use super::{hub, names};
use crate::server::{Reply, Server};
use starloop_core::error::with_causes;
use starloop_core::external::data_source::DataSource;
use starloop_core::external::fetch::dataset::{DATASETS, PublishedDataset, PublishedFile};
use starloop_core::external::hub_cache::HubName;

/// A data set of one small file.
fn small(address: &str) -> PublishedDataset {
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let files = Box::leak(Box::new([PublishedFile { name: "abc.jsonl", size: 3, sha256 }]));
    PublishedDataset { name: "small", address: String::from(address).leak(), files }
}

#[test]
fn data_comes_from_its_authors_or_a_mirror_and_is_checked() {
    let server = Server::start(|request| match request.path.as_str() {
        "/authors/abc.jsonl" | "/mirror/small/abc.jsonl" => Reply::file(request, b"abc"),
        "/wrong/small/abc.jsonl" => Reply::file(request, b"abd"),
        _ => Reply::status(404),
    });
    let (dataset, place) = (small(&format!("{}/authors", server.address)), tempfile::tempdir().unwrap());
    let fetch = |address: Option<&str>, out: &str| {
        let address = address.map(|path| format!("{}{path}", server.address));
        dataset.fetch(&place.path().join(out), address.as_deref(), &mut |_| {}).map_err(|error| with_causes(&error))
    };
    for (address, out) in [(None, "data/one"), (Some("/mirror/"), "data/two")] {
        fetch(address, out).unwrap();
        assert_eq!(std::fs::read(place.path().join(out).join("abc.jsonl")).unwrap(), b"abc");
    }
    let asked = server.seen().len();
    fetch(None, "data/one").unwrap();
    assert_eq!(server.seen().len(), asked, "what is there is checked and kept");

    let message = fetch(Some("/wrong"), "three").unwrap_err();
    assert!(message.contains("/wrong/small/abc.jsonl: its SHA-256 is a52d159f") && message.contains("was refused"), "{message}");
    let message = fetch(Some("/nothing"), "three").unwrap_err();
    assert!(message.contains("HTTP 404"), "{message}");
    assert!(!place.path().join("three").exists());

    std::fs::write(place.path().join("data/one/abc.jsonl"), "abx").unwrap();
    let message = fetch(None, "data/one").unwrap_err();
    assert!(message.contains("abc.jsonl: its SHA-256 is ") && message.contains("remove its directory"), "{message}");
    std::fs::remove_file(place.path().join("data/one/abc.jsonl")).unwrap();
    assert!(fetch(None, "data/one").unwrap_err().contains("is not there"));
}

#[test]
fn the_published_files_are_pinned() {
    for file in DATASETS.iter().flat_map(|dataset| dataset.files) {
        assert!(file.sha256.len() == 64 && file.sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) && file.size > 100_000, "{file:?}");
    }
}

#[test]
fn a_data_set_comes_with_its_folders_and_is_then_read_by_its_name() {
    let rows = "q,a\n1,2\n";
    let files = Model::new(&["README.md", ".gitattributes", "picture.png"]).set("main/train-00000.csv", rows).set("other/train.csv", rows);
    let server = Server::start(move |request| files.answer_as_dataset(request));
    let place = tempfile::tempdir().unwrap();
    let name = HubName::parse("org/tiny").unwrap();
    let get = |config: Option<&str>, out: &str| hub(&server, &[]).fetch_dataset(&name, config, &place.path().join(out), &mut |_| {});
    assert_eq!(get(None, "all").unwrap().files, ["main/train-00000.csv", "other/train.csv", "README.md"]);
    assert_eq!(get(Some("main"), "main").unwrap().files, ["main/train-00000.csv", "README.md"]);
    assert_eq!(names(&place.path().join("main")), ["README.md", "main"]);
    let source = DataSource::new(place.path().join("all"), Some("main".to_owned()), None);
    assert_eq!(source.rows("train").unwrap().count(), 1);
    let missing = with_causes(&get(Some("third"), "third").unwrap_err());
    assert!(missing.contains("org/tiny: the data set has no file of the configuration \"third\" that can be read"), "{missing}");
    let again = get(None, "all").unwrap_err().to_string();
    assert!(again.contains("exists already"), "{again}");
    let offline = hub(&server, &[("HF_HUB_OFFLINE", "1")]).fetch_dataset(&name, None, &place.path().join("new"), &mut |_| {});
    assert!(offline.unwrap_err().to_string().contains("HF_HUB_OFFLINE is set"));
}
