#!/usr/bin/env bash
# Whether the code may be handed in: format, house rules, lints, pure tests.
# All four are run, so that one run names everything. It changes no file.
#
#   check.sh [--no-tests]
set -euo pipefail
cd "$(dirname "$0")/../.."
. ops/setup/say.sh

# Crates that only decide; their tests take seconds.
pure=(-p weir-model -p weir-signaling)

failed=()
run() {
    local name=$1 started=$SECONDS
    shift
    "$@" || failed+=("$name")
    printf 'check: %s, %ss\n' "$name" $((SECONDS - started))
}

# The fuzz targets are a workspace of their own.
format() {
    cargo fmt --all --check && cargo fmt --manifest-path tests/fuzz/Cargo.toml --check
}

tidy() {
    cargo build --quiet --locked --profile weir -p xtask &&
        target/weir/xtask tidy --self-test &&
        target/weir/xtask tidy
}

run format format
run tidy tidy
run console bash ops/setup/browser.sh check
run clippy cargo clippy --workspace --locked --all-targets --profile weir --quiet -- -D warnings
[[ ${1:-} == --no-tests ]] ||
    run "pure tests" cargo nextest run "${pure[@]}" --locked --cargo-profile weir --status-level fail

if [[ ${#failed[@]} -gt 0 ]]; then
    say "检查未通过：${failed[*]}" "check failed: ${failed[*]}"
    exit 1
fi
say "检查通过" "check passed"
