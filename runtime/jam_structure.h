// SPDX-License-Identifier: Apache-2.0
//
// JamStructure: the weights of a mask as jammed rows (templates/format.h). Stores exactly the mask. Immutable; no
// values.
#pragma once

#include <algorithm>
#include <cstdint>

#include "runtime/mask.h"
#include "runtime/panel_index.h"
#include "targets/base/result.h"
#include "templates/format.h"

namespace lacuna {

struct JamStructure {
  std::int64_t m = 0, k = 0;
  Jam format;         // r clamped to m
  PanelIndex by_row;  // format.groups() lists a panel, origins columns of A
  // Of A's transpose, after add_block_columns(): origins rows of A, `block` the number of each value.
  PanelIndex by_column;

  [[nodiscard]] std::int64_t values_count() const {
    return by_row.first_value.empty() ? 0 : by_row.first_value.back();
  }
};

// Any mask is legal. Errors: kInvalidArgument (r out of range; more than 2^31 - 1 weights, or than 2^28 groups in all).
[[nodiscard]] Result<JamStructure> make_jam_structure(const Mask& mask, const Jam& format);

// Calls visit(row, column, index of the value) for each stored weight, in the order of the values.
template <class Visit>
void for_each_weight(const JamStructure& s, Visit&& visit) {
  const std::int64_t groups = s.format.groups();
  std::int64_t index = 0;
  for (std::int64_t p = 0; p < s.by_row.panels(); ++p) {
    const std::int64_t first = std::min(p * s.format.r, s.m - s.format.r);
    for (std::int64_t g = 1; g <= groups; ++g)
      for (const std::int32_t col : s.by_row.list(p, g - 1))
        for (std::int64_t i = 0; i < s.format.r; ++i)
          if ((g >> i & 1) != 0) visit(first + i, static_cast<std::int64_t>(col), index++);
  }
}

}  // namespace lacuna
