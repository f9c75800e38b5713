// SPDX-License-Identifier: Apache-2.0
//
// What the registry's files read off a spec.
#pragma once

#include <variant>

#include "templates/element_types.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/problem.h"
#include "templates/registry.h"

namespace lacuna {

struct BlockDims {
  int height = 1;  // output rows of a panel
  int depth = 1;   // reduced rows of a block
};

[[nodiscard]] inline BlockDims dims_of(const KernelSpec& spec) {
  const Bsr block = counted_as(spec.format);
  if (spec.op == Op::kSpmmTransposed && !gathers_values(spec)) return {block.c, block.r};
  return {block.r, block.c};
}

[[nodiscard]] inline bool is_jammed(const KernelSpec& spec) {
  return std::holds_alternative<Jam>(spec.format);
}

[[nodiscard]] inline bool is_nm(const KernelSpec& spec) {
  return std::holds_alternative<NofM>(spec.format);
}

[[nodiscard]] inline bool is_baked(const KernelSpec& spec) {
  return std::holds_alternative<Baked>(spec.format);
}

// Elements that are narrower than what they are multiplied as need a pass over B, and what else a kernel reads as lanes.
[[nodiscard]] inline bool is_narrow(const KernelSpec& spec) {
  return group_elements(spec.types) != 1;
}

}  // namespace lacuna
