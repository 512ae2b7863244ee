#!/usr/bin/env bash
# Holds Cargo.lock against the advisories and against deny.toml. It needs the
# network and takes what the advisories say today, so it is no part of `make test`.
set -euo pipefail
cd "$(dirname "$0")/../.."
. ops/setup/say.sh

bash ops/setup/toolchain.sh build
if ! cargo deny --version >/dev/null 2>&1; then
    say "正在安装 cargo-deny" "Installing cargo-deny"
    CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off \
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 cargo install --locked cargo-deny@0.20.2 ||
        not_started "cargo-deny 安装失败，原因见上" "cargo-deny did not install; the reason stands above"
fi

cargo deny --locked check --hide-inclusion-graph bans licenses sources
if ! cargo deny --locked check --hide-inclusion-graph advisories; then
    say "已知漏洞检查未通过，或漏洞库（RustSec）下载不到；原因见上" \
        "advisories apply, or their database (RustSec) cannot be fetched; the reason stands above"
    exit 1
fi
