// SPDX-License-Identifier: Apache-2.0
//
// NmStructure: an N:M mask as panels of 16 rows (templates/format.h: NofM). Immutable; no values.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/mask.h"
#include "runtime/panel_index.h"
#include "targets/base/dtype.h"
#include "targets/base/result.h"
#include "templates/format.h"

namespace lacuna {

struct NmStructure {
  std::int64_t m = 0, k = 0;
  NofM format;
  PanelIndex by_row;  // entries are words of packed indices, which are the origins
  // Per panel, group and slot: bit i if row i of the panel has a weight of the mask there, not a zero that fills up.
  std::vector<std::uint16_t> owned;

  [[nodiscard]] std::int64_t panels() const { return (m + kNmPanelRows - 1) / kNmPanelRows; }
  [[nodiscard]] std::int64_t groups() const { return (k + format.m - 1) / format.m; }  // of a row
  [[nodiscard]] std::int64_t values_count() const {
    return static_cast<std::int64_t>(owned.size()) * kNmPanelRows;
  }
  // The column within its group that row i of a panel stores in slot number `slot` of all.
  [[nodiscard]] std::int64_t index_at(std::int64_t slot, std::int64_t i) const {
    const std::int64_t words = format.index_words();
    const auto word = static_cast<std::uint32_t>(
        by_row.origin[static_cast<std::size_t>(slot * words + i % words)]);
    return word >> (format.index_bits() * (i / words)) & ((1U << format.index_bits()) - 1);
  }
};

// Errors: kInvalidArgument (the format out of range; a group of the mask with more than n weights, which is named; more
// than 2^31 - 1 stored weights).
[[nodiscard]] Result<NmStructure> make_nm_structure(const Mask& mask, const NofM& format);

// Sets the values, of `type`, that stand for no weight to zero.
void clear_unowned(const NmStructure& s, DType type, void* values);

// Calls visit(row, column, index of the value) for each weight of the mask, in the order of the values.
template <class Visit>
void for_each_weight(const NmStructure& s, Visit&& visit) {
  std::int64_t slot = 0;
  for (std::int64_t p = 0; p < s.panels(); ++p)
    for (std::int64_t g = 0; g < s.groups(); ++g)
      for (std::int64_t in_group = 0; in_group < s.format.n; ++in_group, ++slot)
        for (unsigned rows = s.owned[static_cast<std::size_t>(slot)]; rows != 0; rows &= rows - 1) {
          const std::int64_t i = std::countr_zero(rows);
          visit(p * kNmPanelRows + i, g * s.format.m + s.index_at(slot, i),
                slot * kNmPanelRows + i);
        }
}

}  // namespace lacuna
