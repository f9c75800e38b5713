// SPDX-License-Identifier: Apache-2.0
//
// Which values of a Target make sense: the range of each number, and the rules between fields. Files
// (target_yaml.h) are checked by this, and nothing here knows about files.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "targets/target.h"

namespace lacuna {

// `key` is the dotted path of the field: "vector_bits", "pipes.fma_latency".
struct FieldRange {
  std::string_view key;
  double min = 0;
  double max = 0;
};
// The range of every number in Target.
[[nodiscard]] std::span<const FieldRange> target_ranges();

struct TargetFault {
  std::string key;
  std::string message;
};
// Nullopt if the number lies in the range of its key. Sizes (keys ending in _bytes) print as 48K, 2M.
[[nodiscard]] std::optional<TargetFault> check_range(const std::string& key, double value);
// The first fault of the target: ranges, then the rules between fields. Nullopt if there is none.
[[nodiscard]] std::optional<TargetFault> check_target(const Target& target);

// Feature names that a target of the ISA may list; empty for CUDA.
[[nodiscard]] std::span<const std::string_view> known_features(Isa isa);

}  // namespace lacuna
