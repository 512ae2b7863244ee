#!/usr/bin/env bash
# Every fuzz target of tests/fuzz for FUZZ_SECONDS (30) each; FUZZ=name for one
# of them. What was learned is kept in target/corpus, a crash in target/crashes.
set -euo pipefail
cd "$(dirname "$0")/../.."
. ops/setup/say.sh

seconds=${FUZZ_SECONDS:-30}
bash ops/setup/setup.sh run
if ! cargo fuzz --version >/dev/null 2>&1; then
    say "正在安装 cargo-fuzz" "Installing cargo-fuzz"
    CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off \
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 cargo install --locked cargo-fuzz@0.13.2 ||
        not_started "cargo-fuzz 安装失败，原因见上" "cargo-fuzz did not install; the reason stands above"
fi

# Coverage and sanitizer flags are unstable; this lets the stable compiler take them.
export RUSTC_BOOTSTRAP=1
fuzz=(--fuzz-dir tests/fuzz)
targets=${FUZZ:-$(cargo fuzz list "${fuzz[@]}")}
for target in $targets; do
    say "模糊测试 $target，$seconds 秒" "Fuzzing $target for $seconds s"
    mkdir -p "target/corpus/$target" "target/crashes/$target"
    cargo fuzz run "${fuzz[@]}" --target-dir target/fuzz "$target" "target/corpus/$target" -- \
        -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 \
        -artifact_prefix="$PWD/target/crashes/$target/" -verbosity=0 -print_final_stats=1
done
say "没有发现崩溃：$(tr '\n' ' ' <<<"$targets")" "no crash found: $(tr '\n' ' ' <<<"$targets")"
