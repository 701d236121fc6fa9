#!/usr/bin/env bash
# Builds the wheel of the Python package, installs it into a fresh environment, and runs its tests there.
#
#   crates/python/test.sh               a wheel of the debug profile, in target/ of the repository: fast to build
#   crates/python/test.sh --release     the wheel that users get
#
# Further arguments go to pytest. PYTHON names the interpreter. STARLOOP_TRL=1 also trains with TRL.
set -euo pipefail
cd "$(dirname "$0")/../.."

profile=(--profile dev --no-default-features)
if [ "${1:-}" = --release ]; then
    profile=(--release)
    shift
fi

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet "maturin>=1.9,<2" -r crates/python/tests/requirements.txt
if [ -n "${STARLOOP_TRL:-}" ]; then
    "$place/venv/bin/pip" install --quiet -r examples/python/requirements.txt
fi
"$place/venv/bin/maturin" build --quiet "${profile[@]}" --target-dir target \
    --interpreter "$place/venv/bin/python" --out "$place/wheel"
ls -l "$place"/wheel/*.whl
"$place/venv/bin/pip" install --quiet --no-deps "$place"/wheel/*.whl
"$place/venv/bin/python" -m pytest -q -p no:cacheprovider crates/python/tests "$@"
