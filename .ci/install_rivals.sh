#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs the rivals that `make bench-rivals` compares with: Debian's packages, and PyPI's in a virtual environment.
# None of them is needed to build, test or use Lacuna, and none is linked into it. What cannot be had is said and left
# out; the benchmark then says so too. Idempotent.
#
#   .ci/install_rivals.sh build/rivals
#   LACUNA_WITHOUT_RIVALS=torch .ci/install_rivals.sh build/rivals    leaves PyTorch out: 3 GB, CUDA with it
set -euo pipefail
[ $# -eq 1 ] || { echo 'usage: install_rivals.sh ENVIRONMENT' >&2; exit 2; }
environment=$1
without=" ${LACUNA_WITHOUT_RIVALS:-} "

say() { printf '%s\n' "$*"; }
has() { "$environment/bin/python3" -c 'import importlib.metadata, sys; importlib.metadata.version(sys.argv[1])' "$1" 2>/dev/null; }

"$(dirname "$0")/install_deps.sh" rivals || say 'install_rivals: without some of the Debian packages; see above'

if [ ! -x "$environment/bin/python3" ]; then
  python3 -m venv "$environment" || { say 'install_rivals: no virtual environment, so no rivals from PyPI'; exit 0; }
fi
# distribution | what it brings
while IFS='|' read -r distribution what; do
  case $without in *" $distribution "*) say "install_rivals: without $distribution, as asked"; continue ;; esac
  has "$distribution" && continue
  say "Installing from PyPI: $distribution, $what"
  "$environment/bin/python3" -m pip install --quiet --disable-pip-version-check "$distribution" ||
    say "install_rivals: without $distribution; see above"
done <<'LIST'
mkl|MKL: dense and sparse products (about 1 GB)
scipy|SciPy: sparse products
torch|PyTorch: sparse products (3 GB to fetch, 6 GB on disk: PyPI has only the build with CUDA)
LIST
