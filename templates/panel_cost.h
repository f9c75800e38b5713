// SPDX-License-Identifier: Apache-2.0
//
// PanelCost: what the panels of one call cost beside each other, so that whoever cuts a call into parts can make them
// equally long without knowing how kernels work.
#pragma once

#include <cstdint>

#include "targets/target.h"
#include "templates/kernel_spec.h"

namespace lacuna {

// Cycles of one core. A panel costs panel + list * (its lists with entries) + entry * (its entries) + weight * (its
// weights). Only ratios mean something: the instructions of estimate_work() (registry.h) are added up as if no two
// pipes worked at once and all operands were in L1.
struct PanelCost {
  double panel = 0;   // an empty one: its rows of the output, the passes of the register tile
  double list = 0;    // jammed rows: the loop over the columns of one group of rows
  double entry = 0;   // a block; jammed rows: a column
  double weight = 0;  // jammed rows: a weight; those of blocks are in their entry

  bool operator==(const PanelCost&) const = default;
};

// For calls of about n > 0 columns. Pure.
[[nodiscard]] PanelCost panel_cost(const KernelSpec& spec, const Target& target, std::int64_t n);

}  // namespace lacuna
