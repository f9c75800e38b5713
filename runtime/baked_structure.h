// SPDX-License-Identifier: Apache-2.0
//
// BakedStructure: the weights of a mask as baked panels (templates/format.h). Stores exactly the mask. Immutable; no
// values, and no code: that is made of pattern_of().
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/mask.h"
#include "runtime/panel_index.h"
#include "targets/base/result.h"
#include "templates/format.h"
#include "templates/pattern_code.h"
#include "templates/registry.h"

namespace lacuna {

struct BakedStructure {
  std::int64_t m = 0, k = 0;
  Baked format;                     // r clamped to m
  PanelIndex by_row;                // origins: columns of A, ascending within a panel
  std::vector<std::uint32_t> rows;  // per entry: bit i is the panel's row i
  // Of A's transpose, after add_block_columns(): origins rows of A, `block` the number of each value.
  PanelIndex by_column;
  std::vector<std::uint32_t> columns;  // per entry: bit i is the panel's column i

  [[nodiscard]] std::int64_t values_count() const {
    return by_row.first_value.empty() ? 0 : by_row.first_value.back();
  }
};

// Any mask is legal; what code of it is too large, check_pattern_bytes() says. Errors: kInvalidArgument (r out of range;
// more than 2^31 - 1 weights).
[[nodiscard]] Result<BakedStructure> make_baked_structure(const Mask& mask, const Baked& format);

// Of A or, after add_block_columns(), of its transpose. Borrows from the structure.
[[nodiscard]] Pattern pattern_of(const BakedStructure& s, PanelDirection direction);

// Calls visit(row, column, index of the value) for each stored weight, in the order of the values.
template <class Visit>
void for_each_weight(const BakedStructure& s, Visit&& visit) {
  std::int64_t index = 0;
  for (std::int64_t p = 0; p < s.by_row.panels(); ++p)
    for (auto i = static_cast<std::size_t>(s.by_row.entries_before(p));
         i < static_cast<std::size_t>(s.by_row.entries_before(p + 1)); ++i)
      for (std::uint32_t rows = s.rows[i]; rows != 0; rows &= rows - 1)
        visit(p * s.format.r + std::countr_zero(rows), std::int64_t{s.by_row.origin[i]}, index++);
}

}  // namespace lacuna
