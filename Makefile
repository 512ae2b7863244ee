# What there is to run. Each target sets up what it needs first; the work is
# done by the scripts in ops/setup.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup check test demo console fuzz audit

help:
	@printf '%s\n' \
	    'make setup       准备本机          what this machine needs: packages, tools, RocksDB' \
	    'make check       两分钟内的检查    format, house rules, lints, pure tests' \
	    'make test        全部测试          set-up, check, every test (WEIR_SKIP=wan leaves wan out)' \
	    'make demo        演示              five nodes on this machine' \
	    'make console     控制台            builds the console' \
	    'make fuzz        模糊测试          every target, FUZZ_SECONDS each (30)' \
	    'make audit       依赖审计          advisories, licences, bans; needs the network' \
	    'make bench-NAME  性能              consensus, plans' \
	    'make accept-NAME 验收              plays a story against real processes'

setup:
	@bash ops/setup/setup.sh test

check:
	@bash ops/setup/setup.sh test
	@bash ops/setup/check.sh

test:
	@bash ops/setup/test.sh

fuzz:
	@bash ops/setup/fuzz.sh

audit:
	@bash ops/setup/audit.sh

demo:
	@bash ops/setup/demo.sh

console:
	@bash ops/setup/browser.sh build

bench-%:
	@bash ops/setup/bench.sh '$*'

accept-%:
	@bash ops/setup/accept.sh '$*'
