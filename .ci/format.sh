#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Formats every C and C++ file of the project in place; with --check, names the ones that differ and fails.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=(-i)
[ "${1:-}" != --check ] || mode=(--dry-run -Werror)
find targets templates codegen runtime tuner tests -regex '.*\.\(h\|hpp\|c\|cpp\)' -print0 |
  xargs -0 -r clang-format-19 "${mode[@]}"
