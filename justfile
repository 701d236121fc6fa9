# Tasks of this project; `just` alone lists them.

default:
    @just --list

# Everything that must hold before a change lands
ci:
    .ci/run

# All tests
test:
    cargo test --workspace

# Format, lint and documentation
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Prebuilt archives for Linux, in dist/; needs `pip install cargo-zigbuild ziglang`
dist *targets:
    .ci/dist {{targets}}

# The Python package: its wheel in a fresh environment, and its tests
python *arguments:
    crates/python/test.sh {{arguments}}

# Two small iterations from the shipped base
smoke:
    cargo run --release -- run smoke --run-dir "$(mktemp -d)/smoke"

# The JSON schema of configs again, after a change of their keys or kinds
schema:
    cargo run -p starloop-core --features schema --example schema >target/schema.json
    mv target/schema.json crates/core/src/registry/schema.json

# Every benchmark beside its peers (about two hours), into docs/benchmarks.md; `venv` is a Python environment with bench/peers/requirements.txt
bench venv="venv":
    cargo build --release
    {{venv}}/bin/python bench/run.py

# The committed PyTorch fixtures again
fixtures venv="venv":
    {{venv}}/bin/python fixtures/make_fixtures.py
    {{venv}}/bin/python fixtures/make_torch_files.py
    {{venv}}/bin/python fixtures/make_tokenizers.py
    {{venv}}/bin/python fixtures/make_chat_renderings.py
    {{venv}}/bin/python fixtures/make_parquet.py
