// SPDX-License-Identifier: Apache-2.0
//
// Rival: another library's way to compute a RivalCase, in this process. Loaded at run time, never linked; one that is
// not installed is a row in the result that says so.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "targets/base/result.h"
#include "tests/bench/rivals/rival_case.h"
#include "tuner/measurer.h"

namespace lacuna {

struct Rival {
  std::string name;  // with its version: "MKL 2026.2 CSR"
  bool dense = false;
  std::string missing;  // why it cannot be had at all, and what to install; empty if it can
  // Does what can be done before B is known. Errors: kUnsupported, why the library has nothing for this case.
  std::function<Result<TimedCall>(const RivalCase&)> prepare;
};

// Where rivals are looked for beside the system's libraries.
struct RivalPaths {
  std::filesystem::path python_env;  // the virtual environment with the rivals from PyPI
  std::filesystem::path adapters;    // the folder of the adapter modules
};

[[nodiscard]] std::vector<Rival> blas_rivals();                        // OpenBLAS, BLIS
[[nodiscard]] std::vector<Rival> mkl_rivals(const RivalPaths& paths);  // dense, packed, CSR, BSR
[[nodiscard]] std::vector<Rival> adapter_rivals(const RivalPaths& paths);  // oneDNN, LIBXSMM, Eigen

}  // namespace lacuna
