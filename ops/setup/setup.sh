#!/usr/bin/env bash
# Everything a fresh machine with Rust needs: setup.sh run|test. Done once, it
# does nothing for the next hundred times and needs neither root nor network.
set -euo pipefail
cd "$(dirname "$0")/../.."
. ops/setup/say.sh

purpose=${1:-test}
case $purpose in
run) groups=(build run) tools=build ;;
test) groups=(build run test) tools=test ;;
*)
    echo "setup.sh: run or test, not '$purpose'" >&2
    exit 2
    ;;
esac

# Builds survive the checkout. A folder or link that someone made stays.
link_target() {
    if [[ -L target || ! -e target ]]; then
        local kept=$weir_cache/target
        [[ -L target ]] && kept=$(readlink -m target)
        mkdir -p "$kept"
        [[ -L target ]] || ln -s "$kept" target
        return
    fi
    say "target 是一个普通文件夹，保持不变；删除后重新 make 即可使用共享缓存" \
        "target is a plain folder and stays one; remove it and run make again to share the cache"
}

started=$SECONDS
bash ops/setup/packages.sh "${groups[@]}"
bash ops/setup/toolchain.sh "$tools"
link_target
CARGO_NET_RETRY=5 cargo fetch --locked --quiet || not_started \
    "有 crate 下载不到，请检查网络或 cargo 的源设置" \
    "some crates cannot be fetched; check the network or cargo's registry settings"
fetched=$SECONDS
bash ops/setup/rocksdb.sh
# Only tests drive a browser, build the console anew and telephone.
if [[ $purpose == test ]]; then
    bash ops/setup/browser.sh
    bash ops/setup/phones.sh
fi
printf 'setup: %ss packages, tools and crates, %ss RocksDB\n' \
    $((fetched - started)) $((SECONDS - fetched))
