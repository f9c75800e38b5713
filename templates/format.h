// SPDX-License-Identifier: Apache-2.0
//
// Format: how A is stored. Part of the plan, not of the problem.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "targets/base/fields.h"

namespace lacuna {

// Block compressed sparse row with r x c blocks, any r and c from 1 to 64.
//
// Block row p covers rows [p*r, p*r + r), block column j columns [j*c, j*c + c). Where r does not divide M
// (c does not divide K) the last block row (column) is shifted back so that it ends with the matrix: its
// origin is M - r (K - c), and its elements that belong to the previous block row (column) are stored as
// zeros. No kernel therefore reads outside its operands. r <= M and c <= K always hold (the runtime clamps).
// Values: blocks in row order, then column order; inside a block column-major, `group` columns side by side: element
// (i, j) of the block is at values[block*r*c + (j/group)*r*group + i*group + j%group]. Groups are what narrow types are
// multiplied in (element_types.h): 2 for bf16, else 1. A group divides c, M and K.
struct Bsr {
  std::int32_t r = 1;
  std::int32_t c = 1;
  std::int32_t group = 1;

  auto operator<=>(const Bsr&) const = default;
  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("r", self.r);
    visit("c", self.c);
    visit("group", self.group);
  }
};

// Jammed rows, for masks without blocks: panels of r rows, whose columns are grouped by which of the rows they touch.
// All columns of a group run through the same code: a row of B is loaded once for all rows of the panel that need it,
// nothing is padded, and nothing branches on the mask but the end of a group. (Unroll-and-sparse-jam of Wilkinson et
// al., "Register Tiling for Unstructured Sparsity", PLDI 2023.) With r = 1 it is compressed sparse row; every N:M mask
// is a case of it.
//
// Panel p covers rows [p*r, p*r + r). Where r does not divide M the last panel is shifted back to end with the matrix,
// and holds only weights of rows that no earlier panel has. Group g of a panel, 1 <= g < 2^r, holds the columns that
// touch exactly the rows whose bit is set in g (bit i: the panel's row i), in ascending order.
// Values: panel by panel, group by group, column by column; those of one column by row.
struct Jam {
  std::int32_t r = 1;

  [[nodiscard]] std::int32_t groups() const { return (1 << r) - 1; }  // of a panel
  auto operator<=>(const Jam&) const = default;
  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("r", self.r);
  }
};

// Closed set: a new format makes the compiler list every place that must handle it (std::visit).
using Format = std::variant<Bsr, Jam>;

inline constexpr std::int32_t kMaxBlockDim = 64;
inline constexpr std::int32_t kMaxGroup = 4;
inline constexpr std::int32_t kMaxJam = 6;  // 63 groups: code grows as r * 2^(r-1)

// For std::visit over formats.
template <class... Cases>
struct PerFormat : Cases... {
  using Cases::operator()...;
};

// Elements of a row of A that lie side by side in the values.
[[nodiscard]] std::int32_t group_of(const Format& format);
// The blocks that are counted for a format: a column of jammed rows is one of r x 1.
[[nodiscard]] Bsr counted_as(const Format& format);
// Errors: kInvalidArgument, naming what is out of range.
[[nodiscard]] Result<> check_format(const Format& format);

[[nodiscard]] std::string to_text(const Format& format);  // "bsr32x1", "bsr32x2g2", "jam4"
[[nodiscard]] Result<Format> parse_format(std::string_view text);

}  // namespace lacuna
