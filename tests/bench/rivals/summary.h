// SPDX-License-Identifier: Apache-2.0
//
// Summary: what bench_rivals prints at its end and keeps beside the cases: where Lacuna is ahead of every rival, every
// case where it is not, and each rival over all cases.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/bench/rivals/contest.h"

namespace lacuna {

class Summary {
 public:
  void add(const ContestCase& contest, ContestResult result);
  // "ahead of every rival in 90 of 104 cases", the cases that are not, the rivals.
  void print() const;
  [[nodiscard]] nlohmann::json to_json() const;

 private:
  // One rival over the cases it was measured in.
  struct Standing {
    std::string name;
    std::size_t cases = 0, ahead = 0;  // ahead: Lacuna is
    double least = 0, median = 0;      // of speedup_paired
    std::string worst_case;
    std::string missing;  // the reason of the last case it was not measured in
  };
  struct Loss {
    std::string contest;
    std::string rival;
    double speedup_paired = 0;
  };

  [[nodiscard]] std::vector<Standing> standings() const;
  [[nodiscard]] std::vector<Loss> losses() const;

  std::vector<std::pair<std::string, ContestResult>> results_;
};

}  // namespace lacuna
