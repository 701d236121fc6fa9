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

# Two small iterations from the shipped base
smoke:
    cargo run --release -- run smoke --run-dir "$(mktemp -d)/smoke"

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
