# What every script here shares: how it speaks, and where things are kept.
# Sourced, never run. It installs nothing and changes nothing.

# Kept outside the checkout, so that a fresh clone finds what an earlier one built.
weir_cache=${XDG_CACHE_HOME:-$HOME/.cache}/weir

# One place for builds, for make, bare cargo and an editor: the link `target`.
unset CARGO_TARGET_DIR

# One line in Chinese, one in English.
say() {
    printf '%s\n%s\n' "$1" "$2"
}

# The same, to standard error, and the end. Exit code 3 means NOT STARTED:
# nothing is wrong with Weir, something it needs is missing.
not_started() {
    printf '未启动：%s\nNOT STARTED: %s\n' "$1" "$2" >&2
    exit 3
}

# Seconds as minutes with one decimal.
minutes() {
    awk -v seconds="$1" 'BEGIN { printf "%.1f", seconds / 60 }'
}
