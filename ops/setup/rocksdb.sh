#!/usr/bin/env bash
# Compiles RocksDB's C++ once, as eight unity files, into the cache, and points
# .cargo/rocksdb at it; .cargo/config.toml hands that to every cargo.
# The 343 units one by one take four times as long on two cores.
# It builds only the sources that Cargo.lock pins and the registry's checksum
# covers, with the defines of librocksdb-sys' own build script. If the unity
# build fails, that build script does it instead.
#
#   WEIR_ROCKSDB_PLAIN=1   go straight to the crate's own build script
set -euo pipefail
cd "$(dirname "$0")/../.."
. ops/setup/say.sh

units=8
memory_kib_per_job=1800000 # the largest unit peaks at 1.7 GB

host=$(rustc -vV | sed -n 's/^host: //p')
case $host in
x86_64-*-linux-gnu) machine_flags=(-m64 -msse2) ;;
aarch64-*-linux-gnu) machine_flags=() ;;
*) machine_flags=() ;;
esac

# As librocksdb-sys' build.rs has them for Linux with the one feature lz4.
flags=(
    -O2 -std=c++20 -fPIC -ffunction-sections -fdata-sections -w
    "${machine_flags[@]}" -include cstdint
    -I rocksdb/include -I rocksdb -I rocksdb/third-party/gtest-1.8.1/fused-src -I .
    -DLZ4=1 -DNDEBUG=1 -DHAVE_ALIGNED_NEW -DHAVE_UINT128_EXTENSION
    -DOS_LINUX -DROCKSDB_PLATFORM_POSIX -DROCKSDB_LIB_IO_POSIX
    -DROCKSDB_SCHED_GETCPU_PRESENT -DROCKSDB_AUXV_GETAUXVAL_PRESENT
    -DROCKSDB_FALLOCATE_PRESENT -DROCKSDB_RANGESYNC_PRESENT
)

compiler=${CXX:-c++}

# Prints the folder of crate $1 as Cargo.lock resolves it.
crate_folder() {
    tr ',' '\n' <<<"$metadata" |
        sed -n "s|.*\"manifest_path\":\"\([^\"]*/$1-[0-9][^/\"]*\)/Cargo.toml\".*|\1|p" | head -n 1
}

# As many compilers as there are cores and memory for.
jobs_that_fit() {
    local cores available_kib by_memory
    cores=$(nproc)
    available_kib=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
    by_memory=$((available_kib / memory_kib_per_job))
    local jobs=$((cores < by_memory ? cores : by_memory))
    jobs=$((jobs < units ? jobs : units))
    echo $((jobs > 1 ? jobs : 1))
}

# Writes unit files of about 43 sources each, in the list's own order: another
# order brings names of one source into the scope of the next.
write_units() {
    local scratch=$1 total per_unit
    grep -v '^util/build_version\.cc$' "$crate/rocksdb_lib_sources.txt" >"$scratch/sources"
    total=$(wc -l <"$scratch/sources")
    per_unit=$(((total + units - 1) / units))
    awk -v per="$per_unit" -v folder="$scratch" '
        { printf "#include \"rocksdb/%s\"\n", $1 > (folder "/unit" int((NR - 1) / per) ".cc") }
    ' "$scratch/sources"
}

build_unity() {
    local scratch=$1 jobs
    jobs=$(jobs_that_fit)
    write_units "$scratch"
    (
        cd "$crate"
        {
            printf '%s\n' "$scratch"/unit*.cc
            echo build_version.cc
        } | xargs -P "$jobs" -I '{}' bash -c '
            source=$1 scratch=$2 compiler=$3
            shift 3
            "$compiler" "$@" -c "$source" -o "$scratch/$(basename "$source" .cc).o" &&
                echo "  RocksDB: $(basename "$source" .cc)"
        ' unity '{}' "$scratch" "$compiler" "${flags[@]}" -I "$lz4/liblz4/lib"
    ) || return 1
    ar crs "$scratch/librocksdb.a" "$scratch"/*.o
}

build_plain() {
    local scratch=$1 built
    ROCKSDB_COMPILE=1 cargo build --locked --profile weir -p librocksdb-sys \
        --target-dir "$scratch/target" || return 1
    built=$(find "$scratch/target" -name librocksdb.a | head -n 1)
    [[ -n $built ]] && cp "$built" "$scratch/librocksdb.a"
}

# An archive without the function everything starts with is no archive.
holds_rocksdb() {
    local found
    found=$(nm -g --defined-only "$1" 2>/dev/null | grep -c ' T rocksdb_open$' || true)
    [[ $found -ge 1 ]]
}

build_into() {
    local kept=$1 scratch
    scratch=$(mktemp -d "$weir_cache/rocksdb/building.XXXXXX")
    trap 'rm -rf "$scratch"' EXIT
    if [[ ${WEIR_ROCKSDB_PLAIN:-0} != 1 ]]; then
        say "正在编译 RocksDB（只做一次，双核约 4 分钟）" \
            "Compiling RocksDB (once; about 4 minutes on two cores)"
        build_unity "$scratch" && holds_rocksdb "$scratch/librocksdb.a" || rm -f "$scratch/librocksdb.a"
    fi
    if [[ ! -f $scratch/librocksdb.a ]]; then
        say "改用其自带的编译脚本（双核约 15 分钟）" \
            "Using its own build script instead (about 15 minutes on two cores)"
        build_plain "$scratch" && holds_rocksdb "$scratch/librocksdb.a" ||
            not_started "RocksDB 编译失败，原因见上" "RocksDB did not compile; the reason stands above"
    fi
    mkdir -p "$kept"
    mv "$scratch/librocksdb.a" "$kept/librocksdb.a"
    rm -rf "$scratch"
    trap - EXIT
}

# Cargo copies the archive into librocksdb-sys and would not notice another one.
point_cargo_at() {
    local kept=$1 before
    before=$(readlink .cargo/rocksdb || true)
    [[ $before == "$kept" ]] && return
    ln -sfn "$kept" .cargo/rocksdb
    [[ -z $before ]] || cargo clean --quiet --profile weir -p librocksdb-sys
}

metadata=$(cargo metadata --locked --format-version 1 --filter-platform "$host")
crate=$(crate_folder librocksdb-sys)
lz4=$(crate_folder lz4-sys)
[[ -n $crate && -n $lz4 ]] ||
    not_started "Cargo.lock 中没有 librocksdb-sys 或 lz4-sys" \
        "Cargo.lock names no librocksdb-sys or no lz4-sys"

version=${crate##*/librocksdb-sys-}
fingerprint=$(
    {
        echo "$units ${flags[*]} ${WEIR_ROCKSDB_PLAIN:-0}"
        "$compiler" --version | head -n 1
        cat "$crate/rocksdb_lib_sources.txt" "$crate/build_version.cc"
    } | sha256sum | cut -c 1-12
)
kept=$weir_cache/rocksdb/$version-$fingerprint

mkdir -p "$weir_cache/rocksdb"
exec 9>"$weir_cache/rocksdb/lock"
flock -w 3600 9 ||
    not_started "另一次编译占用超过一小时" "another build has held the lock for an hour"
# The lock is ours: what lies here half built was left by a build that was killed.
rm -rf "$weir_cache"/rocksdb/building.*
[[ -f $kept/librocksdb.a ]] || build_into "$kept"
point_cargo_at "$kept"
