#!/usr/bin/env bash
# What the browser story and the console are built with, from the npm registry, as
# their locks say: browser.sh. Nothing is fetched while it is there and newer than
# its lock.
#
#   browser.sh build   build the console into node/console/dist
#   browser.sh check   build the console anew beside it and hold it against what is
#                      committed in node/console/dist, byte by byte
set -euo pipefail
cd "$(dirname "$0")/../.."
. ops/setup/say.sh

oldest=20.19
console=node/console

see_to_node() {
    local found
    command -v node >/dev/null && command -v npm >/dev/null || not_started \
        "没有找到 Node.js 与 npm（需要 $oldest 或更新）；请到 https://nodejs.org 安装" \
        "there is no Node.js with npm here ($oldest or newer is needed); get it at https://nodejs.org"
    found=$(node --version)
    [[ $(printf 'v%s\n%s\n' "$oldest" "$found" | sort -V | head -n 1) == "v$oldest" ]] || not_started \
        "Node.js $found 太旧，需要 $oldest 或更新；请到 https://nodejs.org 安装" \
        "Node.js $found is too old, $oldest or newer is needed; get it at https://nodejs.org"
}

# npm leaves its own note of what it installed last, so that one is as old as that.
install_in() {
    local folder=$1
    [[ $folder/node_modules/.package-lock.json -nt $folder/package-lock.json ]] && return
    say "正在安装 $folder 所需的 npm 包" "Installing the npm packages of $folder"
    npm ci --prefix "$folder" --no-audit --no-fund --ignore-scripts --loglevel=error || not_started \
        "有 npm 包下载不到，请检查网络或 npm 的源设置" \
        "some npm packages cannot be fetched; check the network or npm's registry settings"
}

same_as_committed() {
    local said
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    npm run --silent --prefix "$console" build -- --outDir "$scratch/dist" --emptyOutDir \
        --logLevel error
    if said=$(diff -rq "$console/dist" "$scratch/dist"); then
        say "控制台与源文件一致" "The console is what its sources build"
        return
    fi
    printf '%s\n' "${said//$scratch/anew}"
    say "$console/dist 与源文件不一致；请在 $console 运行 npm run build 并一起提交" \
        "$console/dist is not what its sources build; run npm run build in $console and commit both"
    exit 1
}

see_to_node
case ${1:-} in
'')
    install_in tests/browser
    install_in "$console"
    ;;
build)
    install_in "$console"
    npm run --silent --prefix "$console" build
    ;;
check)
    install_in "$console"
    same_as_committed
    ;;
*)
    echo "browser.sh: build, check or nothing, not '$1'" >&2
    exit 2
    ;;
esac
