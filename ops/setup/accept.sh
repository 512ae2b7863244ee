#!/usr/bin/env bash
# Plays a story against release binaries and prints what was seen.
# accept.sh cluster: leaders killed 20 times under load, in both profiles.
# accept.sh island: a satellite site cut off, acting alone, coming back.
# accept.sh calls: telephones; 20 calls a second for a minute, 300 of them at once.
set -euo pipefail
cd "$(dirname "$0")/../.."
. ops/setup/say.sh

case ${1:-} in
cluster) filter='test(/^failover::/)' kills=20 ;;
island) filter='test(/^island::/)' kills=5 ;;
calls) filter='test(/^calls::/)' kills=5 long_calls=1 ;;
*) not_started "没有名为 ${1:-} 的验收，可用：cluster、island、calls" \
    "there is no acceptance ${1:-}; there are: cluster, island, calls" ;;
esac

bash ops/setup/setup.sh test
# What is judged is a release. Who judges is not: the stories name the simulation,
# whose planted bugs no release may hold.
cargo build -p weir -p weir-fakes --locked --release
export WEIR_PROGRAMS=$PWD/target/release
WEIR_KILLS=$kills WEIR_LONG_CALLS=${long_calls:-} cargo nextest run -p weir-tests --locked \
    --cargo-profile weir --no-capture -E "$filter"
