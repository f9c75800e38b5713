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
// Values: blocks in row order, then column order; inside a block column-major: element (i, j) of the block
// is at values[block*r*c + j*r + i].
struct Bsr {
  std::int32_t r = 1;
  std::int32_t c = 1;

  auto operator<=>(const Bsr&) const = default;
  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("r", self.r);
    visit("c", self.c);
  }
};

// Closed set: a new format makes the compiler list every place that must handle it (std::visit).
using Format = std::variant<Bsr>;

inline constexpr std::int32_t kMaxBlockDim = 64;

[[nodiscard]] std::string to_text(const Format& format);  // "bsr32x1"
[[nodiscard]] Result<Format> parse_format(std::string_view text);

}  // namespace lacuna
