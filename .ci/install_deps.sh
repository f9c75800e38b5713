#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs the Debian packages that Lacuna needs, and nothing that is already there.
#
#   .ci/install_deps.sh          what building, testing and benchmarking need
#   .ci/install_deps.sh dev      also what formatting, linting, fuzzing and CI need
#   .ci/install_deps.sh rivals   also what only `make bench-rivals` compares with
#   .ci/install_deps.sh --list   prints "package: reason" for all groups and installs nothing
#
# Idempotent; works as root or with sudo. Every package it installs is printed with its reason first.
set -euo pipefail

# package | reason. Baselines (OpenBLAS, oneDNN) are run-time libraries only: benchmarks and the dense layers load
# them by name, nothing links them.
build_packages='
g++|the C++20 compiler
cmake|configures the build
ninja-build|runs the build
pkg-config|finds hwloc and xxHash
python3|runs the architecture and installation tests
llvm-19-dev|LLVM 19: kernels become machine code through it (linked into the plugin only)
libzstd-dev|LLVM 19 names it as a link dependency
zlib1g-dev|reads compressed .npz and IDX files; LLVM 19 names it too
libfmt-dev|text formatting
nlohmann-json3-dev|JSON output and files
libexpected-dev|tl::expected, the type under Result
libyaml-cpp-dev|reads machine files and recipes
libhwloc-dev|finds cores and cache sizes of the host
libxxhash-dev|hashes kernels and cache entries
libcli11-dev|parses the command line
libgtest-dev|the tests
libopenblas0-openmp|dense baseline: sgemm of OpenBLAS
libdnnl2|dense baseline: sgemm of oneDNN
dataset-fashion-mnist|the images that the demo trains on
'
dev_packages='
clang-19|second compiler, fuzzing
libomp-19-dev|OpenMP of clang-19
libclang-rt-19-dev|sanitizers and libFuzzer of clang-19
clang-tidy-19|make lint
clang-format-19|make format
'
rival_packages='
libblis4-serial|dense rival: sgemm of BLIS
libdnnl-dev|dense rival: the matmul primitive of oneDNN needs its headers
libxsmm-dev|sparse rival: LIBXSMM, a static library
libeigen3-dev|sparse rival: Eigen, headers only
python3-venv|holds the rivals from PyPI
'

say() { printf '%s\n' "$*"; }
fail() { printf 'install_deps: %s\n' "$*" >&2; exit 1; }
installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

case "${1:-build}" in
  build) wanted=$build_packages ;;
  dev) wanted=$build_packages$dev_packages ;;
  rivals) wanted=$build_packages$rival_packages ;;
  --list) printf '%s%s%s' "$build_packages" "$dev_packages" "$rival_packages" | sed -n 's/|/: /p'; exit 0 ;;
  *) fail "unknown group '$1': use build, dev, rivals or --list" ;;
esac

command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
  fail "this system has no apt; install the equivalents of: $(sed -n 's/|.*//p' <<<"$wanted" | xargs)"

missing=()
while IFS='|' read -r package reason; do
  [ -n "$package" ] || continue
  installed "$package" && continue
  [ ${#missing[@]} -gt 0 ] || say 'Installing these Debian packages:'
  printf '  %-22s %s\n' "$package" "$reason"
  missing+=("$package")
done <<<"$wanted"
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null ||
    fail "needs root or sudo; run as root: apt-get install --no-install-recommends ${missing[*]}"
  as_root=(sudo)
fi
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 "$@"; }
apt update || fail 'apt-get update failed; see above (no network, or a broken source in /etc/apt)'
apt install -y --no-install-recommends "${missing[@]}" ||
  fail "apt-get install failed; see above. Debian 12 (bookworm) has all of: ${missing[*]}"
