// SPDX-License-Identifier: Apache-2.0
//
// Finding OpenBLAS at run time (never linked): the benchmarks' baseline and a backend of the trainer's dense layers.
#pragma once

#include "targets/base/dynlib.h"
#include "targets/base/result.h"

namespace lacuna {

// Debian's OpenMP build if it is there, else whichever build the system prefers. The OpenMP build shares its threads
// with our own parallel loops; beside the pthread build the two pools spin against each other for the cores (a dense
// epoch of the demo takes 16 s with it and 7 s with the OpenMP build, 2 cores).
// Errors: kUnsupported, naming the package to install.
[[nodiscard]] Result<DynLib> open_openblas();

}  // namespace lacuna
