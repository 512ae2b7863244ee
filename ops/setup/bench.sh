#!/usr/bin/env bash
# First figures, reported and not gated: bench.sh consensus|plans. One JSON object a
# line goes to standard output, and dated to target/bench; the rest to standard error.
# BENCH_SECONDS, BENCH_ROUNDS, BENCH_KILLS, BENCH_IDLE_SECONDS, BENCH_CLICKS make a
# shorter run.
set -euo pipefail
cd "$(dirname "$0")/../.."
. ops/setup/say.sh

case ${1:-} in
consensus | plans) ;;
*) not_started "没有名为 ${1:-} 的性能测试，可用：consensus，plans" \
    "there is no benchmark ${1:-}; there are: consensus, plans" ;;
esac

# A network namespace of one's own takes root, or a system that lets anyone have one.
alone=(unshare --net)
[[ $(id -u) == 0 ]] || alone=(unshare --user --map-root-user --net)

{
    bash ops/setup/packages.sh bench
    bash ops/setup/setup.sh run
    # By itself, as in accept.sh: no planted bug gets into what is measured.
    cargo build -p weir -p weir-fakes --locked --release
    cargo build -p weir-tests --bin bench --locked --release
    "${alone[@]}" ip link set lo up || not_started \
        "本机不允许新建网络命名空间，请以 root 运行" \
        "this machine gives out no network namespace; run this as root"
} >&2

# The stories' harness finds `weir` one folder above the program that runs.
ln -f target/release/bench target/release/deps/bench
bench=target/release/deps/bench
# Where /tmp is memory, a sync there would cost nothing.
export TMPDIR=${TMPDIR:-/var/tmp}

# Alone there, so that whatever its loopback device carries is Weir's.
by_itself() {
    "${alone[@]}" bash -c 'ip link set lo up && exec "$0" "$@"' "$bench" "$@"
}

case $1 in
consensus)
    "$bench" write failover
    by_itself satellite
    ;;
# The harness finds the flood-night directory from there, as under cargo.
plans) CARGO_MANIFEST_DIR=$PWD/tests by_itself plans ;;
esac
