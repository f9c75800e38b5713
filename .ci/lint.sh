#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs clang-tidy 19 over every C++ file that the clang-tidy preset would compile, without compiling it: nothing is
# built, nothing is cached. Arguments narrow it to paths that match: .ci/lint.sh runtime/ tuner/cli/
#
# --quick, what CI runs: the library's folders and a few cheap checks that hold everywhere today. The whole list takes
# some 20 minutes on two cores and still has findings; grow the quick one as they are mended.
set -euo pipefail
cd "$(dirname "$0")/.."
checks=()
if [ "${1:-}" = --quick ]; then
  shift
  checks=(-checks='-*,bugprone-use-after-move,modernize-use-nullptr,modernize-use-override,google-build-using-namespace')
  set -- "$PWD/(targets|templates|codegen|runtime|tuner)/"
fi
[ $# -gt 0 ] || set -- "$PWD/(targets|templates|codegen|runtime|tuner|tests)/"
cmake --preset clang-tidy --log-level=WARNING >/dev/null
# The progress lines (one command a file) say nothing; what is left is the findings.
run-clang-tidy-19 -quiet -p build/clang-tidy -j "$(nproc)" "${checks[@]}" "$@" 2>&1 |
  { grep -vE '^(\[[0-9 /]+\]|clang-tidy-19 |[0-9]+ warnings?( and [0-9]+ errors?)? generated)|^$' || true; }
