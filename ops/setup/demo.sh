#!/usr/bin/env bash
# Five nodes on this machine. On a terminal they stay up to be tried; elsewhere,
# or with SCENE=1, a scene is played and judged. The last line on standard output
# begins with PASS, FAIL or NOT STARTED; only PASS ends with 0.
#
#   SCENE=1            the scene, on a terminal too
#   LISTEN=ADDRESS     opens hq1 (console and SIP) to that address's network
#   DEMO_BREAK=NAME    breaks the nodes, to show that the judge notices:
#                      double-page, lost-fact, wrong-zone; must end in FAIL
set -euo pipefail
cd "$(dirname "$0")/../.."
. ops/setup/say.sh

# The last line, whatever went wrong before it: the reason, and where it stands.
stop() {
    printf '未启动：%s\nNOT STARTED: %s\n' "$1" "$2"
    exit 3
}

case ${DEMO_BREAK:-} in
'') features=() ;;
double-page | lost-fact | wrong-zone) features=(--features weir/planted) ;;
*) stop "DEMO_BREAK 只能是 double-page、lost-fact、wrong-zone" \
    "DEMO_BREAK may be double-page, lost-fact or wrong-zone" ;;
esac

# It says NOT STARTED itself when it can say why; one output keeps that last.
code=0
bash ops/setup/setup.sh run 2>&1 || code=$?
[[ $code != 3 ]] || exit 3
[[ $code == 0 ]] || stop "准备本机失败，原因见上" "set-up failed; the reason stands above"

cargo build --locked --profile weir -p weir -p weir-fakes -p weir-tests --bins "${features[@]}" ||
    stop "编译失败，原因见上" "the build failed; the reason stands above"

# In place of this shell, so that Ctrl-C and kill reach the demo itself.
exec target/weir/demo
