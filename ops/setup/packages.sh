#!/usr/bin/env bash
# Sees to Debian packages: packages.sh GROUP…, with the groups below.
# Root installs what is missing; a person with sudo is shown the exact line and
# asked; anyone else is shown the line, and nothing is changed.
set -euo pipefail
cd "$(dirname "$0")/../.."
. ops/setup/say.sh

# RocksDB and its bindings, the linker, what the media worker is built with, and
# what browsers' video is encrypted with.
build=(clang g++ git libclang-dev libgstreamer-plugins-base1.0-dev libgstreamer1.0-dev libopus-dev
    libssl-dev make pkg-config)
# What the media worker decodes, encodes (H.264: ugly) and is bounded with
# (prlimit), the voice that speaks texts; the demo's children end with it (setpriv).
run=(
    espeak-ng gstreamer1.0-libav gstreamer1.0-plugins-base gstreamer1.0-plugins-good
    gstreamer1.0-plugins-ugly util-linux
)
# A browser and its Chinese letters; the power-cut test's disk image; address and
# link tools for the stories; recordings in many formats (gst-launch), and `kill`;
# telephones (baresip, sipp, and what PJSIP's Python side is installed with); a
# camera (gst-rtsp-server from Python).
# The fuzzers need nothing more: libFuzzer comes with its crate.
test=(
    baresip-core chromium e2fsprogs fonts-wqy-microhei gir1.2-gst-plugins-base-1.0
    gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-ugly gstreamer1.0-tools iproute2 mount procps
    prometheus python3-gi python3-venv sip-tester util-linux
)
# The peer that benchmarks are held against.
bench=(etcd-server iproute2 util-linux)

wanted=()
for group in "$@"; do
    case $group in
    build) wanted+=("${build[@]}") ;;
    run) wanted+=("${run[@]}") ;;
    test) wanted+=("${test[@]}") ;;
    bench) wanted+=("${bench[@]}") ;;
    *)
        echo "packages.sh: no group '$group'" >&2
        exit 2
        ;;
    esac
done
[[ ${#wanted[@]} -gt 0 ]] || exit 0

command -v dpkg-query >/dev/null || not_started \
    "本机不是 Debian，请自行安装相当于以下的软件包，再运行 make：${wanted[*]}" \
    "this is not Debian; install the equivalents of these and run make again: ${wanted[*]}"

missing=()
for package in "${wanted[@]}"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [[ $state == installed ]] || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

install="apt-get install -y --no-install-recommends ${missing[*]}"
line="apt-get update && $install"

if [[ $(id -u) == 0 ]]; then
    say "正在安装：${missing[*]}" "Installing: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -o Acquire::Retries=3 update
    apt-get -o Acquire::Retries=3 install -y --no-install-recommends "${missing[@]}"
    exit 0
fi

if command -v sudo >/dev/null && [[ -t 0 && -t 1 ]]; then
    say "缺少软件包，需要运行：" "Packages are missing. This would be run:"
    printf '    sudo sh -c "%s"\n' "$line"
    read -r -p "现在运行？ Run it now? [y/N] " answer
    if [[ $answer == [yY]* ]]; then
        sudo sh -c "$line"
        exit 0
    fi
fi
not_started "缺少软件包，请以 root 运行：$line" "packages are missing; as root, run: $line"
