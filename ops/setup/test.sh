#!/usr/bin/env bash
# Set-up, check and every test, then what each stage took. The last line is
# `N passed, N failed, N skipped`; a stage before the tests that fails counts as
# one failed. It skips nothing unasked.
#
#   WEIR_SKIP=wan   leave out tests in modules named `wan`; they count as skipped
set -euo pipefail
cd "$(dirname "$0")/../.."
. ops/setup/say.sh

budget_cold_min=50
budget_warm_min=15

case ${WEIR_SKIP:-} in
'') filter='all()' ;;
wan) filter='not test(/(^|::)wan::/)' ;;
*) not_started "WEIR_SKIP 只能是 wan" "WEIR_SKIP may only be wan" ;;
esac

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

stages=()
note() {
    stages+=("$(printf '%6s min  %s' "$(minutes "$2")" "$1")")
}

# The end: what each stage took, then the counts.
finish() {
    local code=$1 passed=$2 failed=$3 skipped=$4 kind=warm budget=$budget_warm_min verdict=within
    [[ -e $scratch/cold ]] && kind=cold budget=$budget_cold_min
    [[ $SECONDS -gt $((budget * 60)) ]] && verdict=OVER
    echo
    printf '%s\n' "${stages[@]}"
    printf '%6s min  in all: %s run, %s the budget of %s min\n' \
        "$(minutes "$SECONDS")" "$kind" "$verdict" "$budget"
    printf '%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
    exit "$code"
}

# Passes lines on and keeps the second at which the last crate from a registry
# began: ours name their folder in parentheses.
watch_crates() {
    local line
    echo 0 >"$scratch/crates_until"
    while IFS= read -r line; do
        printf '%s\n' "$line"
        [[ $line =~ ^\ *Compiling\ [^\(]*$ ]] && echo $((SECONDS - stage_started)) >"$scratch/crates_until"
    done
    return 0
}

# Set-up. Cold: nothing of an earlier build is there.
# A fresh clone is warm where the shared folder of builds is.
compgen -G "$weir_cache/rocksdb/*/librocksdb.a" >/dev/null && [[ -d $weir_cache/target/weir/deps ]] ||
    touch "$scratch/cold"
stage_started=$SECONDS
bash ops/setup/setup.sh test | tee "$scratch/setup" || exit "${PIPESTATUS[0]}"
rocksdb_s=$(sed -n 's/^setup: .*, \([0-9]*\)s RocksDB$/\1/p' "$scratch/setup")
note "set-up" $((SECONDS - stage_started - rocksdb_s))
note "RocksDB" "$rocksdb_s"

stage_started=$SECONDS
checked=0
bash ops/setup/check.sh --no-tests || checked=1
note "check (format, tidy, clippy)" $((SECONDS - stage_started))
[[ $checked == 0 ]] || finish 1 0 1 0

stage_started=$SECONDS
built=0
cargo build --workspace --locked --all-targets --profile weir --color never 2>&1 | watch_crates ||
    built=1
crates_s=$(<"$scratch/crates_until")
note "crates" "$crates_s"
note "own code" $((SECONDS - stage_started - crates_s))
[[ $built == 0 ]] || finish 1 0 1 0

stage_started=$SECONDS
ran=0
cargo nextest run --workspace --locked --cargo-profile weir --no-fail-fast --color never \
    -E "$filter" 2>&1 | tee "$scratch/tests" || ran=$?
note "tests" $((SECONDS - stage_started))

summary=$(sed -n 's/^ *Summary \[[^]]*\] //p' "$scratch/tests" | tail -n 1)
count() {
    local found
    found=$(sed -n "s/.*[^0-9]\([0-9][0-9]*\) $1.*/\1/p" <<<" $summary")
    echo "${found:-0}"
}
[[ -n $summary ]] || finish 1 0 1 0
run=$(count "tests\{0,1\} run")
passed=$(count passed)
skipped=$(count skipped)
failed=$((run - passed))
if [[ -z ${WEIR_SKIP:-} && $skipped -gt 0 ]]; then
    say "有 $skipped 个测试未被请求而被跳过" "$skipped tests were skipped that nobody asked to skip"
    ran=1
fi
# A skip unasked or a runner that stopped is a failure, though no test failed.
[[ $ran == 0 || $failed -gt 0 ]] || failed=1
finish "$ran" "$passed" "$failed" "$skipped"
