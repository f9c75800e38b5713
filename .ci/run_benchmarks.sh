#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs every benchmark program (bin/*_bench) of a build, each writing RESULTS/<program>.json; a program that fails
# leaves its old file alone. Further arguments go to every program.
#
#   .ci/run_benchmarks.sh build/release results/bench [--benchmark_filter=TEXT]
set -euo pipefail
[ $# -ge 2 ] || { echo 'usage: run_benchmarks.sh BUILD RESULTS [ARGUMENT...]' >&2; exit 2; }
build=$1 results=$2
shift 2
mkdir -p "$results"
for program in "$build"/bin/*_bench; do
  [ -x "$program" ] || { echo "run_benchmarks: no program $program; build the release preset first" >&2; exit 1; }
  "$program" --benchmark_out="$results/$(basename "$program").json" "$@"
done
