#!/usr/bin/env bash
# The test telephone that comes from the Python index and not from Debian: PJSIP
# with its Python side, ready built, in a folder of its own in the cache. Nothing
# is fetched while that version is there. It compiles nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."
. ops/setup/say.sh

version=2.15.1
place=$weir_cache/phones
stamp=$place/pjsua2-$version

[[ ! -e $stamp ]] || exit 0
say "正在安装测试电话 PJSIP $version" "Installing the test telephone PJSIP $version"
rm -rf "$place"
# Debian's own, which python3-venv belongs to.
/usr/bin/python3 -m venv "$place" || not_started \
    "无法建立 Python 环境，请安装 python3-venv" \
    "no Python environment could be made; install python3-venv"
"$place/bin/pip" install --quiet --disable-pip-version-check --no-input --no-deps \
    --only-binary :all: "pjsua2-python==$version" || not_started \
    "pjsua2-python $version 下载不到，请检查网络、pip 的源设置与 Python 版本" \
    "pjsua2-python $version cannot be fetched; check the network, pip's index settings and the Python version"
"$place/bin/python" -c 'import pjsua2' || not_started \
    "pjsua2-python 不能在本机运行，原因见上" "pjsua2-python does not run here; the reason stands above"
touch "$stamp"
