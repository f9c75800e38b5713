// SPDX-License-Identifier: Apache-2.0
//
// PythonRivals: SciPy and PyTorch, in a Python process of their own that takes one sample when told to, so that its
// samples alternate with those of this process (python_rivals.py says how they talk). The process inherits the core
// that the benchmark is pinned to; while it works, the benchmark waits.
#pragma once

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <sys/types.h>
#include <vector>

#include "targets/base/result.h"
#include "tests/bench/rivals/rival_case.h"

namespace lacuna {

class PythonRivals {
 public:
  struct Description {
    std::string name;
    std::string missing;  // why it cannot be had, and what to install; empty if it can
  };

  // Never fails: without an interpreter or NumPy every rival is missing.
  PythonRivals(const std::filesystem::path& python_env, const std::filesystem::path& script);
  PythonRivals(const PythonRivals&) = delete;
  PythonRivals& operator=(const PythonRivals&) = delete;
  ~PythonRivals();

  [[nodiscard]] const std::vector<Description>& rivals() const { return rivals_; }

  // Sends the operands. For each rival why it has nothing for this case; empty where it has.
  // Errors: kIo (the folder cannot be written, the process has ended).
  [[nodiscard]] Result<std::vector<std::string>> prepare(const RivalCase& product);
  // Computes once, into product.c of the case last prepared.
  [[nodiscard]] Result<> compute(std::size_t rival);
  // Seconds of one call.
  [[nodiscard]] Result<double> sample(std::size_t rival, double least_s);

 private:
  [[nodiscard]] bool start(const std::filesystem::path& python_env,
                           const std::filesystem::path& script);
  [[nodiscard]] Result<nlohmann::json> ask(const nlohmann::json& request);
  void describe();

  pid_t process_ = -1;
  std::FILE* requests_ = nullptr;
  std::FILE* answers_ = nullptr;
  std::filesystem::path folder_;  // of the operands
  RivalCase product_{};
  std::vector<Description> rivals_;
};

}  // namespace lacuna
