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
// multiplied in (element_types.h): 4 for bytes, 2 for bf16 in pairs, 1 for f32 and for bf16 that is widened. A group
// divides c and K.
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
// spmm_transposed by the row strategy walks the same panels of A's transpose: its values lie elsewhere, and are gathered
// into scratch by number, once a call (gathers_values() in registry.h).
struct Jam {
  std::int32_t r = 1;

  [[nodiscard]] std::int32_t groups() const { return (1 << r) - 1; }  // of a panel
  auto operator<=>(const Jam&) const = default;
  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("r", self.r);
  }
};

// N:M: n of every m columns that follow one another. For products with few dense columns (decoding), where reading A is
// most of the cost: an index takes 2 to 8 bits, and a panel's rows lie side by side, so that vectors run along them.
//
// Panel p covers rows [16p, 16p + 16), group g columns [g*m, g*m + m). A group of a row stores n values in ascending
// columns. Where fewer are in the mask, and in rows beyond M, the lowest other columns of the group fill up, with zeros;
// in the last group they may lie beyond K (kernels take zeros for B there).
// Values: row i of panel p, slot s of group g is values[((p*groups + g)*n + s)*16 + i].
// Indices (KernelArgs::origin): in the same order, index_words() words for the 16 rows of a slot. The column within the
// group of row i is the b = index_bits() bits of word i % words from bit b * (i / words) on.
struct NofM {
  std::int32_t n = 2;
  std::int32_t m = 4;

  [[nodiscard]] int index_bits() const {
    if (m <= 4) return 2;
    return m <= 16 ? 4 : 8;
  }
  [[nodiscard]] int index_words() const { return index_bits() / 2; }  // 16 rows in words of 32 bits
  auto operator<=>(const NofM&) const = default;
  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("n", self.n);
    visit("m", self.m);
  }
};

// Baked panels: panels of r rows whose pattern is in the instructions of code made for this mask (pattern_code.h), so that
// nothing is read but weights, B and C, and a vector of B is shared by all rows of a tall panel that need it. For small
// weights: the code grows with them.
//
// Panel p covers rows [p*r, p*r + r), the last one fewer where r does not divide M.
// Values: panel by panel, column by column in ascending order; those of one column by row.
struct Baked {
  std::int32_t r = 1;

  auto operator<=>(const Baked&) const = default;
  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("r", self.r);
  }
};

// Closed set: a new format makes the compiler list every place that must handle it (std::visit).
using Format = std::variant<Bsr, Jam, NofM, Baked>;

inline constexpr std::int32_t kMaxBlockDim = 64;
inline constexpr std::int32_t kMaxGroup = 4;
inline constexpr std::int32_t kMaxNmGroup = 32;
inline constexpr std::int32_t kNmPanelRows = 16;
inline constexpr std::int32_t kMaxJam = 6;     // 63 groups: code grows as r * 2^(r-1)
inline constexpr std::int32_t kMaxBaked = 28;  // sums in registers; four of 32 remain for rows of B

// For std::visit over formats.
template <class... Cases>
struct PerFormat : Cases... {
  using Cases::operator()...;
};

// Elements of a row of A that lie side by side in the values.
[[nodiscard]] std::int32_t group_of(const Format& format);
// The blocks that are counted for a format: a column of jammed rows or of a baked panel is one of r x 1, a group of N:M
// in a panel one of 16 x m.
[[nodiscard]] Bsr counted_as(const Format& format);
// The format with no more rows and columns than an m x k matrix has, but one block: where the matrix has none, that of
// a single group each way.
[[nodiscard]] Bsr clamped_to(const Bsr& format, std::int64_t m, std::int64_t k);
[[nodiscard]] Jam clamped_to(const Jam& format, std::int64_t m, std::int64_t k);
[[nodiscard]] Baked clamped_to(const Baked& format, std::int64_t m, std::int64_t k);
[[nodiscard]] NofM clamped_to(const NofM& format, std::int64_t m, std::int64_t k);
[[nodiscard]] Format clamped_to(const Format& format, std::int64_t m, std::int64_t k);
// Errors: kInvalidArgument, naming what is out of range.
[[nodiscard]] Result<> check_format(const Format& format);

[[nodiscard]] std::string to_text(
    const Format& format);  // "bsr32x1", "bsr32x2g2", "jam4", "nm2of4", "baked24"
[[nodiscard]] Result<Format> parse_format(std::string_view text);

}  // namespace lacuna
