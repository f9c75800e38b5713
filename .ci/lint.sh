#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs clang-tidy 19 over every C++ file that the clang-tidy preset would compile, without compiling it:
# nothing is built, nothing is cached. Arguments narrow it to matching paths: .ci/lint.sh runtime/ tuner/cli/
set -euo pipefail
cd "$(dirname "$0")/.."
cmake --preset clang-tidy --log-level=WARNING
run-clang-tidy-19 -quiet -p build/clang-tidy -j "$(nproc)" "${@:-$PWD/(targets|templates|codegen|runtime|tuner|tests)/}" 2>&1 |
  grep -vE '^\[ *[0-9]+/[0-9]+\]|^[0-9]+ warnings? generated|^$' || true
exit "${PIPESTATUS[0]}"
