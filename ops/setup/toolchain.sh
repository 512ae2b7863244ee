#!/usr/bin/env bash
# Sees to Rust and what comes with it: toolchain.sh build|test. It never
# replaces a Rust that is there; it says which one is needed.
set -euo pipefail
cd "$(dirname "$0")/../.."
. ops/setup/say.sh

purpose=${1:-build}
needed=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
# The version this was tried with; without self-update, which pulls in a TLS stack.
nextest=cargo-nextest@0.9.143

get_rust_zh="请到 https://rustup.rs 安装，或运行 rustup update stable"
get_rust_en="get it at https://rustup.rs, or run: rustup update stable"

command -v rustc >/dev/null && command -v cargo >/dev/null || not_started \
    "没有找到 Rust（需要 $needed 或更新）；$get_rust_zh" \
    "there is no Rust here ($needed or newer is needed); $get_rust_en"

found=$(rustc --version | sed -n 's/^rustc \([0-9]*\.[0-9]*\).*/\1/p')
oldest=$(printf '%s\n%s\n' "$needed" "$found" | sort -V | head -n 1)
[[ $oldest == "$needed" ]] || not_started \
    "Rust $found 太旧，需要 $needed 或更新；$get_rust_zh" \
    "Rust $found is too old, $needed or newer is needed; $get_rust_en"

[[ $purpose == test ]] || exit 0

for component in rustfmt clippy; do
    tool=cargo-${component/rustfmt/fmt}
    cargo "${tool#cargo-}" --version >/dev/null 2>&1 && continue
    say "正在安装 $component" "Installing $component"
    command -v rustup >/dev/null && rustup component add "$component" || not_started \
        "缺少 $component，请运行 rustup component add $component" \
        "$component is missing; run: rustup component add $component"
done

cargo nextest --version >/dev/null 2>&1 && exit 0
say "正在安装 cargo-nextest（双核约 5 分钟）" "Installing cargo-nextest (about 5 minutes on two cores)"
# It only starts tests: a quick build is worth more than a fast binary.
CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off \
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    cargo install --locked --no-default-features --features default-no-update "$nextest" ||
    not_started "cargo-nextest 安装失败，原因见上" "cargo-nextest did not install; the reason stands above"
