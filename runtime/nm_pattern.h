// SPDX-License-Identifier: Apache-2.0
//
// NmPattern: N:M sparsity of a mask. Making such a mask from weights, and checking and finding it in one.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "runtime/mask.h"
#include "targets/base/result.h"
#include "templates/format.h"

namespace lacuna {

// At most n of every m columns that follow one another, counted from column 0; the last group of a row may be shorter.
// The rows [i*v, i*v + v) of a vector share their choice (V:N:M); v = 1 is plain N:M. The last vector may be shorter.
struct NmPattern {
  std::int32_t n = 2;
  std::int32_t m = 4;
  std::int32_t v = 1;

  auto operator<=>(const NmPattern&) const = default;
};

// Errors: kInvalidArgument unless 1 <= n < m <= kMaxNmGroup and v >= 1.
[[nodiscard]] Result<> check_pattern(const NmPattern& pattern);

[[nodiscard]] std::string to_text(const NmPattern& pattern);  // "2:4", "2:4 by 8 rows"
// "2:4", a pattern with v = 1. Errors: kInvalidArgument (not such a text, check_pattern).
[[nodiscard]] Result<NmPattern> parse_nm_pattern(std::string_view text);

// The mask that keeps of each group of row-major weights[i*lda + j] the n largest by magnitude; for v > 1 by the sum of
// magnitudes over the rows of a vector (in double, row by row). Of equal ones the lower column stays. A last group of
// c < m columns keeps ceil(n*c/m). Zeros are weights like any other: complete groups hold n.
// Errors: kInvalidArgument for a bad pattern, sizes beyond mask.h's limits, lda < k, too few weights, or a NaN or
// infinity, which has no place in an order (the message names its row and column).
[[nodiscard]] Result<Mask> prune_to_n_of_m(std::span<const float> weights, std::int64_t m,
                                           std::int64_t k, std::int64_t lda,
                                           const NmPattern& pattern);

// Whether the mask conforms: the rows of a vector together use at most n columns of each group.
// Errors: kInvalidArgument for a bad pattern, or naming the first rows and group that use more.
[[nodiscard]] Result<> check_conforms(const Mask& mask, const NmPattern& pattern);

// The n distinct columns, ascending, that a group stores whose weights are in the columns `used` (bits, at most n): those,
// and the lowest others.
[[nodiscard]] std::uint64_t nm_stored_columns(std::uint64_t used, const NofM& format);

// The pattern a mask was plainly made for: each complete group of each row holds exactly n weights, for the smallest m
// for which that is so, and v is the largest power of two up to 64 whose vectors have equal rows. Nothing for masks
// without a complete group. Stops at the first group that differs, so that other masks cost little.
[[nodiscard]] std::optional<NmPattern> find_nm_pattern(const Mask& mask);

}  // namespace lacuna
