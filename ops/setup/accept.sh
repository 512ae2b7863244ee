#!/usr/bin/env bash
# Plays a story against release binaries and prints what was seen.
# accept.sh cluster: leaders killed 20 times under load, in both profiles.
# accept.sh island: a satellite site cut off, acting alone, coming back.
set -euo pipefail
cd "$(dirname "$0")/../.."
. ops/setup/say.sh

case ${1:-} in
cluster) filter='test(/^failover::/)' kills=20 ;;
island) filter='test(/^island::/)' kills=5 ;;
*) not_started "没有名为 ${1:-} 的验收，可用：cluster、island" \
    "there is no acceptance ${1:-}; there are: cluster, island" ;;
esac

bash ops/setup/setup.sh test
# By itself, without the stories: these name the simulation, whose planted bugs no
# release may hold.
cargo build -p weir -p weir-fakes --locked --release
WEIR_KILLS=$kills cargo nextest run -p weir-tests --locked --cargo-profile release \
    --no-capture -E "$filter"
