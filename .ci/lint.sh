#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs clang-tidy 19 over every C++ file that the clang-tidy preset would compile, without compiling it: nothing is
# built, nothing is cached. Arguments narrow it to paths that match: .ci/lint.sh runtime/ tuner/cli/
#
# --quick, what CI runs: clang's warnings and the checks below, over every file. They find the most for their time:
# a file costs about 2 s of processor time, of which 1 s is parsing; with all of .clang-tidy it costs 12 to 15 s (of
# which clang-analyzer-* is 60 %, bugprone-* 20 %), one that includes LLVM or CLI11 up to 30 s.
set -euo pipefail
cd "$(dirname "$0")/.."
quick='-*,bugprone-unchecked-optional-access,bugprone-use-after-move,google-build-using-namespace,modernize-use-nullptr'
quick+=',modernize-use-override,readability-identifier-naming'
checks=()
if [ "${1:-}" = --quick ]; then
  shift
  checks=(-checks="$quick")
fi
[ $# -gt 0 ] || set -- "$PWD/(targets|templates|codegen|runtime|tuner|tests)/"
cmake --preset clang-tidy --log-level=WARNING >/dev/null
# The progress lines (one command a file) say nothing; what is left is the findings, as they come.
run-clang-tidy-19 -quiet -p build/clang-tidy -j "$(nproc)" "${checks[@]}" "$@" 2>&1 |
  { grep --line-buffered -vE '^(\[[0-9 /]+\]|clang-tidy-19 |[0-9]+ warnings?( and [0-9]+ errors?)? generated)|^$' || true; }
